"""BERT, RoBERTa and their kin: the graph computes what transformers does."""

import pytest

from tests.tiny import VOCABULARY

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")

SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 56,
    "max_position_embeddings": 48,
}
ACTIVATIONS = [
    "gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu",
    "relu2", "relu6", "leaky_relu", "silu", "swish", "mish", "sigmoid", "hardswish", "tanh",
    "linear",
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(equal, activation):
    config = transformers.BertConfig(**SMALL | {"hidden_act": activation})
    equal(transformers.BertModel(config))


@pytest.mark.parametrize(
    "size",
    [
        {"num_hidden_layers": 1, "num_attention_heads": 1},
        {"num_hidden_layers": 5, "num_attention_heads": 8},
        {"hidden_size": 33, "num_attention_heads": 3, "intermediate_size": 7},
        {"hidden_size": 15, "num_attention_heads": 5, "intermediate_size": 61},
        {"type_vocab_size": 1, "max_position_embeddings": 32},
        {"layer_norm_eps": 1e-5},
    ],
)
def test_sizes(equal, size):
    equal(transformers.BertModel(transformers.BertConfig(**SMALL | size)))


@pytest.mark.parametrize("kind", ["Roberta", "XLMRoberta", "Camembert"])
@pytest.mark.parametrize("padding", [0, 1, 5])
def test_positions_counted_from_padding(equal, kind, padding):
    config = getattr(transformers, f"{kind}Config")(**SMALL, pad_token_id=padding)
    equal(getattr(transformers, f"{kind}Model")(config))


@pytest.mark.parametrize(
    "kind", ["BertForMaskedLM", "RobertaForMaskedLM", "BertForSequenceClassification"]
)
def test_a_checkpoint_with_a_head(equal, kind):
    """Names have a prefix, and there are weights that are not the model's."""
    config = getattr(transformers, f"{kind.split('For')[0]}Config")(**SMALL, pad_token_id=1)
    equal(getattr(transformers, kind)(config), max_shard_size="1GB")
