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


@pytest.mark.parametrize("kind", ["Qwen3", "Gemma3Text", "ModernBert", "NomicBert"])
def test_positions_survive_bf16(tmp_path, kind):
    """Angles computed in bf16 would be wrong from the 256th token on."""
    import numpy as np

    from tests.tiny import make_any
    from veclab.models.local.folder import read_folder
    from veclab.models.local.openvino.engine import Engine
    from veclab.models.local.openvino.graphs.build import build

    size = SMALLER | {"max_position_embeddings": 700, "bos_token_id": 0, "eos_token_id": 2}
    if kind in ("ModernBert", "NomicBert"):
        del size["head_dim"], size["num_key_value_heads"]
    size |= dict.fromkeys(("cls_token_id", "sep_token_id"), 2)
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**size))
    folder = read_folder(make_any(tmp_path / "m", model, max_tokens=600), name="m")
    rows = [np.random.default_rng(0).integers(5, 250, 600).astype(np.int32)]
    exact = Engine(build(folder).model, arithmetic="f32").run(rows)
    engine = Engine(build(folder).model, arithmetic="bf16")
    if engine.arithmetic != "bf16":
        pytest.skip("this processor has no bf16")
    quick = engine.run(rows)
    cosine = (exact * quick).sum() / np.linalg.norm(exact) / np.linalg.norm(quick)
    assert cosine > 0.999
