"""Poolings, Dense, LayerNorm, Normalize: the graph computes what sentence-transformers does."""

import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")

POOLINGS = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


def bert():
    return transformers.BertModel(transformers.BertConfig(**SMALL))


def pool(mode, width=32):
    from sentence_transformers.sentence_transformer.modules import Pooling

    return Pooling(width, pooling_mode=mode)


@pytest.mark.parametrize("mode", [*POOLINGS, ("max", "cls", "weightedmean")])
def test_poolings(equal, mode):
    equal(bert(), after=[pool(mode)])


@pytest.mark.parametrize("activation", ["Tanh", "Identity", "GELU", "ReLU", "ELU", "SELU", "SiLU"])
@pytest.mark.parametrize("bias", [True, False])
def test_dense(equal, activation, bias):
    import torch
    from sentence_transformers.base.modules import Dense

    dense = Dense(32, 9, bias=bias, activation_function=getattr(torch.nn, activation)())
    equal(bert(), after=[pool("mean"), dense])


@pytest.mark.parametrize("out", [32, 20])
def test_dense_beside_what_goes_in(equal, out):
    from sentence_transformers.base.modules import Dense

    equal(bert(), after=[pool("mean"), Dense(32, out, use_residual=True)])


def test_dense_before_pooling(equal):
    from sentence_transformers.base.modules import Dense

    dense = Dense(32, 12, module_input_name="token_embeddings")
    equal(bert(), after=[dense, pool("mean", 12)])


def test_norms_and_dropout(equal):
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    equal(bert(), after=[pool("mean"), LayerNorm(32), Dropout(0.5), Dense(32, 8), Normalize()])
