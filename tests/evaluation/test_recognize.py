"""Which task is told from which shape, and what is said when none fits."""

import json

import numpy as np
import pytest

from tests.conftest import SHARED
from veclab import InputError, read_dataset
from veclab.evaluation.datasets import LabelData, PairData, RetrievalData
from veclab.evaluation.recognize import Choice


def write(path, rows, header=None):
    lines = ([header] if header else []) + rows
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in lines), encoding="utf-8")
    return path


def jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


PAIRS = [(f"a first text {n}", f"the second text {n}") for n in range(12)]


def test_two_texts_and_a_number_are_scored_pairs(tmp_path):
    rows = [(*pair, n / 2) for n, pair in enumerate(PAIRS)]
    found = read_dataset(write(tmp_path / "d.tsv", rows, ("one", "two", "score")))
    assert isinstance(found, PairData)
    assert (found.task, len(found)) == ("sts", 12)
    assert found.reason == "two texts (one, two) and a number (score, 0 to 5.5)"
    assert found.first[3] == "a first text 3"
    assert found.gold[3] == 1.5


def test_a_first_row_with_a_number_is_no_header(tmp_path):
    rows = [(*pair, n / 2) for n, pair in enumerate(PAIRS)]
    found = read_dataset(write(tmp_path / "d.tsv", rows))
    assert len(found) == 12
    assert "no header" in found.reason


def test_a_number_for_a_name_is_believed_when_the_user_says_so(tmp_path):
    rows = [(*pair, n) for n, pair in enumerate(PAIRS)]
    path = write(tmp_path / "d.tsv", rows, ("one", "two", "3"))
    assert len(read_dataset(path, Choice(header=True))) == 12


@pytest.mark.parametrize(
    "words", [("1", "0"), ("yes", "no"), ("duplicate", "not"), ("True", "False"), ("1.0", "0.0")]
)
def test_two_texts_and_yes_or_no_are_labeled_pairs(tmp_path, words):
    rows = [(*pair, words[n % 3 == 0]) for n, pair in enumerate(PAIRS)]
    found = read_dataset(write(tmp_path / "d.tsv", rows, ("one", "two", "label")))
    assert found.task == "pairs"
    np.testing.assert_array_equal(found.gold, [float(n % 3 != 0) for n in range(12)])


def test_json_booleans_are_yes_and_no(tmp_path):
    rows = [{"a": a, "b": b, "same": n % 2 == 0} for n, (a, b) in enumerate(PAIRS)]
    assert read_dataset(jsonl(tmp_path / "d.jsonl", rows)).task == "pairs"


def test_a_text_and_a_class_are_labels(tmp_path):
    rows = [{"text": a, "topic": "xyz"[n % 3]} for n, (a, _) in enumerate(PAIRS)]
    found = read_dataset(jsonl(tmp_path / "d.jsonl", rows))
    assert isinstance(found, LabelData)
    assert (found.task, list(found.classes)) == ("labels", ["x", "y", "z"])
    np.testing.assert_array_equal(found.labels, [0, 1, 2] * 4)


def test_a_number_of_few_values_named_label_is_a_class(tmp_path):
    rows = [{"text": a, "label": n % 3} for n, (a, _) in enumerate(PAIRS)]
    assert read_dataset(jsonl(tmp_path / "d.jsonl", rows)).task == "labels"


def test_titles_find_their_bodies_when_there_are_no_labels(tmp_path):
    rows = [{"id": n, "title": f"title {n}", "body": "word " * 9 + str(n)} for n in range(12)]
    found = read_dataset(jsonl(tmp_path / "d.jsonl", rows))
    assert isinstance(found, RetrievalData)
    assert found.task == "self-retrieval"
    assert "each 'title' must find its 'body'" in found.reason
    assert found.queries[0] == "title 0"
    assert found.relevant["q1"] == {"d1": 1}


def test_the_shorter_of_two_texts_asks(tmp_path):
    rows = [{"body": "word " * 9 + str(n), "title": f"title {n}"} for n in range(12)]
    assert read_dataset(jsonl(tmp_path / "d.jsonl", rows)).queries[0] == "title 0"


def test_a_lone_text_is_cut_in_halves_and_short_ones_are_left_out(tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("one two three four five six seven eight\ntoo short\na b c d e f g h i\n")
    found = read_dataset(path)
    assert list(found.queries) == ["one two three four", "a b c d"]
    assert list(found.documents) == ["five six seven eight", "e f g h i"]
    assert found.notes == ("left out 1 row(s) with an empty part",)


def test_equal_halves_count_once_and_either_is_right(tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("a b c d e f g h\na b c d E F G H\nA B C D e f g h\n")
    found = read_dataset(path)
    assert len(found.queries) == len(found.documents) == 2
    assert found.relevant == {"q1": {"d1": 1, "d2": 1}, "q2": {"d1": 1}}


class TestBeir:
    def folder(self, path, judgments, name="qrels.tsv"):
        corpus = [{"_id": f"d{n}", "title": f"t{n}", "text": f"body {n}"} for n in range(3)]
        jsonl(path / "corpus.jsonl", [*corpus, {"_id": "blank", "title": "", "text": ""}])
        jsonl(path / "queries.jsonl", [{"_id": f"q{n}", "text": f"ask {n}"} for n in range(4)])
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("query-id\tcorpus-id\tscore\n" + judgments)
        return path

    @pytest.mark.parametrize("name", ["qrels.tsv", "qrels/test.tsv"])
    def test_is_retrieval(self, tmp_path, name):
        found = read_dataset(self.folder(tmp_path, "q0\td1\t1\nq1\td2\t2\n", name))
        assert (found.task, list(found.query_ids)) == ("retrieval", ["q0", "q1"])
        assert found.documents[0] == "t0 body 0"
        assert found.relevant == {"q0": {"d1": 1}, "q1": {"d2": 2}}
        assert name in found.reason

    def test_tells_what_it_left_out(self, tmp_path):
        judgments = "q0\td1\t1\nq1\td0\t0\nq2\tgone\t1\nnobody\td0\t1\nq0\tlost\t1\n"
        found = read_dataset(self.folder(tmp_path, judgments))
        assert list(found.query_ids) == ["q0"]
        notes = "\n".join(found.notes)
        assert "3 queries without a relevant document in the corpus: q1, q2, q3" in notes
        assert "2 judged documents that are not in the corpus: gone, lost" in notes
        assert "1 judged queries that are not there: nobody" in notes
        assert "1 documents have no text: they are never found" in notes

    def test_a_blank_document_that_is_relevant_is_a_miss(self, tmp_path):
        found = read_dataset(self.folder(tmp_path, "q0\tblank\t1\nq0\td1\t1\n"))
        assert found.unit_answer(0).startswith("relevant: [blank]")
        assert found.relevant["q0"] == {"d1": 1, "blank": 1}
        assert "blank" not in found.document_ids

    def test_no_query_left_is_an_error_with_the_reasons(self, tmp_path):
        with pytest.raises(InputError, match=r"no query has .*gone.*Do the ids"):
            read_dataset(self.folder(tmp_path, "q0\tgone\t1\n"))

    def test_no_judgments(self, tmp_path):
        path = self.folder(tmp_path, "q0\td1\t1\n")
        (path / "qrels.tsv").unlink()
        with pytest.raises(InputError, match=r"no judgments: qrels.tsv or qrels/test.tsv"):
            read_dataset(path)

    def test_a_bad_judgment_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"qrels.tsv, line 3: a judgment is query id"):
            read_dataset(self.folder(tmp_path, "q0\td1\t1\nq0\td1\tgood\n"))

    def test_ids_that_are_numbers_match_as_text(self, tmp_path):
        jsonl(tmp_path / "corpus.jsonl", [{"_id": 7, "text": "seven"}])
        jsonl(tmp_path / "queries.jsonl", [{"_id": 1, "text": "ask"}])
        (tmp_path / "qrels.tsv").write_text("1\t7\t1\n")
        assert read_dataset(tmp_path).relevant == {"1": {"7": 1}}

    def test_a_repeated_id_is_refused(self, tmp_path):
        path = self.folder(tmp_path, "q0\td1\t1\n")
        jsonl(path / "queries.jsonl", [{"_id": "q0", "text": "a"}, {"_id": "q0", "text": "b"}])
        with pytest.raises(InputError, match=r"line 2: the id 'q0' occurs a second time"):
            read_dataset(path)

    def test_a_sample_keeps_all_documents(self, tmp_path):
        path = self.folder(tmp_path, "q0\td1\t1\nq1\td2\t1\nq2\td0\t1\n")
        found = read_dataset(path, Choice(sample=2))
        assert (len(found), len(found.documents)) == (2, 3)
        assert "a sample of 2 of 3 judged queries" in found.reason

    def test_fits_no_other_task(self, tmp_path):
        with pytest.raises(InputError, match="BEIR layout, which is for retrieval"):
            read_dataset(self.folder(tmp_path, "q0\td1\t1\n"), Choice(task="sts"))


class TestTheUsersWord:
    def rows(self, tmp_path):
        rows = [
            {"name": a, "summary": b, "kind": "xy"[n % 2], "size": n}
            for n, (a, b) in enumerate(PAIRS)
        ]
        return jsonl(tmp_path / "d.jsonl", rows)

    def test_chooses_columns_and_task(self, tmp_path):
        path = self.rows(tmp_path)
        assert read_dataset(path, Choice("sts", ("name", "summary"), "size")).task == "sts"
        assert read_dataset(path, Choice(gold="kind")).task == "labels"
        assert read_dataset(path, Choice(task="self-retrieval")).task == "self-retrieval"
        only = read_dataset(path, Choice(task="self-retrieval", columns=("summary", "name")))
        assert "'name' must find its 'summary'" in only.reason

    @pytest.mark.parametrize(
        ("choice", "complaint"),
        [
            (Choice(columns=("nmae",)), "no column 'nmae'; its columns are 'name', 'summary'"),
            (Choice(gold="sice"), "no column 'sice'"),
            (Choice(task="sts", columns=("name",)), "needs two columns of texts, and 1 fit"),
            (Choice(task="retrieval"), "not in BEIR layout"),
            (Choice(task="nli"), "unknown task 'nli'; known are 'sts'"),
            (Choice(task="pairs", gold="size"), "labeled pairs need 0 or 1"),
            (Choice(task="sts", gold="kind"), "neither numbers nor yes and no"),
            (Choice(sample=0), "1 or more"),
        ],
    )
    def test_is_checked(self, tmp_path, choice, complaint):
        with pytest.raises(InputError, match=complaint):
            read_dataset(self.rows(tmp_path), choice)


class TestBadInput:
    def test_labels_with_one_class(self, tmp_path):
        rows = [{"text": a, "label": "only"} for a, _ in PAIRS]
        with pytest.raises(InputError, match="only one class, 'only', so there is nothing to tell"):
            read_dataset(jsonl(tmp_path / "d.jsonl", rows))

    @pytest.mark.parametrize("value", [1, 3.5])
    def test_pairs_with_one_value(self, tmp_path, value):
        rows = [(*pair, value) for pair in PAIRS]
        with pytest.raises(InputError, match="every pair has the same value"):
            read_dataset(write(tmp_path / "d.tsv", rows, ("one", "two", "score")))

    def test_rows_without_a_text_or_number_are_left_out_and_told(self, tmp_path):
        rows = [{"a": a, "b": b, "score": n} for n, (a, b) in enumerate(PAIRS)]
        rows[0]["a"], rows[1]["b"], rows[2]["score"] = None, " ", None
        found = read_dataset(jsonl(tmp_path / "d.jsonl", rows))
        assert len(found) == 9
        assert found.notes == ("left out 3 row(s) with an empty text or no number",)

    def test_nothing_but_numbers(self, tmp_path):
        with pytest.raises(InputError, match=r"d.jsonl: .*x \(number\).*--column NAME"):
            read_dataset(jsonl(tmp_path / "d.jsonl", [{"x": n, "y": n} for n in range(5)]))

    def test_three_texts(self, tmp_path):
        rows = [{"a": a, "b": b, "c": a + b} for a, b in PAIRS]
        with pytest.raises(InputError, match=r"a \(text\), b \(text\), c \(text\)"):
            read_dataset(jsonl(tmp_path / "d.jsonl", rows))

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "d.txt").write_text("")
        with pytest.raises(InputError, match="holds no rows"):
            read_dataset(tmp_path / "d.txt")

    def test_a_class_with_one_text_is_told(self, tmp_path):
        rows = [{"text": a, "label": "a" if n else "rare"} for n, (a, _) in enumerate(PAIRS)]
        assert "rare" in read_dataset(jsonl(tmp_path / "d.jsonl", rows)).notes[0]


def test_the_digest_is_of_the_content(tmp_path):
    rows = [(*pair, n) for n, pair in enumerate(PAIRS)]
    one = read_dataset(write(tmp_path / "a.tsv", rows, ("one", "two", "score")))
    same = read_dataset(write(tmp_path / "b.tsv", rows, ("x", "y", "similarity")))
    rows[3] = (*PAIRS[3], 99)
    other = read_dataset(write(tmp_path / "a.tsv", rows, ("one", "two", "score")))
    assert one.digest == same.digest != other.digest


def test_samples_are_always_the_same(tmp_path):
    rows = [(*pair, n) for n, pair in enumerate(PAIRS)]
    path = write(tmp_path / "a.tsv", rows, ("one", "two", "score"))
    digests = {read_dataset(path, Choice(sample=5)).digest for _ in range(3)}
    assert len(digests) == 1
    assert len(read_dataset(path, Choice(sample=5))) == 5


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data")
@pytest.mark.parametrize(
    ("name", "task", "n"),
    [("stsb/stsb-en-test.csv", "sts", 1379), ("cranfield", "retrieval", 225)],
)
def test_real_data_sets(name, task, n):
    found = read_dataset(SHARED / name)
    assert (found.task, len(found)) == (task, n)
