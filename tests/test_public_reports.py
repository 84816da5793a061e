"""Kinds of faults that trackers of embedding libraries report, tried on veclab.

docs/compatibility.md lists them with their reports and what came of them.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import FakeProvider
from veclab import (
    BadVectors,
    EmptyText,
    InputError,
    ModelUnavailable,
    SpaceMismatch,
    Vectors,
    load,
    nearest,
    read,
    similarity,
)
from veclab.evaluation.beir import read_beir
from veclab.model import Model
from veclab.models.families import missing_prompt

TEXTS = ["the cat sits on the mat", "a dog", "stock markets fell sharply on monday", "z"]


@pytest.fixture
def bare():
    """A model of which nothing is kept."""
    return Model(FakeProvider(), None)


@pytest.fixture(scope="module")
def tiny(tiny_bert):
    return load(str(tiny_bert), cache=False, engine="torch")


class Answering(FakeProvider):
    """Gives what a broken server gave."""

    def __init__(self, given):
        super().__init__()
        self.given = given

    def embed_batch(self, batch, role):
        return self.given(super().embed_batch(batch, role))


class TestVectors:
    def test_a_text_alone_and_among_others(self, tiny):
        together = tiny.embed(TEXTS).array
        for row, text in enumerate(TEXTS):
            np.testing.assert_allclose(tiny.embed(text).array[0], together[row], atol=1e-6)

    def test_the_same_text_twice_has_one_vector(self, tiny):
        found = tiny.embed([TEXTS[3], *TEXTS, TEXTS[3]]).array
        np.testing.assert_array_equal(found[0], found[-1])

    def test_a_string_is_one_text_and_not_its_letters(self, bare):
        assert bare.embed("abc").array.shape == (1, 8)

    def test_no_texts_are_no_error(self, bare):
        assert bare.embed([]).array.shape == (0, 8)

    def test_threads_that_share_a_model(self, tiny):
        alone = [tiny.embed(text).array for text in TEXTS * 4]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda text: tiny.embed(text).array, TEXTS * 4))
        np.testing.assert_allclose(together, alone, atol=1e-6)

    def test_copies_are_equal_and_independent(self, bare):
        vectors = bare.embed(TEXTS)
        other = copy.deepcopy(vectors)
        np.testing.assert_array_equal(other.array, vectors.array)
        assert other.space == vectors.space

    def test_float16_keeps_its_rows_and_is_float32_here(self, bare):
        space = bare.space
        made = Vectors(np.eye(8, dtype=np.float16), space, ids=list("abcdefgh"))
        assert made.array.dtype == np.float32

    @pytest.mark.parametrize("wanted", [0, -1, 10_000])
    def test_dimensions_that_a_model_cannot_give(self, tiny_bert, wanted):
        with pytest.raises(InputError):
            load(str(tiny_bert), dimensions=wanted, engine="torch")


class TestBrokenAnswers:
    @pytest.mark.parametrize(
        "given",
        [
            lambda right: np.full_like(right, np.nan),
            lambda right: np.full((len(right), 1), np.nan, np.float32),
            lambda right: right[:-1],
            lambda right: np.zeros_like(right),
            lambda right: right[:, :4],
            lambda right: np.full_like(right, np.inf),
        ],
        ids=["nan", "a vector of length 1", "one too few", "zeros", "too short", "infinite"],
    )
    def test_are_refused_and_not_kept(self, given, cache):
        with pytest.raises(BadVectors):
            Model(Answering(given), cache).embed(TEXTS)
        assert Model(FakeProvider(), cache).embed(TEXTS).report.cached == 0

    def test_one_bad_vector_in_a_batch_is_not_hidden_by_the_others(self, cache):
        def one_bad(right):
            right[0] = np.nan
            return right

        with pytest.raises(BadVectors):
            Model(Answering(one_bad), cache).embed(TEXTS)


class TestTexts:
    def test_what_is_cut_is_in_the_report(self, bare):
        report = bare.embed(["word " * 40]).report
        assert (report.truncated, report.tokens_lost) == (1, 26)

    @pytest.mark.parametrize("empty", ["", " ", "\n\t", "\u3000", "\u200b", "\ufeff"])
    def test_empty_ones_have_no_vector_and_shift_nobody(self, bare, empty):
        with pytest.warns(UserWarning, match="left out"):
            vectors = bare.embed([empty, "New York", "California"], ids=[1, 2, 3])
        assert list(vectors.ids) == ["2", "3"]
        match = nearest(bare.embed("California"), vectors, k=1)[0][0]
        assert (match.id, match.text) == ("3", "California")
        with pytest.raises(EmptyText):
            bare.embed([empty], on_empty="error")

    @pytest.mark.parametrize(
        "text",
        [
            "a\x00b",
            "half \ud83d of a pair",
            "👩‍👩‍👧‍👦 🏳️‍🌈",
            "x" * 100_000,
            "e\u0301",
            "\u202etxet",
            "你好" * 500,
        ],
        ids=["nul", "surrogate", "emoji", "one word", "accents", "right to left", "no spaces"],
    )
    def test_odd_ones_have_a_sound_vector(self, tiny, text):
        array = tiny.embed([text, "the cat"]).array
        assert np.isfinite(array).all()
        np.testing.assert_allclose(np.linalg.norm(array, axis=1), 1, atol=1e-5)

    def test_tokens_are_counted_and_not_guessed(self, tiny):
        text = "你好" * 500
        assert tiny.count_tokens([text])[0] > len(text) / 3
        assert tiny.embed([text]).report.truncated == 1

    @pytest.mark.parametrize(
        "given", [b"bytes", {"a": "b"}, [["nested"]], ["a", 3], [b"a"], 7, [("a", "b")]]
    )
    def test_what_is_no_text_is_an_error_that_says_so(self, bare, given):
        with pytest.raises(InputError):
            bare.embed(given)

    @pytest.mark.parametrize(
        "given",
        [np.array(["a", "b"]), ("a", "b"), (text for text in "ab"), {"a": 1, "b": 2}.keys()],
        ids=["numpy", "tuple", "generator", "keys"],
    )
    def test_any_list_of_texts_will_do(self, bare, given):
        np.testing.assert_array_equal(bare.embed(given).array, bare.embed(["a", "b"]).array)

    def test_a_column_with_holes(self, bare):
        pandas = pytest.importorskip("pandas")
        column = pandas.Series(["a", None, float("nan"), "b"], index=["w", "x", "y", "z"])
        with pytest.warns(UserWarning, match="left out"):
            assert list(bare.embed(column).ids) == ["w", "z"]
        with pytest.raises(InputError, match="one column"):
            bare.embed(pandas.DataFrame({"text": ["a"]}))

    def test_upper_and_lower_case_are_two_texts(self, cache):
        assert Model(FakeProvider(), cache).embed(["Polish", "polish"]).report.embedded == 2


class TestIdentity:
    def test_dimensions_that_differ(self, bare):
        other = bare.embed(TEXTS).truncate(4)
        with pytest.raises(SpaceMismatch, match="dimensions"):
            similarity(bare.embed("a"), other)

    def test_models_that_differ_with_equal_dimensions(self, bare):
        other = Model(FakeProvider(name="other"), None)
        with pytest.raises(SpaceMismatch, match="model"):
            nearest(bare.embed("a"), other.embed(TEXTS))

    def test_a_file_of_another_model_than_the_query(self, bare, tmp_path):
        bare.embed(TEXTS).save(tmp_path / "v.parquet")
        other = Model(FakeProvider(name="other"), None)
        with pytest.raises(SpaceMismatch):
            nearest(other.embed("a"), read(tmp_path / "v.parquet"))

    def test_asking_for_more_than_there_are(self, bare):
        assert len(nearest(bare.embed("a"), bare.embed(TEXTS), k=10)[0]) == len(TEXTS)

    def test_text_in_vain_finds_something_and_its_score_says_how_little(self, tiny):
        scores = [
            match.score for match in nearest(tiny.embed("kkkqsd12"), tiny.embed(TEXTS), k=4)[0]
        ]
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize(
        ("model", "role", "said"),
        [
            ("intfloat/multilingual-e5-small", "query", "'query: '"),
            ("intfloat/e5-base-v2", "document", "'passage: '"),
            ("intfloat/e5-base-v2", None, "'query: ' and 'passage: '"),
            ("BAAI/bge-small-en-v1.5", "query", "Represent this sentence"),
            ("BAAI/bge-small-en-v1.5", "document", None),
            ("BAAI/bge-m3", "query", None),
            ("intfloat/multilingual-e5-large-instruct", "query", None),
            ("sentence-transformers/all-MiniLM-L6-v2", "query", None),
        ],
    )
    def test_families_with_prompts_that_the_folder_lacks(self, model, role, said):
        found = missing_prompt(model, role)
        assert found is None if said is None else said in found

    def test_that_is_in_the_report_and_not_where_the_prompts_are(self):
        provider = FakeProvider(name="intfloat/e5-small-v2")
        notes = Model(provider, None).embed("a", role="query").report.notes
        assert any("trained with" in note for note in notes)
        provider.space = replace(provider.space, prompts=(("query", "query: "),))
        notes = Model(provider, None).embed("a", role="query").report.notes
        assert not any("trained with" in note for note in notes)


class TestFolders:
    @pytest.fixture
    def folder(self, tiny_bert, tmp_path):
        return shutil.copytree(tiny_bert, tmp_path / "a model – ü" / "tiny")

    def test_names_with_spaces_accents_and_a_slash_at_the_end(self, folder):
        assert load(f"{folder}/", cache=False, engine="torch").embed("a").array.shape == (1, 32)

    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
    @pytest.mark.parametrize("size", [None, 0, 64], ids=["missing", "empty", "cut short"])
    def test_files_that_an_interrupted_download_leaves(self, folder, name, size):
        file = folder / name
        if size is None:
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:size])
        with pytest.raises((ModelUnavailable, InputError)) as error:
            load(str(folder), cache=False, engine="torch").embed("a")
        assert "\n" not in str(error.value)

    @pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
    def test_a_folder_that_cannot_be_written(self, folder):
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        assert load(str(folder), cache=False, engine="torch").embed("a").array.shape == (1, 32)

    def test_a_home_that_cannot_be_made(self, tmp_path, monkeypatch, tiny_bert):
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("VECLAB_HOME", str(tmp_path / "file" / "home"))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert len(load(str(tiny_bert), engine="torch").embed("a")) == 1
        assert any("without a cache" in str(warning.message) for warning in said)


def test_a_pair_that_is_judged_twice_is_said(tmp_path):
    rows = [json.dumps({"_id": name, "text": f"text of {name}"}) for name in ("a", "b")]
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "text"}))
    (tmp_path / "qrels.tsv").write_text("q\ta\t1\nq\tb\t1\nq\ta\t0\nq\tb\t1\n")
    data = read_beir(tmp_path)
    (note,) = [note for note in data.notes if "judged more than once" in note]
    assert "2 pair(s)" in note
    assert "1 of them differently" in note
    assert "'a', 1 and then 0" in note
