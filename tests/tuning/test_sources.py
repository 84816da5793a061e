"""Reading training data from whatever the user has."""

from __future__ import annotations

import json

import pytest

from veclab.errors import InputError
from veclab.tuning.data import TrainingData
from veclab.tuning.sources import Part, from_parts, read_training

PARTS = ("Alpha", "Beta", "Gamma")
LONG = "which is a good deal longer than what stands in the other column"


def pairs(data: TrainingData) -> set[tuple[str, str]]:
    """Queries with their documents."""
    return {
        (query, data.documents[d])
        for query, found in zip(data.queries, data.positives, strict=True)
        for d in found
    }


def wrong(data: TrainingData) -> set[tuple[str, str]]:
    """Queries with documents that are wrong."""
    return {
        (query, data.documents[d])
        for query, found in zip(data.queries, data.negatives, strict=True)
        for d in found
    }


@pytest.fixture
def write(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_columns_are_known_by_their_names(write):
    rows = [{"answer": f"{n}", "question": f"{LONG} {n}"} for n in ("one", "two")]
    data = read_training(write("pairs.jsonl", rows))
    assert pairs(data) == {(f"{LONG} one", "one"), (f"{LONG} two", "two")}
    assert data.notes[0] == "query 'question', document 'answer' (by their names)"


def test_triples_have_wrong_documents(write):
    rows = [
        {"anchor": f"query {n}", "positive": f"right {n}", "negative": f"wrong {n}",
         "negative_2": f"worse {n}", "id": n}
        for n in range(3)
    ]  # fmt: skip
    data = read_training(write("triples.jsonl", rows))
    assert ("query 0", "right 0") in pairs(data)
    assert {("query 0", "wrong 0"), ("query 0", "worse 0")} <= wrong(data)


def test_without_known_names_the_shorter_finds_the_longer(write):
    rows = [{"a": f"{LONG} {n}", "b": f"short {n}"} for n in range(3)]
    data = read_training(write("pairs.jsonl", rows))
    assert ("short 0", f"{LONG} 0") in pairs(data)
    assert "the shorter finds the longer" in data.notes[0]


def test_a_column_of_yes_and_no_tells_right_from_wrong(write):
    rows = [{"query": "cat", "text": "a feline", "label": 1}]
    rows += [{"query": "cat", "text": "a canine", "label": 0}]
    rows += [{"query": "dog", "text": "a canine", "label": 1}]
    data = read_training(write("labeled.jsonl", rows))
    assert pairs(data) == {("cat", "a feline"), ("dog", "a canine")}
    assert wrong(data) == {("cat", "a canine")}


def test_columns_that_are_named_are_taken_in_that_order(write):
    rows = [{"query": f"q {n}", "text": f"t {n}", "other": f"o {n}"} for n in range(3)]
    data = read_training(write("odd.jsonl", rows), columns=("other", "query", "text"))
    assert ("o 0", "q 0") in pairs(data)
    assert ("o 0", "t 0") in wrong(data)


def test_one_column_of_texts_is_halved(write):
    words = "one two three four five six seven eight"
    rows = [{"text": f"{words} {n}"} for n in ("nine", "ten")]
    data = read_training(write("texts.jsonl", rows))
    assert all(document.startswith("five") for document in data.documents)
    assert "first half" in data.notes[0]


def test_columns_that_cannot_be_told_apart_are_an_error_that_names_them(write):
    rows = [{n: f"{n} {i} {LONG}" for n in ("red", "green", "blue")} for i in range(3)]
    with pytest.raises(
        InputError, match=r"'red', 'green', 'blue'.*--column QUERY --column DOCUMENT"
    ):
        read_training(write("three.jsonl", rows))


def test_a_single_column_is_no_pair(write):
    rows = [{"a": "one", "b": "two"}]
    with pytest.raises(InputError, match="one column is no pair"):
        read_training(write("pairs.jsonl", rows), columns=("a",))


def test_judgments_in_beir_layout_are_read_from_the_training_part(tmp_path):
    documents = [{"_id": f"d{n}", "title": "", "text": f"document {n}"} for n in range(2)]
    for name, rows in (
        ("corpus", documents),
        ("queries", [{"_id": "q1", "text": "asked in training"}, {"_id": "q2", "text": "test"}]),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "qrels").mkdir()
    for part, judged in (("train", "q1\td0\t1\n"), ("test", "q2\td1\t1\n")):
        (tmp_path / "qrels" / f"{part}.tsv").write_text("query\tdocument\tscore\n" + judged)
    assert pairs(read_training(tmp_path)) == {("asked in training", "document 0")}


def test_headings_find_what_stands_under_them():
    parts = [
        Part("a", ("Guide", "Installing"), "Installing\n\nRun the file."),
        Part("a", ("Guide", "Removing"), "Delete the folder."),
        Part("b", (), "Loose."),
    ]
    data = from_parts("guide", parts)
    assert pairs(data) == {("Installing", "Run the file."), ("Removing", "Delete the folder.")}


def test_without_headings_each_passage_finds_the_next_of_its_document():
    parts = [Part("a", (), "one"), Part("a", (), "two"), Part("b", (), "three"),
             Part("b", (), "four")]  # fmt: skip
    assert pairs(from_parts("loose", parts)) == {("one", "two"), ("three", "four")}


def test_a_folder_of_documents(tmp_path):
    pytest.importorskip("semantic_text_splitter")
    for name in ("one", "two"):
        sections = [f"## {part} {name}\n\nThe body of {part} in {name}.\n" for part in PARTS]
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n" + "\n".join(sections))
    data = read_training(tmp_path, chunk_size=24)
    assert any(query.startswith("Alpha") for query in data.queries)


def test_a_store(tmp_path, model):
    pytest.importorskip("lance")
    from veclab.store.store import Store

    with Store.open(tmp_path / "store", model, create=True) as store:
        store.add([f"passage {n}" for n in range(4)])  # each is a document of its own
    with pytest.raises(InputError, match="--questions-by openai:MODEL"):
        read_training(tmp_path / "store")


def test_columns_do_not_go_with_a_folder(tmp_path):
    with pytest.raises(InputError, match="--column goes with a file"):
        read_training(tmp_path, columns=("a", "b"))
