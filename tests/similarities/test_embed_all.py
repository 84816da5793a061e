"""No text is lost between the caller's list and the rows."""

import numpy as np
import pytest

from tests.fakes import FakeProvider
from veclab import InputError, Model
from veclab.provider import BatchResult
from veclab.similarities.embed_all import embed_all


class Choosy(FakeProvider):
    """Refuses one text, as an endpoint may."""

    def embed_batch(self, batch, role):
        refused = {i: "no" for i, one in enumerate(batch) if one.text == "bad"}
        return BatchResult(np.ones((len(batch), 8), np.float32), refused)


def test_rows_follow_the_texts(model):
    vectors = embed_all(model, ["b", "a", "b"], ["1", "2", "3"])
    assert list(vectors.texts) == ["b", "a", "b"]


def test_a_refused_text_is_an_error_and_no_shift_of_rows():
    with pytest.raises(InputError, match="refused 2 of 3 texts: 2, 3"):
        embed_all(Model(Choosy(), None), ["good", "bad", "bad"], ["1", "2", "3"])
