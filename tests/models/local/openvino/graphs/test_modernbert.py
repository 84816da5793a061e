"""ModernBERT: the graph computes what transformers does."""

import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")

NUMBERS = dict.fromkeys([f"{name}_token_id" for name in ("pad", "bos", "eos", "cls", "sep")], 1)


@pytest.mark.parametrize(
    "size",
    [
        {"local_attention": 8, "num_hidden_layers": 4},
        {"num_hidden_layers": 7, "local_attention": 6, "global_attn_every_n_layers": 2},
        {"hidden_size": 30, "num_attention_heads": 3, "hidden_activation": "silu"},
        {"norm_bias": True, "mlp_bias": True, "attention_bias": True},
        {"layer_types": ["sliding_attention", "full_attention"], "local_attention": 4},
    ],
)
def test_the_same_vectors(equal, size):
    equal(transformers.ModernBertModel(transformers.ModernBertConfig(**SMALL | NUMBERS | size)))
