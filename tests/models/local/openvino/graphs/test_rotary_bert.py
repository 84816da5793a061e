"""NomicBERT and GTE: the graph computes what transformers does."""

import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")

SIZES = [
    {},
    {"num_hidden_layers": 3, "num_attention_heads": 1, "hidden_act": "gelu"},
    {"hidden_size": 30, "num_attention_heads": 3, "intermediate_size": 7, "hidden_act": "relu"},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 17.0}},
]


@pytest.mark.parametrize("kind", ["NomicBert", "Gte"])
@pytest.mark.parametrize("size", SIZES)
def test_the_same_vectors(equal, kind, size):
    config = getattr(transformers, f"{kind}Config")(**SMALL | {"pad_token_id": 1} | size)
    equal(getattr(transformers, f"{kind}Model")(config))


@pytest.mark.parametrize("kind", ["NomicBert", "Gte"])
@pytest.mark.parametrize("original", [True, False])
def test_names_of_weights_by_the_authors_and_by_transformers(equal, kind, original):
    config = getattr(transformers, f"{kind}Config")(**SMALL, pad_token_id=1)
    equal(getattr(transformers, f"{kind}Model")(config), save_original_format=original)


def test_no_token_types_at_all(equal):
    equal(transformers.GteModel(transformers.GteConfig(**SMALL, pad_token_id=1, type_vocab_size=0)))


def test_stretched_positions_are_left_to_torch(equal):
    from veclab.models.local.openvino.graphs.unknown import NotKnown

    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0}
    config = transformers.GteConfig(**SMALL, pad_token_id=1, rope_parameters=rope)
    with pytest.raises(NotKnown, match="rotary positions are not plain"):
        equal(transformers.GteModel(config))
