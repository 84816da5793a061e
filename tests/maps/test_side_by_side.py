"""Two models' maps of the same texts: what moved, where both come from, and very few texts."""

from dataclasses import replace

import numpy as np
import pytest

from tests.maps.made_vectors import clumped
from tests.maps.test_page import Reader
from veclab.maps.side_by_side import map_both
from veclab.space import Space

OTHER = Space("fake", "other", 16)


def by_another_model(n, **changes):
    """The same texts, elsewhere in another space."""
    return clumped(n, space=OTHER, seed=3, texts=clumped(n).texts, **changes)


def head_of(both):
    return Reader("".join(both.page().write())).head()


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_of_few_texts_half_the_others_are_judged(n):
    both = map_both(clumped(n), by_another_model(n))
    assert np.isfinite(both.moved).all()
    if n < 3:
        assert (both.moved == 0).all()  # there is nothing to differ
    if n == 20:
        assert both.moved.mean() > 0.2  # all are among 15 of 19 anywhere; of the nearest 9 not
    assert head_of(both)["n"] == n


def test_both_shares_of_neighbors_kept_are_what_the_map_says_of_itself():
    both = map_both(clumped(60), by_another_model(60), "pca")
    roles = {c["name"]: c["role"] for c in head_of(both)["columns"]}
    assert roles["neighbors kept"] == roles["neighbors kept, other"] == "preservation"
    assert roles["neighbors moved"] == "moved"


def test_a_column_of_the_users_of_that_name_stays_his():
    import pyarrow as pa

    columns = pa.table({"neighbors moved": [1.0] * 60})
    both = map_both(clumped(60, columns=columns), by_another_model(60), "pca")
    roles = {c["name"]: c["role"] for c in head_of(both)["columns"]}
    assert roles["neighbors moved"] == "own" and roles["neighbors moved (veclab)"] == "moved"


def test_each_tells_where_it_comes_from():
    facts = ([("file", "a.parquet")], [("file", "b.parquet")])
    both = map_both(clumped(60), by_another_model(60), "pca", facts=facts)
    told = [dict(one["facts"])["file"] for one in head_of(both)["maps"]]
    assert told == ["a.parquet", "b.parquet"]


def test_in_a_notebook_it_is_a_frame_and_too_large_a_line(monkeypatch):
    both = map_both(clumped(60), by_another_model(60), "pca")
    assert 'sandbox="allow-scripts' in both._repr_html_()
    monkeypatch.setattr("veclab.maps.map._MOST_IN_NOTEBOOK", 1000)
    said = both._repr_html_()
    assert "<iframe" not in said and "60 texts" in said and "save('map.html')" in said


def test_vectors_that_are_not_finite_are_refused():
    from veclab import InputError

    array = clumped(30).array.copy()
    array[4, 0] = np.nan
    with pytest.raises(InputError, match="id4"):
        map_both(clumped(30), replace(clumped(30, space=OTHER), array=array))
