"""Each fault is put into good vectors, and the audit finds it; good vectors raise no alarm."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import veclab
from tests.auditing.test_mixed_models import make_model, of_two, texts_about
from veclab import InputError, Space, Vectors
from veclab.auditing.audit import audit
from veclab.auditing.findings import SEVERITIES
from veclab.auditing.scan import pairs_that_differ
from veclab.models.catalog import find_model
from veclab.unit_length import normalize


def vectors_of(array, texts=None, truncated=None, *, normalized=True):
    n, dim = array.shape
    return Vectors(
        array,
        Space("test", "stand-in", dim, normalized=normalized),
        ids=[f"r{i}" for i in range(n)],
        texts=texts,
        truncated=truncated,
    )


@pytest.fixture
def good():
    return make_model(1)(texts_about(500))


def severities(found):
    return {finding.name: finding.severity for finding in found.findings}


def test_good_vectors_raise_no_alarm(good):
    found = audit(vectors_of(good, [f"text {i}" for i in range(500)], np.zeros(500, bool)))
    expected_notes = {"proof", "outliers"}
    for finding in found.findings:
        allowed = ("ok", "note") if finding.name in expected_notes else ("ok",)
        assert finding.severity in allowed, finding
    assert found.worst in ("ok", "note")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("not finite", np.nan),
        ("not finite", np.inf),
        ("zero", 0.0),
        ("constant", 0.25),
    ],
)
def test_a_row_that_is_no_vector_is_found_and_named(good, name, row):
    good[[3, 77]] = row
    found = audit(vectors_of(good, normalized=False))
    assert found[name].severity == "problem"
    assert found[name].figures["count"] == 2
    assert [example["id"] for example in found[name].examples] == ["r3", "r77"]
    others = {"not finite", "zero", "constant", "missing"} - {name}
    assert {found[other].severity for other in others} == {"ok"}


def test_faulty_rows_do_not_touch_the_other_figures(good):
    clean = audit(vectors_of(good[2:]))
    good[:2] = [[np.nan], [0.0]]
    faulty = audit(vectors_of(good))
    for name in ("rank", "anisotropy", "hubness", "outliers", "mixed origins"):
        assert faulty[name].figures == pytest.approx(clean[name].figures)


def test_a_broken_promise_of_unit_length_is_a_problem(good):
    good[::2] *= 7
    found = audit(vectors_of(good))["norms"]
    assert found.severity == "problem"
    assert found.figures["unit_share"] == 0.5
    assert "says unit length" in found.found


def test_two_groups_of_norms_are_a_problem_and_one_group_is_not(good):
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(1, 0.2, size=(500, 1)).astype(np.float32)
    assert audit(vectors_of(good * lengths, normalized=False))["norms"].severity == "note"
    lengths[::2] = 1
    half = audit(vectors_of(good * (lengths + 3 * (lengths != 1)), normalized=False))
    assert half["norms"].severity == "problem"
    assert "two groups" in half["norms"].found


def test_duplicates_are_counted(good):
    good[10:15] = good[0]
    good[20] = good[21]
    found = audit(vectors_of(good))["duplicates"]
    assert found.severity == "note"
    assert found.figures["repeats"] == 6
    assert found.figures["largest_group"] == 6
    assert found.examples[0]["id"] == "r0"
    assert found.examples[0]["rows"] == 6


def test_one_vector_for_many_rows_is_a_problem(good):
    good[100:300] = good[0]
    assert audit(vectors_of(good))["duplicates"].severity == "problem"


def test_near_duplicates_are_counted(good):
    rng = np.random.default_rng(0)
    near = normalize((good[:100] + 0.004 * rng.normal(size=(100, 192))).astype(np.float32))
    array = np.concatenate([good, near])
    scores = array @ array.T
    np.fill_diagonal(scores, 0)
    expected = (scores.max(axis=1) >= 0.95).mean()
    assert expected > 0.3
    found = audit(vectors_of(array))["near-duplicates"]
    assert found.figures["share"] == pytest.approx(expected)
    assert found.severity == "warning"


def test_the_same_text_with_another_vector_is_a_problem(good):
    texts = [f"text {i}" for i in range(500)]
    texts[400:405] = texts[:5]
    good[400:405] = good[:5]
    assert audit(vectors_of(good, texts))["same text"].severity == "ok"
    good[403] = normalize(good[403:404] + 0.5)[0]
    found = audit(vectors_of(good, texts))["same text"]
    assert found.severity == "problem"
    assert found.figures["texts_with_several_vectors"] == 1
    assert found.figures["lowest_cosine"] == pytest.approx(float(good[3] @ good[403]), abs=1e-6)


def test_truncated_texts_are_counted(good):
    truncated = np.arange(500) < 40
    found = audit(vectors_of(good, truncated=truncated))["truncated"]
    assert (found.severity, found.figures["count"]) == ("warning", 40)
    assert audit(vectors_of(good))["truncated"].severity == "note"


def test_collapsed_dimensions_are_found(good):
    flat = good.copy()
    flat[:, 20:] = 0.01
    found = audit(vectors_of(normalize(flat)))["rank"]
    assert found.severity in ("warning", "problem")
    few = normalize(texts_about(500)[:, :4].astype(np.float32) @ good[:4] + good[5])
    collapsed = audit(vectors_of(few))["rank"]
    assert collapsed.severity in ("warning", "problem")
    assert collapsed.figures["effective_rank"] < 6


def test_dimensions_of_zeros_are_counted_as_dead(good):
    good[:, 30:40] = 0
    found = audit(vectors_of(normalize(good)))["rank"]
    assert found.figures["dead_dimensions"] == 10
    assert found.severity == "warning"


def test_vectors_that_all_point_one_way_are_a_problem(good):
    found = audit(vectors_of(normalize(good + 5)))["anisotropy"]
    assert found.severity == "problem"
    assert found.figures["mean_cosine"] > 0.99


def test_one_loud_dimension_is_named(good):
    good[:, 7] = 0.8
    found = audit(vectors_of(normalize(good)))["anisotropy"]
    assert found.severity == "warning"
    assert found.figures["loudest_dimension"] == 7


def test_a_hub_is_found_and_shown():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(800, 96)).astype(np.float32)
    array[11] = 0.02 * rng.normal(size=96) + array.mean(axis=0)  # the middle is near to all
    array += 0.25
    found = audit(vectors_of(normalize(array)))["hubness"]
    assert found.severity == "warning"
    assert found.examples[0]["id"] == "r11"
    assert found.examples[0]["times"] == found.figures["largest"] > 200


def test_an_outlier_is_shown_with_its_text(good):
    good[42] = normalize(-good.mean(axis=0, keepdims=True))[0]
    found = audit(vectors_of(good, [f"text {i}" for i in range(500)]))["outliers"]
    assert found.examples[0]["id"] == "r42"
    assert found.examples[0]["text"] == "text 42"
    rest = np.delete(good, 42, axis=0)
    assert found.examples[0]["nearest"] == pytest.approx(float((rest @ good[42]).max()), abs=1e-6)


def test_another_models_rows_are_a_problem_and_told_apart(good):
    array, _ = of_two(good, make_model(2)(texts_about(500)), 0.5)
    found = audit(vectors_of(array))["mixed origins"]
    assert found.severity == "problem"
    assert "throughout the file" in found.found
    appended = np.concatenate([good[:300], make_model(2)(texts_about(200))])
    found = audit(vectors_of(appended))["mixed origins"].found
    where = re.search(r"mostly rows (\d+) to (\d+)", found)
    assert 300 < int(where[1]) < 320
    assert 480 < int(where[2]) <= 500


def test_a_sample_stands_for_all_and_is_said_to():
    array = make_model(1)(texts_about(1500))
    found = audit(vectors_of(array), sample=200)
    assert "from 200 of them" in found["near-duplicates"].found
    assert found["hubness"].figures["sample"] == 200
    assert found["duplicates"].figures["distinct"] == 1500


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.data())
def test_any_array_can_be_looked_into(n, dim, data):
    numbers = st.sampled_from([0.0, 1.0, -2.5, 1e-30, 1e30, float("nan"), float("inf")])
    flat = data.draw(st.lists(numbers, min_size=n * dim, max_size=n * dim))
    found = audit(vectors_of(np.array(flat, np.float32).reshape(n, dim), normalized=False))
    json.dumps(found.to_dict())
    counted = sum(found[name].figures["count"] for name in ("missing", "not finite", "zero"))
    assert 0 <= counted <= n
    assert found.worst in SEVERITIES


def test_keys_with_several_values_are_paired():
    keys = np.array([5, 0, 7, 5, 7, 5, 0], np.uint64)
    values = np.array([1, 1, 2, 1, 2, 9, 3], np.uint64)
    assert pairs_that_differ(keys, values, np.ones(7, bool)) == [(0, 5)]


def test_no_vectors_are_an_error(good):
    with pytest.raises(InputError, match="holds no vectors"):
        audit(vectors_of(good[:0]))
    with pytest.raises(InputError, match="sample"):
        audit(vectors_of(good), sample=5)


def first_token(texts):
    """The default model's vectors with its first token's instead of the mean."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_model("all-MiniLM-L6-v2").path), device="cpu")
    tokens = model.encode(texts, output_value="token_embeddings")
    vectors = np.stack([t[0].numpy() for t in tokens])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class TestProof:
    def test_a_file_is_what_its_space_says(self, tiny_e5, tmp_path):
        from veclab.corpus import open_source
        from veclab.corpus.embed_file import embed_file

        (tmp_path / "t.txt").write_text(
            "\n".join(f"the cat {i} sits on mat {i * 7}" for i in range(80))
        )
        model = veclab.load(str(tiny_e5))
        source = open_source(tmp_path / "t.txt")
        embed_file(model, source, tmp_path / "v.parquet", role="document")
        vectors = veclab.read(tmp_path / "v.parquet")
        # A model given by its path is known by its name only, so it cannot be found again.
        unfindable = audit(tmp_path / "v.parquet")["proof"]
        assert unfindable.severity == "note"
        assert "not proved" in unfindable.found
        assert vectors.space.model in unfindable.found

    def test_the_default_models_vectors_are_proved_and_foreign_ones_found(self):
        texts = [f"the cat number {i} sits on the mat" for i in range(70)]
        vectors = veclab.load().embed(texts)
        assert audit(vectors)["proof"].severity == "ok"
        assert audit(vectors)["proof"].figures["lowest_cosine"] > 0.9999
        vectors.array[::2] = vectors.array[::2, ::-1]
        foreign = audit(vectors)["proof"]
        assert foreign.severity == "problem"
        assert 20 < foreign.figures["other"] < 44
        assert audit(vectors, prove=False).findings[1].name != "proof"

    def test_another_way_to_use_the_model_is_found(self):
        """Same weights, same Space by its name, but a prompt in front, or the first token's vector:
        nothing in the numbers themselves shows it."""
        texts = [f"{what} number {i}" for what in ("a cat", "the market") for i in range(70)]
        model = veclab.load()
        vectors = model.embed(texts)
        for other in (model.embed([f"query: {text}" for text in texts]).array, first_token(texts)):
            vectors.array[::2] = other[::2]
            proof = audit(vectors)["proof"]
            assert proof.severity == "problem"
            assert 16 < proof.figures["other"] < 48

    @pytest.mark.parametrize(
        ("precision", "severity"), [("f32", "problem"), ("int8-0123abcd-cut", "warning")]
    )
    def test_a_file_made_in_int8_may_be_further_off(self, precision, severity, tmp_path):
        from dataclasses import replace

        from veclab.vectorfiles.files import ParquetSink

        model = veclab.load()
        vectors = model.embed([f"the cat number {i} sits on the mat" for i in range(70)])
        noise = np.random.default_rng(0).normal(size=vectors.array.shape)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        vectors.array[:] = vectors.array + 0.4 * noise  # a cosine of 0.93
        recipe = replace(model.start().recipe, precision=precision)
        with ParquetSink(tmp_path / "v.parquet", model.space, recipe) as sink:
            sink.write(vectors)
            sink.finish(None)
        proof = audit(tmp_path / "v.parquet")["proof"]
        assert 0.9 < proof.figures["lowest_cosine"] < 0.94
        assert proof.severity == severity

    def test_other_providers_and_missing_texts_are_said_not_proved(self, good):
        bought = Vectors(good, Space("openai", "m", good.shape[1]), texts=["t"] * 500)
        assert "cost money" in audit(bought)["proof"].found
        assert "no texts" in audit(vectors_of(good))["proof"].found


def test_tokens_that_the_model_did_not_know_are_found_in_the_report(tiny_bert, tmp_path):
    model = veclab.load(str(tiny_bert), cache=False)
    texts = ["the cat", "the mat", f"{'a' * 101} cat", f"{'b' * 101} cat"]
    model.embed(texts).save(tmp_path / "v.parquet")
    finding = audit(tmp_path / "v.parquet")["unknown tokens"]
    assert finding.severity == "warning"
    assert finding.figures == {"count": 2, "tokens": 2}
