"""The bake-off: what a user compares, what is kept, and what happens when something fails."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import SHARED
from tests.fakes import FakeProvider
from veclab import InputError, OutputError, compare
from veclab.evaluation.bootstrap import Estimate
from veclab.evaluation.datasets import Head, label_data, pair_data, retrieval_data
from veclab.evaluation.leaderboard import Board, Row
from veclab.evaluation.page import page
from veclab.evaluation.recommend import recommend
from veclab.evaluation.timing import measure_cold_start, speed_sample, this_machine
from veclab.model import Model
from veclab.provider import BatchResult
from veclab.space import Space

pytest.importorskip("pytrec_eval")

TEXTS = [f"text {n} about {'cats' if n % 2 else 'stocks'}" for n in range(40)]


class Knowing(FakeProvider):
    """Vectors of words with noise: the less noise, the better the model."""

    def __init__(self, name, noise, **limits):
        super().__init__(name=name, **limits)
        self.noise = noise

    def vector(self, text, role=None):
        words = text.split()
        total = sum(super(Knowing, self).vector(word) for word in words)
        return (total + self.noise * super().vector(text, role)).astype(np.float32)


class Paid(Knowing):
    """Asks two dollars for a million tokens."""

    def __init__(self, name):
        super().__init__(name, 0, price=2.0)

    def embed_batch(self, batch, role):
        vectors = super().embed_batch(batch, role)
        return BatchResult(vectors, requests=1, tokens=sum(one.tokens for one in batch))


@pytest.fixture
def scored():
    """Pairs whose gold is the share of words they have in common."""
    random = np.random.default_rng(0)
    words = [f"w{n}" for n in range(30)]
    first = [" ".join(random.choice(words, 6)) for _ in range(60)]
    second, gold = [], []
    for text in first:
        kept = int(random.integers(0, 7))
        second.append(" ".join([*text.split()[:kept], *random.choice(words, 6 - kept)]))
        gold.append(float(kept))
    return pair_data(Head("pairs.tsv", "sts", "two texts and a number"), first, second, gold)


def model(name, noise=0.0, **limits):
    return Model(Knowing(name, noise, **limits), None)


def test_the_better_model_is_best_and_the_worse_differs(scored):
    found = compare([model("good"), model("bad", 6.0)], [scored], timing=False)
    good, bad = found.boards[0].rows
    assert (good.best, good.p) == (True, None)
    assert good.main.low < good.main.value < good.main.high
    assert bad.main.value < good.main.value
    assert bad.p < 0.05
    assert found.choice == "good"
    assert "good: it is the best, and no smaller row keeps up" in found.recommendation


def test_rows_stand_as_they_were_named(tiny_bert, scored):
    names = [f"{tiny_bert}+int8", str(tiny_bert), f"{tiny_bert}@8+binary", f"{tiny_bert}@16"]
    found = compare(names, [scored], timing=False)
    rows = found.boards[0].rows
    assert [row.label for row in rows] == names
    assert [row.dimensions for row in rows] == [32, 32, 8, 16]
    assert [row.bytes_per_million for row in rows] == [32e6, 128e6, 1e6, 64e6]


def test_a_smaller_row_within_the_interval_is_recommended(tiny_bert, scored):
    found = compare([str(tiny_bert), f"{tiny_bert}+int8"], [scored], timing=False)
    assert found.choice == f"{tiny_bert}+int8"
    full, small = found.boards[0].rows
    assert small.main.value == pytest.approx(full.main.value, abs=0.05)
    if full.best:
        assert "the smallest whose interval overlaps the best's" in found.recommendation
        assert "A million vectors take 32 MB instead of 128." in found.recommendation


class TestRecommendation:
    """On boards made by hand: (value, low, high), p and MB for a million vectors."""

    def board(self, name="data", n=100, **rows):
        top = max(rows, key=lambda label: rows[label][0][0])
        made = [
            Row(label, {"ap": Estimate(*figure)}, label == top, p, 8, int(size * 1e6))
            for label, (figure, p, size) in rows.items()
        ]
        return Board(name, "pairs", "", "pairs", n, tuple(made), (), ())

    def test_is_the_smallest_without_a_loss(self):
        board = self.board(
            best=((0.8, 0.7, 0.9), None, 100),
            equal=((0.79, 0.7, 0.9), 0.4, 50),
            small=((0.75, 0.6, 0.8), 0.01, 10),
            tiny=((0.5, 0.4, 0.6), 0.001, 5),
        )
        chosen, reason = recommend([board])
        assert chosen == "equal"
        assert reason == (
            "equal: the smallest whose interval overlaps the best's, with no loss these data can "
            "show. ap 0.7900 on data (best 0.8000, p = 0.400). A million vectors take 50 MB "
            "instead of 100. Smaller still (10 MB), small is near the best by its interval but "
            "does lose: ap 0.7500 on data (best 0.8000, p = 0.010)."
        )

    def test_names_no_best_where_the_rivals_did_not_run(self):
        board = self.board(a=((0.8, 0.7, 0.9), None, 10))
        failed = replace(board, rows=(*board.rows, Row("b", error="is not here")))
        chosen, reason = recommend([failed])
        assert chosen is None
        assert "best" not in reason
        assert "only a gave figures" in reason
        assert "(failed: b)" in reason
        both = self.board(a=((0.8, 0.7, 0.9), None, 10), c=((0.3, 0.2, 0.4), 0.001, 20))
        chosen, reason = recommend([replace(both, rows=(*both.rows, *failed.rows[1:]))])
        assert chosen == "a"
        assert "the best of those that ran" in reason
        assert "Not compared (failed: b)" in reason

    def test_must_keep_up_on_every_data_set(self):
        wide = (0.8, 0.7, 0.9)
        one = self.board("one", big=(wide, None, 100), small=((0.79, 0.7, 0.9), 0.5, 10))
        two = self.board("two", big=(wide, None, 100), small=((0.3, 0.2, 0.4), 0.001, 10))
        assert recommend([one])[0] == "small"
        assert recommend([one, two])[0] == "big"

    def test_is_none_where_each_data_set_has_its_own_winner(self):
        high, low = (0.8, 0.7, 0.9), (0.3, 0.2, 0.4)
        one = self.board("one", a=(high, None, 10), b=(low, 0.001, 10))
        two = self.board("two", a=(low, 0.001, 10), b=(high, None, 10))
        chosen, reason = recommend([one, two])
        assert chosen is None
        assert "The best: a on one; b on two." in reason


def test_all_tasks_run_and_have_their_metrics(scored):
    yes_no = pair_data(
        Head("p", "pairs", ""), scored.first, scored.second, (scored.gold > 3).astype(float)
    )
    labels = label_data(Head("l", "labels", ""), TEXTS, [text.split()[-1] for text in TEXTS])
    search = retrieval_data(
        Head("r", "retrieval", ""),
        {f"q{n}": f"text {n}" for n in range(20)},
        {f"d{n}": text for n, text in enumerate(TEXTS)},
        {f"q{n}": {f"d{n}": 1} for n in range(20)},
    )
    found = compare([model("a"), model("b", 4.0)], [scored, yes_no, labels, search], timing=False)
    assert [board.metrics for board in found.boards] == [
        ["spearman", "pearson"],
        ["ap", "best f1"],
        ["k-nn", "probe", "v-measure"],
        ["ndcg@10", "mrr@10", "recall@10", "recall@100", "map"],
    ]
    for board in found.boards:
        assert all(row.main.low is not None for row in board.rows)
        assert board.differences
        assert {label for unit in board.differences for label, _, _ in unit.rows} == {"a", "b"}
    json.dumps(found.to_dict(), allow_nan=False)
    assert "<script" not in page(found)


class TestKept:
    def test_a_second_run_computes_nothing(self, scored, home):
        first = model("a")
        once = compare([first], [scored]).to_dict()
        again_model = model("a")
        again = compare([again_model], [scored]).to_dict()
        assert again_model.provider.embedded == []
        assert again["data"] == once["data"]  # timings too
        assert len(list((home / "compare").iterdir())) == 1

    def test_one_more_model_computes_only_that_one(self, scored):
        compare([model("a")], [scored], timing=False)
        a, b = model("a"), model("b", 1.0)
        found = compare([a, b], [scored], timing=False)
        assert a.provider.embedded == []
        assert b.provider.embedded
        assert found.boards[0].rows[1].p is not None

    def test_other_data_and_other_options_are_other_results(self, scored, tmp_path):
        compare([model("a")], [scored], results=tmp_path / "r", timing=False)
        other = pair_data(Head("x", "sts", ""), scored.first, scored.second, scored.gold[::-1])
        compare([model("a")], [other], results=tmp_path / "r", timing=False)
        compare([model("a")], [scored], results=tmp_path / "r", on_long="split", timing=False)
        assert len(list((tmp_path / "r").iterdir())) == 3

    def test_a_damaged_result_is_made_anew(self, scored, home):
        before = compare([model("a")], [scored], timing=False).to_dict()["data"]
        (file,) = (home / "compare").iterdir()
        file.write_text(file.read_text()[:100])
        assert compare([model("a")], [scored], timing=False).to_dict()["data"] == before
        json.loads(file.read_text())

    def test_a_folder_that_cannot_be_made_is_an_error(self, scored, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(OutputError, match=r"the results folder .* cannot be created"):
            compare([model("a")], [scored], results=tmp_path / "file" / "r", timing=False)

    def test_timings_of_another_machine_are_taken_again(self, scored, home):
        compare([model("a")], [scored])
        (file,) = (home / "compare").iterdir()
        kept = json.loads(file.read_text())
        kept["machine"]["processor"] = "Another"
        file.write_text(json.dumps(kept))
        again = model("a")
        compare([again], [scored], timing=False)
        assert again.provider.embedded == []
        found = compare([again], [scored])
        assert again.provider.embedded
        assert json.loads(file.read_text())["machine"] == this_machine().to_dict()
        assert not any("another machine" in note for note in found.boards[0].notes)


class Failing(Knowing):
    def embed_batch(self, batch, role):
        if len(self.batches) == 3:
            raise RuntimeError("out of\nmemory")
        return super().embed_batch(batch, role)


class TestFailure:
    def test_a_model_that_fails_half_way_has_a_row_that_says_why(self, scored):
        broken = Model(Failing("broken", 0), None)
        found = compare([broken, model("fine")], [scored], timing=False)
        failed, fine = found.boards[0].rows
        assert failed.error == "RuntimeError: out of memory"
        assert fine.best
        assert "out of memory" in page(found)

    def test_what_it_computed_is_in_the_cache(self, scored, cache):
        provider = Failing("broken", 0)
        compare([Model(provider, cache)], [scored], timing=False)
        done = set(provider.embedded)
        mended = Knowing("broken", 0)
        found = compare([Model(mended, cache)], [scored], timing=False)
        assert found.boards[0].rows[0].best
        assert done and not done & set(mended.embedded)

    def test_a_model_that_is_not_there(self, scored):
        found = compare(["no-such-model", model("fine")], [scored], timing=False)
        assert "no-such-model is not on this machine" in found.boards[0].rows[0].error

    def test_a_cut_that_is_too_long_spoils_only_its_row(self, tiny_bert, scored):
        found = compare([f"{tiny_bert}@64", str(tiny_bert)], [scored], timing=False)
        failed, fine = found.boards[0].rows
        assert failed.error == "cannot truncate 32 dimensions to 64"
        assert fine.figures

    def test_all_fail(self, scored):
        found = compare(["no-such-model"], [scored], timing=False)
        assert found.choice is None
        assert found.boards[0].best is None
        assert page(found)

    def test_a_model_named_twice(self, scored):
        with pytest.raises(InputError, match="named more than once: a"):
            compare([model("a"), model("a")], [scored])

    def test_nothing_to_compare(self, scored):
        with pytest.raises(InputError, match="at least one model"):
            compare([], [scored])


class TestBadData:
    def few(self, n):
        return pair_data(Head("few", "sts", ""), TEXTS[:n], TEXTS[n : 2 * n], range(n))

    def test_fewer_than_ten_rows_have_no_interval_and_it_is_said(self):
        found = compare([model("a"), model("b", 3.0)], [self.few(9)], timing=False)
        assert all(row.main.low is None and row.p is None for row in found.boards[0].rows)
        assert "9 pairs are too few: an interval would be meaningless" in found.boards[0].notes[-1]
        assert found.choice is None
        assert "too few to tell models apart" in found.recommendation

    def test_ten_rows_have_one(self):
        found = compare([model("a")], [self.few(10)], timing=False)
        assert found.boards[0].rows[0].main.low is not None

    def test_a_model_that_says_the_same_of_everything(self, scored):
        class Same(FakeProvider):
            def vector(self, text, role=None):
                return np.ones(8, np.float32)

        found = compare([Model(Same(name="same"), None), model("a")], [scored], timing=False)
        same, other = found.boards[0].rows
        assert np.isnan(same.main.value)
        assert other.best
        assert any("the same score" in note for note in found.boards[0].notes)
        assert found.to_dict()["data"][0]["rows"][0]["figures"]["spearman"]["value"] is None
        assert page(found)


class TestWhatItCosts:
    def test_cut_texts_and_lost_tokens_are_shares_of_the_data(self):
        texts = ["one two three four five", "one two"] * 6
        data = pair_data(Head("x", "sts", ""), texts, texts[::-1], range(12))
        row = compare([model("a", max_tokens=5)], [data], timing=False).boards[0].rows[0]
        assert row.truncated == pytest.approx(0.5)
        assert row.lost == pytest.approx(2 / (7 + 4))

    def test_speed_is_measured_without_the_cache(self, scored, cache):
        provider = Knowing("a", 0)
        row = compare([Model(provider, cache)], [scored]).boards[0].rows[0]
        assert row.texts_per_second > 0
        assert row.tokens_per_second > row.texts_per_second
        assert max(map(provider.embedded.count, provider.embedded)) > 1

    def test_a_paid_model_is_not_bought_again_to_time_it(self, scored):
        provider = Paid("paid")
        found = compare([Model(provider, None)], [scored])
        row = found.boards[0].rows[0]
        assert len(provider.embedded) == len(set(scored.first) | set(scored.second))
        assert row.texts_per_second is None
        assert row.dollars == pytest.approx(2.0 * 8)  # eight tokens a text
        assert "speed not measured: it would cost money" in found.boards[0].notes[0]

    def test_a_limit_of_dollars_holds_for_all_models_together(self, scored):
        tokens = 8 * len(set(scored.first) | set(scored.second))
        once = tokens * 2.0 / 1e6
        paid = [Model(Paid(n), None) for n in ("one", "two")]
        found = compare(paid, [scored], timing=False, max_cost=1.5 * once)
        one, two = found.boards[0].rows
        assert one.figures
        assert "over the limit" in two.error

    def test_after_a_paid_model_failed_nothing_more_is_bought(self, scored):
        class Breaks(Paid):
            def embed_batch(self, batch, role):
                super().embed_batch(batch, role)
                raise RuntimeError("gone")

        other = Paid("other")
        models = [Model(Breaks("breaks"), None), Model(other, None)]
        found = compare(models, [scored], timing=False, max_cost=1.0)
        assert [row.error is not None for row in found.boards[0].rows] == [True, True]
        assert other.embedded == []

    def test_a_refused_text_fails_the_model_and_is_named(self, scored):
        class Refuses(Paid):
            def embed_batch(self, batch, role):
                return replace(super().embed_batch(batch, role), refused={0: "not allowed"})

        found = compare([Model(Refuses("picky"), None)], [scored], timing=False)
        assert "were refused" in found.boards[0].rows[0].error
        assert "not allowed" in found.boards[0].rows[0].error

    def test_the_sample_is_spread_over_distinct_texts(self):
        texts = [str(n // 2) for n in range(1000)]
        sample = speed_sample(texts, 50)
        assert sample == [str(n) for n in range(0, 500, 10)]
        assert speed_sample(["a", "a", "b"], 50) == ["a", "b"]

    @pytest.mark.slow
    def test_cold_start_runs_a_process_of_its_own(self, tiny_bert):
        found = measure_cold_start(str(tiny_bert))
        assert found.seconds > 0
        assert 20e6 < found.peak_bytes < 4e9

    def test_a_cold_start_that_fails_says_why(self):
        assert "no-such-model is not on this" in measure_cold_start("no-such-model")


def test_queries_and_documents_get_their_prompts():
    class Prompted(FakeProvider):
        def __init__(self):
            super().__init__()
            prompts = (("query", "query: "), ("document", "passage: "))
            self.space = Space("fake", "e5", 8, weights="0" * 64, prompts=prompts)
            self.roles = {}

        def embed_batch(self, batch, role):
            self.roles.update({one.text: role for one in batch})
            return super().embed_batch(batch, role)

    provider = Prompted()
    data = retrieval_data(
        Head("r", "retrieval", ""), {"q": "ask"}, {"d": "told", "e": "more"}, {"q": {"d": 1}}
    )
    compare([Model(provider, None)], [data], timing=False)
    assert provider.roles == {"ask": "query", "told": "document", "more": "document"}


def test_the_page_shows_texts_and_never_runs_them():
    nasty = '<script>alert(1)</script> & "quotes" \'</style>'
    first = [f"{nasty} {n}" for n in range(12)]
    data = pair_data(Head(nasty, "sts", nasty), first, first[::-1], range(12))
    text = page(compare([model("a"), model(nasty, 5.0)], [data], timing=False))
    assert "<script" not in text
    assert text.count("</style>") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data")
def test_the_published_figure_of_the_default_model_on_stsb():
    found = compare(["all-MiniLM-L6-v2"], [SHARED / "stsb/stsb-en-test.csv"], timing=False)
    assert found.boards[0].rows[0].main.value == pytest.approx(0.8203, abs=0.0005)
