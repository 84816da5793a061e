"""ALBERT: the graph computes what transformers does."""

import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"num_hidden_layers": 5, "num_hidden_groups": 2, "inner_group_num": 2},
        {"hidden_size": 33, "num_attention_heads": 3, "hidden_act": "relu"},
    ],
)
def test_the_same_vectors(equal, size):
    config = transformers.AlbertConfig(**SMALL | {"embedding_size": 12, "pad_token_id": 1} | size)
    equal(transformers.AlbertModel(config))
