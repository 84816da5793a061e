"""Measuring: figures that are right, on questions of the user and on made ones."""

import json

import pytest

from tests.chat_server import Fault
from tests.rag.conftest import TEXTS
from veclab.errors import InputError
from veclab.rag.chat import ChatModel
from veclab.rag.evaluate import _figures as figures
from veclab.rag.evaluate import compare_chunks, evaluate_rag, fit_threshold
from veclab.rag.questions import Expected, Question, read_questions
from veclab.rag.threshold import fit, keep, stored
from veclab.store.index import index
from veclab.store.passage import Passage
from veclab.store.store import Store

YES = [
    Question("1", "When does the library open?", (Expected("library", "opens at nine"),)),
    Question("2", "Who founded Debian?", (Expected("debian"),)),
    Question("3", "How long do cats sleep?", (Expected("cats", "sixteen hours"),)),
]
NO = [
    Question("4", "Who is the president of France?", ()),
    Question("5", "Which bus goes to the airport?", ()),
]


def test_what_holds_an_answer():
    passage = Passage("1", "library", "It opens at  nine o'clock.")
    assert Expected("library").is_in(passage)
    assert Expected("library", "opens at nine").is_in(passage)
    assert not Expected("library", "opens at ten").is_in(passage)
    assert not Expected("other", "opens at nine").is_in(passage)


def test_figures_from_ranks():
    found = figures([[1], [2], [None], [7]])
    assert found["recall@5"].value == 0.5
    assert found["recall@10"].value == 0.75
    assert found["mrr@10"].value == pytest.approx((1 + 1 / 2 + 1 / 7) / 4)
    assert found["ndcg@10"].value == pytest.approx((1 + 0.6309298 + 1 / 3) / 4)
    two = figures([[1, None]])
    assert (two["recall@5"].value, two["ndcg@10"].value) == (0.5, pytest.approx(0.6131472))


def test_questions_of_the_user(store):
    found = evaluate_rag(store, YES + NO, threshold=0.4)
    assert (found.questions, found.unanswerable, found.method) == (3, 2, "questions")
    assert [row.name for row in found.rows] == ["vector", "keyword", "hybrid", "as ask reads"]
    assert found.rows[2].figures["recall@5"].value == 1
    assert found.answering["source cited"].value == 1
    assert found.answering["wrongly refused"].value == 0
    assert found.answering["rightly refused"].value == 1
    assert found.answering["citations found again"].value == 1
    assert found.counts["answers"] == 3
    assert found.counts["claims supported"] == found.counts["citations"] > 0
    json.dumps(found.to_dict())


def test_questions_made_of_the_documents(store):
    found = evaluate_rag(store, sample=10)
    assert found.method == "self-retrieval"
    assert 0 < found.questions <= len(TEXTS)
    assert found.rows[0].figures["recall@5"].value > 0.8
    assert "rightly refused" not in found.answering


def test_a_lying_model_is_measured_as_it_is(store, server):
    server.answers = [
        'CLAIM: It opens at ten.\nQUOTE [1]: "opens at ten"',
        'CLAIM: Debian was founded by Linus.\nQUOTE [1]: "Debian was founded"',
        Fault("unfinished", ""),
    ]
    chat = ChatModel("small", base_url=server.url)
    found = evaluate_rag(store, YES, llm=chat, threshold=0)
    assert found.counts["claims dropped"] == 1
    assert found.counts["claims unverified"] == 1
    assert found.answering["wrongly refused"].value == pytest.approx(2 / 3)
    assert found.answering["citations found again"].value == 1


def test_nothing_to_measure(store):
    with pytest.raises(InputError, match="none of the questions has an answer"):
        evaluate_rag(store, NO)


def test_chunk_sizes_are_compared_on_the_documents(tmp_path, store):
    pytest.importorskip("semantic_text_splitter")
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    asked = [Question("1", "When does the library open?", (Expected("library.txt", "at nine"),))]
    found = compare_chunks(store, folder, (16, 64), (0, 4), asked)
    names = {row.name.split(":")[0] for row in found.rows}
    assert names == {"16 tokens", "16 tokens, 4 shared", "64 tokens", "64 tokens, 4 shared"}


def test_a_store_remembers_which_documents_to_cut(tmp_path, word_model):
    pytest.importorskip("semantic_text_splitter")
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        index(store, folder)
        found = compare_chunks(store, None, (16, 32), sample=4)
        assert {row.name.split(":")[0] for row in found.rows} == {"16 tokens", "32 tokens"}
        store.add(["A text from elsewhere."], ids=["other"])
        with pytest.raises(InputError, match="--documents FOLDER"):
            compare_chunks(store, None, (16,), sample=4)


# The threshold.


def test_a_threshold_refuses_a_share_of_the_answerable_at_most():
    found = fit([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.65], method="questions", refused=0.25)
    assert (found.value, found.refused) == (0.6, 0.25)
    assert found.caught == pytest.approx(2 / 3)
    assert fit([0.5, 0.6], [0.9], method="questions", refused=0.0).value == 0.5
    assert fit([0.5], [], method="questions").caught is None


def test_a_threshold_is_no_higher_than_it_has_to_be():
    found = fit([0.9, 0.95], [], method="self-retrieval", highest=0.5)
    assert (found.value, found.refused) == (0.5, 0)
    assert fit([0.2, 0.95], [], method="self-retrieval", highest=0.5).value == 0.2


def test_without_answerable_questions_there_is_none():
    with pytest.raises(InputError, match="without answerable"):
        fit([], [0.5], method="questions")


def test_a_threshold_from_questions_is_kept(tmp_path, word_model):
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        store.add(TEXTS.values(), ids=list(TEXTS))
        threshold = fit_threshold(store, YES + NO)
        keep(store, threshold)
        store.add(["many more"] * 20)
        assert stored(store) == threshold
        assert threshold.method == "questions"
        assert threshold.caught == 1
        # One found on the store itself is found again when the store has changed.
        keep(store, fit([0.5], [], method="self-retrieval", passages=6))
        assert stored(store) is None


# The file of questions.


def test_reading_questions(tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text(
        '{"question": "Who?", "answers": ["a.txt", {"document": "b.txt", "text": "Ada"}]}\n\n'
        '{"id": "x", "question": "Why?", "answers": [], "more": 1}\n'
    )
    assert read_questions(file) == [
        Question("1", "Who?", (Expected("a.txt"), Expected("b.txt", "Ada"))),
        Question("x", "Why?", ()),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: no JSON"),
        ("[]", 'there is no "question"'),
        ('{"question": ""}', 'there is no "question"'),
        ('{"question": "Who?"}', '"answers" must be a list'),
        ('{"question": "Who?", "answers": "a"}', '"answers" must be a list'),
        ('{"question": "Who?", "answers": [1]}', "an answer must look like"),
        ('{"question": "Who?", "answers": [{"document": "a", "text": 1}]}', "must look like"),
        ("", "there are no questions"),
    ],
)
def test_a_bad_file_of_questions(tmp_path, line, message):
    file = tmp_path / "questions.jsonl"
    file.write_text(line)
    with pytest.raises(InputError, match=message):
        read_questions(file)


def test_no_file_of_questions(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")
