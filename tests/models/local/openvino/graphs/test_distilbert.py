"""DistilBERT: the graph computes what transformers does."""

import pytest

from tests.tiny import VOCABULARY

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")

SMALL = {
    "vocab_size": VOCABULARY,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 56,
    "max_position_embeddings": 48,
    "pad_token_id": 1,
}


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"n_layers": 1, "n_heads": 1, "activation": "relu"},
        {"dim": 33, "n_heads": 3, "hidden_dim": 7},
        {"sinusoidal_pos_embds": True},
    ],
)
def test_the_same_vectors(equal, size):
    equal(transformers.DistilBertModel(transformers.DistilBertConfig(**SMALL | size)))


def test_a_checkpoint_with_a_head(equal):
    config = transformers.DistilBertConfig(**SMALL)
    equal(transformers.DistilBertForMaskedLM(config), max_shard_size="1GB")
