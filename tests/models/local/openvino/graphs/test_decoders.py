"""Qwen3 and Gemma 3: the graph computes what transformers does."""

import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")

SMALLER = SMALL | {"num_key_value_heads": 2, "head_dim": 12, "pad_token_id": 1}


def last_token():
    from sentence_transformers.sentence_transformer.modules import Pooling

    return [Pooling(32, pooling_mode="lasttoken")]


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"num_key_value_heads": 4, "num_hidden_layers": 3, "head_dim": 8},
        {"num_key_value_heads": 1, "attention_bias": True, "hidden_act": "gelu"},
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ],
)
def test_qwen3(equal, size):
    equal(transformers.Qwen3Model(transformers.Qwen3Config(**SMALLER | size)), after=last_token())


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize(
    "size",
    [
        {"sliding_window": 6, "num_hidden_layers": 7},
        {"sliding_window": 9, "query_pre_attn_scalar": 7, "num_key_value_heads": 1},
        {"sliding_window": 4, "layer_types": ["full_attention", "sliding_attention"]},
    ],
)
def test_gemma3(equal, size, around):
    config = transformers.Gemma3TextConfig(
        **SMALLER | size, use_bidirectional_attention=around, bos_token_id=0, eos_token_id=2
    )
    equal(transformers.Gemma3TextModel(config))
