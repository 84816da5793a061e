"""A map of vectors: made, written in every format, laid over, set beside another."""

import json
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.maps.made_vectors import SPACE, TOPICS, clumped
from tests.maps.test_page import Reader
from veclab import InputError, MissingExtra, OutputError, SpaceMismatch, read
from veclab.cli.app import app
from veclab.errors import VeclabError
from veclab.maps.build import distinct, make_map
from veclab.maps.side_by_side import map_both
from veclab.similarities.nearest import neighbors
from veclab.space import Space


@pytest.fixture(scope="module")
def vectors():
    return clumped(300)


@pytest.fixture(scope="module")
def made(vectors):
    return vectors.map(seed=3)


def test_a_map_knows_its_vectors_and_how_far_to_trust_it(made, vectors):
    assert made.xy.shape == (300, 2)
    assert 0.2 < made.honesty["kept"] <= 1
    assert made.honesty["kept"] == pytest.approx(made.kept.mean(), abs=1e-3)
    assert made.honesty["trustworthiness"] > 0.9
    facts = dict(made.facts)
    assert str(SPACE) in facts["space"] and facts["seed"] == "3"
    assert "kept" in repr(made)
    expected = neighbors(vectors, 15)
    assert (made.neighbors.positions == expected.positions).mean() > 0.999


def test_the_words_of_the_texts_label_it(made):
    assert set(TOPICS) & {label.text.split(",")[0] for label in made.labels}


def test_equal_vectors_lie_in_one_place_and_are_each_others_first_neighbors(vectors):
    twice = vectors + vectors[[0, 0, 0, 1]]
    found = twice.map(seed=3)
    assert (found.xy[[300, 301, 302]] == found.xy[0]).all()
    assert set(found.neighbors.positions[0, :3]) == {300, 301, 302}
    assert (found.neighbors.positions != np.arange(304)[:, None]).all()
    assert "300" in dict(found.facts)["different"]
    first, copy_of = distinct(twice.array)
    assert len(first) == 300 and list(copy_of[-4:]) == [0, 0, 0, 1]


@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_points_all_equal_or_hardly_any(n, tmp_path):
    one = clumped(1).array[[0] * n] if n else np.zeros((0, 16), np.float32)
    columns = pa.table({"topic": ["a"] * n})
    found = make_map(clumped(n, array=one, columns=columns))
    assert (found.xy == 0).all()
    assert Reader(found.save(tmp_path / "m.html").read_text()).head()["n"] == n


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_by_id(vectors, bad):
    array = vectors.array.copy()
    array[7, 3] = bad
    with pytest.raises(InputError, match="id7"):
        replace(vectors, array=array).map()


def test_a_page_of_it_shows_all_columns(made, tmp_path):
    path = made.save(tmp_path / "map.html", color="topic")
    read = Reader(path.read_text(encoding="utf-8"))
    head = read.head()
    kinds = {c["name"]: (c["kind"], c["role"]) for c in head["columns"]}
    assert kinds == {
        "topic": ("category", "own"),
        "year": ("number", "own"),
        "region": ("category", "cluster"),
        "neighbors kept": ("number", "preservation"),
        "characters": ("number", "length"),
        "tokens": ("number", "tokens"),
        "truncated": ("category", "truncated"),
    }
    colored = next(c for c in head["columns"] if c["key"] == head["color"])
    assert colored["name"] == "topic"
    assert head["maps"][0]["honesty"]["kept"] == made.honesty["kept"]
    assert len(json.loads(read.blob("a-labels"))) == len(made.labels)


def test_awkward_columns():
    n = 400
    table = pa.table(
        {
            "カテゴリ": [f"k{i % 3}" for i in range(n)],
            "region": ["mine"] * n,
            "score": [float("nan") if i % 2 else float("inf") for i in range(n)],
            "flag": [None, True] * (n // 2),
            "when": pa.array([i * 10**9 for i in range(n)], pa.timestamp("ns")),
            "big": [2**53 + 1 + 2 * i for i in range(n)],
            "tags": [["a", "b"]] * n,
            "name": [f"n{i}" for i in range(n)],
        }
    )
    page = clumped(n, columns=table).map("pca").page()
    by_name = {c.name: c for c in page.columns}
    assert by_name["カテゴリ"].levels == ["k0", "k1", "k2"]
    assert by_name["region"].role == "own" and by_name["region (veclab)"].role == "cluster"
    assert by_name["score"].describe("c")["low"] is None
    assert by_name["flag"].describe("c")["missing"] == n // 2
    assert by_name["when"].format == "date" and by_name["when"].values[3] == 3000
    assert by_name["big"].values.dtype == np.float64
    assert by_name["tags"].kind == "category"
    assert by_name["name"].kind == "text"
    Reader("".join(page.write())).head()


def test_many_categories_are_kept_and_all_different_ones_only_when_asked_for():
    n = 30_000
    from veclab.maps.columns import of_array

    many = of_array("c", pa.array([f"v{i % 10_000}" for i in range(n)]))
    assert many.kind == "category" and len(many.levels) == 10_000
    names = pa.array([f"v{i}" for i in range(n)])
    assert of_array("c", names).kind == "text"
    assert of_array("c", names, forced=True).kind == "category"


def test_a_table_of_it_is_what_embedding_atlas_reads(made, tmp_path):
    table = pq.read_table(made.save(tmp_path / "map.parquet", neighbors=True))
    assert np.allclose(table["x"], made.xy[:, 0])
    row = table["neighbors"][5].as_py()
    assert row["ids"] == list(made.neighbors.positions[5])
    assert row["distances"][0] == pytest.approx(1 - made.neighbors.scores[5, 0], abs=1e-6)
    assert table["topic"].to_pylist() == made.vectors.columns["topic"].to_pylist()
    assert b"veclab.space" in table.schema.metadata


@pytest.mark.parametrize("name", ["map.png", "map.svg"])
def test_pictures_of_it(made, tmp_path, name):
    pytest.importorskip("matplotlib")
    assert made.save(tmp_path / name, color="topic").stat().st_size > 5000


def test_what_cannot_be_written_is_said_before(made, tmp_path):
    with pytest.raises(InputError, match=r"\.html, \.png"):
        made.save(tmp_path / "map.pdf")
    with pytest.raises(InputError, match="'topic'"):
        made.save(tmp_path / "map.html", color="tpic")
    with pytest.raises(OutputError):
        made.save(tmp_path / "nowhere" / "map.html")
    assert list(tmp_path.iterdir()) == []


def test_in_a_notebook_it_is_a_frame_that_can_touch_nothing(made):
    shown = made._repr_html_()
    assert 'sandbox="allow-scripts' in shown and "allow-same-origin" not in shown
    assert "<script" not in shown


def test_a_live_map_gives_its_selection_back(made):
    pytest.importorskip("anywidget")
    assert len(made.selection) == 0
    widget = made.widget()
    assert "v:a-x:0" in widget.page
    widget.rows = [2, 7]  # what the page tells
    assert list(made.selection.ids) == ["id2", "id7"]
    assert made.selection.space == made.vectors.space


def test_without_anywidget_the_message_names_the_extra(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtra, match=r"veclab\[notebook\]"):
        made.widget()


@pytest.mark.parametrize("fitted", [100, 295])
def test_of_very_many_a_sample_is_fitted_and_the_others_put_beside_it(vectors, monkeypatch, fitted):
    monkeypatch.setattr("veclab.maps.sampled.FITTED", fitted)
    found = vectors.map(seed=3)
    assert f"{fitted} chosen at random" in dict(found.facts)["fitted"]
    assert np.isfinite(found.xy).all()
    assert found.honesty["trustworthiness"] > 0.85
    assert (found.xy == vectors.map(seed=3).xy).all()


def test_laying_over_puts_each_beside_its_own(made, vectors):
    others = clumped(40, seed=5, columns=None, texts=None)
    both = made.overlay(others, ("documents", "queries"))
    assert len(both) == 340 and both.overlaid == 40
    assert (both.xy[:300] == made.xy).all()
    nearest = np.linalg.norm(both.xy[300:, None] - made.xy[None], axis=2).argmin(axis=1)
    topics = vectors.columns["topic"].to_pylist()
    theirs = clumped(40, seed=5).columns["topic"].to_pylist()
    assert np.mean([topics[i] == t for i, t in zip(nearest, theirs, strict=True)]) > 0.95
    head = Reader("".join(both.page().write())).head()
    assert head["overlay"]["n"] == 40
    assert "laid over" in dict(both.facts)


def test_laying_over_files_whose_columns_clash(made):
    columns = pa.table({"topic": [1, 2], "extra": ["x", "y"]})
    both = made.overlay(clumped(2, seed=5, columns=columns))
    assert both.vectors.columns["topic"].to_pylist()[-2:] == ["1", "2"]
    assert both.vectors.columns["extra"].to_pylist()[0] is None


def test_another_space_cannot_be_laid_over(made):
    with pytest.raises(SpaceMismatch, match="queries"):
        made.overlay(clumped(3, space=Space("fake", "other", 16)), ("map", "queries"))


def test_side_by_side_says_whose_neighbors_changed(vectors, tmp_path):
    other = clumped(300, space=Space("fake", "other", 16))
    array = other.array.copy()
    # The other model is the same but for the first ten texts, which it takes for one another's.
    array[:10] = -array[:10]
    order = np.random.default_rng(0).permutation(299)
    both = map_both(vectors, replace(other, array=array)[order], "pca")
    assert both.notes == ["1 rows of the first file are not in the other and were left out"]
    moved = dict(zip(both.first.vectors.ids, both.moved, strict=True))
    assert np.mean([moved[f"id{i}"] for i in range(10) if f"id{i}" in moved]) > 0.8
    assert np.mean([moved[f"id{i}"] for i in range(10, 299)]) < 0.2
    head = Reader(both.save(tmp_path / "both.html").read_text(encoding="utf-8")).head()
    assert [m["title"] for m in head["maps"]] == ["clumps", "other"]
    assert "moved" in {c["role"] for c in head["columns"]}


def test_a_map_that_is_only_turned_lies_as_the_other_does(vectors):
    from veclab.maps.side_by_side import _turn

    made = vectors.map("pca")
    mirrored = replace(
        made,
        xy=made.xy[:, ::-1] + np.float32(3),
        labels=[replace(label, x=label.y + 3, y=label.x + 3) for label in made.labels],
    )
    turned = _turn(mirrored, made)
    center = made.xy.mean(axis=0)
    assert np.abs(turned.xy - (made.xy - center)).max() < 1e-5
    for label, was in zip(turned.labels, made.labels, strict=True):
        assert (label.x, label.y) == pytest.approx((was.x - center[0], was.y - center[1]), abs=1e-4)


def test_side_by_side_needs_the_same_texts(vectors):
    with pytest.raises(InputError, match="no ids in common"):
        map_both(vectors, replace(vectors, ids=[f"x{i}" for i in range(300)]))
    with pytest.raises(InputError, match="different texts"):
        map_both(vectors, replace(vectors, texts=["other"] * 300))
    with pytest.raises(InputError, match="more than once"):
        map_both(vectors, replace(vectors, ids=["same"] * 300))


def test_a_store_can_be_mapped(vectors, tmp_path):
    pytest.importorskip("lance")
    from veclab.store.store import Store

    with Store.open(tmp_path / "s.store", create=True) as store:
        store.add_vectors(vectors)
    result = run("--store", tmp_path / "s.store", "-o", tmp_path / "m.html", "--color", "topic")
    assert result.exit_code == 0, result.output
    head = Reader((tmp_path / "m.html").read_text()).head()
    assert head["n"] == 300 and head["title"] == "s.store"
    assert {"topic", "year", "document"} <= {c["name"] for c in head["columns"]}


def test_the_page_says_by_which_recipe_the_vectors_were_made(vectors, tmp_path):
    from veclab.maps.provenance import of_file
    from veclab.space import Recipe
    from veclab.vectorfiles.files import ParquetSink

    recipe = Recipe(SPACE, precision="bf16", max_tokens=256)
    with ParquetSink(tmp_path / "v.parquet", SPACE, recipe) as sink:
        sink.write(vectors)
    said = dict(of_file(tmp_path / "v.parquet"))
    assert said["file"] == "v.parquet"
    assert "bf16" in said["recipe"] and "256 tokens" in said["recipe"]
    replace(vectors, columns=None).save(tmp_path / "plain.npz")
    assert dict(of_file(tmp_path / "plain.npz")) == {"file": "plain.npz"}


def run(*arguments):
    return CliRunner().invoke(app, ["map", *map(str, arguments)], catch_exceptions=True)


def test_the_command(vectors, tmp_path):
    vectors.save(tmp_path / "v.parquet")
    result = run(tmp_path / "v.parquet", "-o", tmp_path / "map.html", "--color", "year")
    assert result.exit_code == 0, result.output
    assert "neighbors kept" in result.output
    assert result.output.strip().endswith((tmp_path / "map.html").as_uri())
    said = run(tmp_path / "v.parquet", "-o", tmp_path / "map.html", "--json", "--method", "pca")
    assert json.loads(said.output)["honesty"]["k"] == 15


def test_the_command_refuses_before_it_computes(vectors, tmp_path):
    vectors.save(tmp_path / "v.parquet")
    other = clumped(5, space=Space("fake", "other", 16))
    other.save(tmp_path / "other.parquet")
    for arguments, expected in (
        (["-o", tmp_path / "map.pdf"], InputError),
        (["-o", tmp_path / "no" / "map.html"], OutputError),
        (["-o", tmp_path / "map.html", "--color", "nothing"], InputError),
        (["-o", tmp_path / "m.html", "--overlay", tmp_path / "other.parquet"], SpaceMismatch),
    ):
        result = run(tmp_path / "v.parquet", *arguments)
        assert isinstance(result.exception, expected), (arguments, result.output)
        assert isinstance(result.exception, VeclabError)
    assert {p.name for p in tmp_path.iterdir()} == {"v.parquet", "other.parquet"}


def test_the_command_overlays_compares_and_writes_for_embedding_atlas(vectors, tmp_path):
    vectors.save(tmp_path / "v.parquet")
    clumped(20, seed=5).save(tmp_path / "queries.parquet")
    clumped(300, space=Space("fake", "other", 16)).save(tmp_path / "other.parquet")
    result = run(
        tmp_path / "v.parquet", "-o", tmp_path / "o.html", "--overlay", tmp_path / "queries.parquet"
    )
    assert result.exit_code == 0, result.output
    assert Reader((tmp_path / "o.html").read_text()).head()["overlay"]["n"] == 20
    result = run(
        "--compare", tmp_path / "v.parquet", tmp_path / "other.parquet", "-o", tmp_path / "c.html"
    )
    assert result.exit_code == 0, result.output
    assert len(Reader((tmp_path / "c.html").read_text()).head()["maps"]) == 2
    result = run(tmp_path / "v.parquet", "--atlas", "-o", tmp_path / "a.parquet")
    assert "--neighbors neighbors" in result.output
    assert "neighbors" in pq.read_table(tmp_path / "a.parquet").column_names


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "m.html"],
        ["v.parquet", "-o", "m.html", "--atlas"],
        ["v.parquet", "--compare", "a.parquet", "b.parquet", "-o", "m.html"],
        ["--compare", "a.parquet", "b.parquet", "-o", "m.png"],
        ["--compare", "a.parquet", "b.parquet", "--overlay", "c.parquet", "-o", "m.html"],
    ],
)
def test_the_command_refuses_options_that_do_not_go_together(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments).exit_code == 2


def test_a_file_of_texts_is_told_how_to_become_vectors(tmp_path):
    (tmp_path / "texts.txt").write_text("one")
    result = run(tmp_path / "texts.txt", "-o", tmp_path / "m.html")
    assert isinstance(result.exception, InputError)
    assert "veclab embed" in str(result.exception)


def test_a_saved_file_without_texts_can_be_mapped(vectors, tmp_path):
    replace(vectors, texts=None, columns=None).save(tmp_path / "v.parquet")
    found = read(tmp_path / "v.parquet").map("pca")
    head = Reader("".join(found.page().write())).head()
    assert head["texts"] is False
    assert "no texts" in dict(found.facts)["note"]
