"""From vectors to evidence: what each task measures, against the libraries that define it."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from veclab.evaluation.bootstrap import value_of
from veclab.evaluation.datasets import Head, label_data, pair_data, retrieval_data
from veclab.evaluation.scoring import examine, nearest_class, per_unit, statistics

pytrec_eval = pytest.importorskip("pytrec_eval")


def unit(array):
    array = np.asarray(array, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def figures(dataset, evidence):
    return {
        name: value_of(statistic, len(dataset))
        for name, statistic in statistics(dataset, evidence).items()
    }


@pytest.mark.parametrize("values", [0, 2], ids=["distinct", "ties everywhere"])
def test_retrieval_is_what_trec_eval_says_of_the_whole_ranking(values):
    random = np.random.default_rng(3)
    n, m = 30, 1500

    def vectors(rows):
        drawn = random.integers(-1, values, (rows, 6)) if values else random.normal(size=(rows, 6))
        return unit(drawn + 0.001 * (not values))

    queries, documents = vectors(n) if not values else None, vectors(m) if not values else None
    if values:  # vectors of signs: a handful of different similarities
        queries = unit(random.choice([-1.0, 1.0], (n, 6)))
        documents = unit(random.choice([-1.0, 1.0], (m, 6)))
    relevant = {
        f"q{i}": {f"d{j}": int(random.integers(1, 4)) for j in random.integers(0, m, 5)}
        for i in range(n)
    }
    dataset = retrieval_data(
        Head("own", "retrieval", ""),
        {f"q{i}": f"query {i}" for i in range(n)},
        {f"d{j}": f"document {j}" for j in range(m)},
        relevant,
    )
    found = figures(dataset, examine(dataset, [queries, documents]))

    # trec_eval on all documents but the last places, which its depth of 1,000 never sees.
    measures = {"ndcg_cut.10", "recall.10,100", "map_cut.1000", "recip_rank"}
    scores = queries @ documents.T
    run = {f"q{i}": {f"d{j}": float(scores[i, j]) for j in range(m)} for i in range(n)}
    said = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(run)

    def mean(name):
        return np.mean([values[name] for values in said.values()])

    assert found["ndcg@10"] == pytest.approx(mean("ndcg_cut_10"), abs=1e-6)
    assert found["recall@10"] == pytest.approx(mean("recall_10"), abs=1e-6)
    assert found["recall@100"] == pytest.approx(mean("recall_100"), abs=1e-6)
    assert found["map"] == pytest.approx(mean("map_cut_1000"), abs=1e-6)
    first_ten = np.mean([v["recip_rank"] * (v["recip_rank"] >= 0.1) for v in said.values()])
    assert found["mrr@10"] == pytest.approx(first_ten, abs=1e-6)


def test_a_query_that_is_a_document_does_not_find_itself():
    head = Head("own", "retrieval", "")
    texts = {"a": "same text", "b": "other text", "c": "third text"}
    eye = unit([[1, 0, 0], [1, 0.5, 0], [0, 0, 1]])
    dataset = retrieval_data(head, {"a": "same text"}, texts, {"a": {"b": 1}})
    assert figures(dataset, examine(dataset, [eye[:1], eye]))["mrr@10"] == 1
    # The same id for another text is chance.
    dataset = retrieval_data(head, {"a": "a question"}, texts, {"a": {"b": 1}})
    assert figures(dataset, examine(dataset, [eye[:1], eye]))["mrr@10"] == 0.5


def test_what_a_model_said_of_a_query():
    dataset = retrieval_data(
        Head("own", "retrieval", ""), {"q": "ask"}, {"a": "first", "b": "second"}, {"q": {"b": 1}}
    )
    said = examine(dataset, [unit([[1, 0]]), unit([[1, 0], [1, 1]])]).said
    assert said == ["first relevant at 2; at 1: [a] first"]


class TestPairs:
    first = unit([[1, 0], [1, 0], [1, 0], [1, 0]])
    second = unit([[1, 0], [1, 1], [0, 1], [-1, 0]])
    texts = ("a", "b", "c", "d")

    def data(self, task, gold):
        return pair_data(Head("own", task, ""), self.texts, self.texts, gold)

    def test_scores_that_rise_with_the_gold_are_perfect(self):
        dataset = self.data("sts", [5, 3, 2, 0])
        evidence = examine(dataset, [self.first, self.second])
        assert figures(dataset, evidence)["spearman"] == pytest.approx(1)
        assert evidence.figures["similarity"] == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-6)
        np.testing.assert_allclose(per_unit(dataset, evidence), 1)

    def test_a_pair_out_of_place_is_seen(self):
        dataset = self.data("sts", [0, 3, 2, 1])
        values = per_unit(dataset, examine(dataset, [self.first, self.second]))
        assert values.argmin() == 0
        assert values[0] == pytest.approx(0.25)

    def test_matches_above_others_are_perfect(self):
        dataset = self.data("pairs", [1, 1, 0, 0])
        evidence = examine(dataset, [self.first, self.second])
        assert figures(dataset, evidence) == {"ap": 1, "best f1": 1}
        assert per_unit(dataset, evidence).min() > 0.5

    def test_a_model_that_gives_all_pairs_one_score_ranks_nothing(self):
        dataset = self.data("sts", [5, 3, 2, 0])
        found = figures(dataset, examine(dataset, [self.first, self.first]))
        assert np.isnan(found["spearman"])


class TestLabels:
    def clouds(self, n=60, classes=3, noise=0.3, seed=0):
        random = np.random.default_rng(seed)
        labels = np.arange(n) % classes
        return unit(np.eye(8)[labels] + random.normal(0, noise, (n, 8))), labels

    def test_clear_classes_are_found_by_all_three(self):
        vectors, labels = self.clouds(noise=0.05)
        names = [f"text {n}" for n in range(60)]
        dataset = label_data(Head("own", "labels", ""), names, [f"c{x}" for x in labels])
        assert figures(dataset, examine(dataset, [vectors])) == pytest.approx(
            {"k-nn": 1, "probe": 1, "v-measure": 1}
        )

    def test_neighbors_are_those_of_scikit_learn_leaving_oneself_out(self):
        vectors, labels = self.clouds(n=90, noise=0.5)
        ours = nearest_class(vectors, labels.astype(np.intp), 3, k=1)
        for i in range(90):
            others = np.arange(90) != i
            model = KNeighborsClassifier(1, metric="cosine").fit(vectors[others], labels[others])
            assert ours[i] == model.predict(vectors[i : i + 1])[0]

    def test_in_a_tie_the_nearer_class_wins(self):
        vectors = unit([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3], [1, 0.4]])
        labels = np.array([0, 0, 1, 1, 0])
        assert nearest_class(vectors, labels, 2, k=2)[0] == 0
        assert nearest_class(vectors, labels, 2, k=3)[0] == 1

    def test_a_duplicate_is_a_neighbor_and_oneself_is_not(self):
        vectors = unit([[1, 0], [1, 0], [0, 1], [0, 1]])
        assert nearest_class(vectors, np.array([0, 1, 0, 1]), 2, k=1).tolist() == [1, 0, 1, 0]

    def test_a_class_of_one_text_is_no_trouble(self):
        vectors, labels = self.clouds(n=13)
        names = [f"c{x}" for x in labels[:12]] + ["rare"]
        dataset = label_data(Head("own", "labels", ""), [str(n) for n in range(13)], names)
        found = figures(dataset, examine(dataset, [vectors]))
        assert all(np.isfinite(list(found.values())))

    def test_classes_of_one_text_each_have_no_probe(self):
        vectors, _ = self.clouds(n=3)
        dataset = label_data(Head("own", "labels", ""), ["a", "b", "c"], ["x", "y", "z"])
        evidence = examine(dataset, [vectors])
        assert np.isnan(figures(dataset, evidence)["probe"])
        assert "no linear probe: no class has two texts" in evidence.notes

    def test_a_large_probe_is_on_a_sample_and_says_so(self, monkeypatch):
        monkeypatch.setattr("veclab.evaluation.scoring.PROBE_TEXTS", 40)
        vectors, labels = self.clouds()
        names = [f"text {n}" for n in range(60)]
        dataset = label_data(Head("own", "labels", ""), names, [f"c{x}" for x in labels])
        evidence = examine(dataset, [vectors])
        assert np.isnan(evidence.figures["probe"]).sum() == 20
        assert evidence.notes == ["the linear probe is measured on 40 of 60 texts"]
        assert np.isfinite(figures(dataset, evidence)["probe"])
