"""MPNet: the graph computes what transformers does."""

import numpy as np
import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL
from veclab.models.local.openvino.graphs.mpnet import distance_buckets

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"num_attention_heads": 1, "num_hidden_layers": 3},
        {"hidden_size": 33, "num_attention_heads": 3, "hidden_act": "relu"},
        {"pad_token_id": 0},  # which the model takes no notice of
    ],
)
def test_the_same_vectors(equal, size):
    equal(transformers.MPNetModel(transformers.MPNetConfig(**SMALL | size)))


def test_texts_longer_than_the_distances_told_apart(equal):
    config = transformers.MPNetConfig(**SMALL | {"max_position_embeddings": 300})
    equal(transformers.MPNetModel(config), max_tokens=290)


def test_every_distance_falls_into_the_bucket_of_the_original():
    import torch
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-2048, 2049)
    expected = MPNetEncoder.relative_position_bucket(torch.from_numpy(distances))
    np.testing.assert_array_equal(distance_buckets(distances), expected.numpy())
