"""A cross-encoder reads the best again. A tiny random one shows that the scores arrive."""

from __future__ import annotations

import pytest

from veclab.errors import ModelUnavailable
from veclab.store.reranking import cross_encoder


@pytest.fixture(scope="module")
def tiny_cross_encoder(tiny_bert):
    """The tiny BERT's folder with one score on top, random."""
    from sentence_transformers import CrossEncoder

    folder = tiny_bert.parent / "tiny-cross-encoder"
    model = CrossEncoder(str(tiny_bert.parent / "tiny-bert-base"), num_labels=1, device="cpu")
    model.save_pretrained(str(folder))
    return str(folder)


def test_its_scores_decide_the_order(store, tiny_cross_encoder):
    texts = ["the cat sits", "a cat on the mat", "stock markets fell"]
    store.add(texts, ids=list("abc"))
    hits = store.search("cat", rerank=tiny_cross_encoder)
    expected = cross_encoder(tiny_cross_encoder).scores("cat", [h.passage.text for h in hits])
    assert [h.rerank for h in hits] == pytest.approx(expected.tolist())
    assert [h.score for h in hits] == sorted((h.rerank for h in hits), reverse=True)
    assert len(hits) == 3


def test_one_that_is_not_there_is_told():
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        cross_encoder("/no/such/model")
