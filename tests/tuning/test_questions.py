"""Questions by a chat model: cost known and kept to, nothing bought twice, bad ones dropped."""

import pytest

from tests.chat_server import KEY, ChatServer, Fault
from veclab.errors import CostTooHigh, InputError, ProviderError
from veclab.rag.chat import ChatModel
from veclab.tuning import questions
from veclab.tuning.questions import answer_tokens_for, plan_questions, write_questions

PASSAGES = [
    "The server listens on port 8080 by default, and caches nothing unless told so.",
    "Debian was founded by Ian Murdock in 1993 and is run by volunteers.",
    "Water boils at 100 degrees Celsius at sea level; salt raises that point.",
]
GOOD = [
    "Which port does it use?\nAre results kept?",
    "Who started the Debian project?\nWhen did it begin?",
    "How hot must water be to boil?\nWhat does salt do to boiling?",
]


@pytest.fixture
def server(monkeypatch):
    with ChatServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


@pytest.fixture
def chat(server):
    return ChatModel("openai:small", answer_tokens=answer_tokens_for(2))


@pytest.fixture
def priced(chat, monkeypatch):
    from pathlib import Path

    from veclab.rag.prices import ChatPrice

    monkeypatch.setattr(chat, "price", ChatPrice(1.0, 10.0, "2026-01-01", Path("prices.json")))
    return chat


def write(chat, passages=PASSAGES, **options):
    return write_questions(passages, chat, name="store", **options)


def test_each_question_has_its_passage_as_the_right_document(server, chat):
    server.answers = list(GOOD)
    made = write(chat)
    assert list(made.documents) == PASSAGES
    assert dict(zip(made.queries, made.positives, strict=True)) == {
        question: [place] for place, answer in enumerate(GOOD) for question in answer.split("\n")
    }
    assert "small wrote 6 questions for 3 passages" in made.notes[0]


def test_numbers_bullets_and_quotes_are_taken_off(server, chat):
    server.answers = ['1. Which port does it use?\n- "Are results kept?"\n\n', *GOOD[1:]]
    assert {"Which port does it use?", "Are results kept?"} <= set(write(chat).queries)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("?", "no question"),
        ("What is the port 8080 by default, and caches nothing unless told so?", "copy"),
        ("What does this passage say?", "speak of a passage"),
    ],
)
def test_questions_that_teach_nothing_are_dropped_and_counted(server, chat, bad, said):
    server.answers = [f"{bad}\nWhich port does it use?", *GOOD[1:]]
    made = write(chat)
    assert bad not in made.queries
    assert f"1 {'that ' if said != 'no question' else 'that are '}{said}" in made.notes[0]


def test_a_question_written_for_two_passages_is_of_neither(server, chat):
    server.answers = ["What is it about?\nWhich port does it use?", "what is it about", GOOD[2]]
    made = write(chat)
    assert not any("about" in question for question in made.queries)
    assert "2 written for several passages" in made.notes[0]
    assert len(made.documents) == 3, "documents stay, as wrong ones for others"


def test_the_cost_is_planned_before_anything_is_sent(server, priced):
    plan = plan_questions(PASSAGES, priced)
    assert plan.passages == 3
    assert plan.answer_tokens == 3 * answer_tokens_for(2)
    assert plan.dollars == pytest.approx((plan.prompt_tokens + 10 * plan.answer_tokens) / 1e6)
    with pytest.raises(CostTooHigh, match="Nothing was sent"):
        write(priced, max_cost=plan.dollars / 2)
    assert not server.asked
    server.answers = list(GOOD)
    assert len(write(priced, max_cost=plan.dollars)) == 6


def test_a_limit_without_a_price_is_refused(server, chat):
    with pytest.raises(CostTooHigh, match=r"price of small is not known"):
        write(chat, max_cost=1.0)
    assert not server.asked


def test_what_was_bought_is_not_bought_again(server, chat, tmp_path):
    kept = tmp_path / "work" / "questions.jsonl"
    server.answers = [GOOD[0], Fault("401")]
    with pytest.raises(ProviderError):
        write(chat, kept=kept)
    with kept.open("a") as file:
        file.write('{"key": "abc", "ans')  # a kill in mid-line
    assert plan_questions(PASSAGES, chat, kept=kept).known == 1
    server.asked.clear()
    server.answers = GOOD[1:]
    made = write(chat, kept=kept)
    assert len(server.asked) == 2
    assert len(made) == 6
    # Nor is anything sent for a third run.
    assert write(chat, kept=kept).queries == made.queries
    assert len(server.asked) == 2


def test_other_questions_are_asked_anew(server, chat, tmp_path):
    kept = tmp_path / "questions.jsonl"
    server.answers = list(GOOD)
    write(chat, kept=kept)
    assert plan_questions(PASSAGES, chat, each=3, kept=kept).known == 0
    assert KEY not in kept.read_text()


def test_an_answer_that_breaks_off_loses_its_last_line(server, chat):
    server.answers = [Fault("length", "Which port does it use?\nAre resu"), *GOOD[1:]]
    made = write(chat)
    assert "Which port does it use?" in made.queries
    assert not any(question.startswith("Are resu") for question in made.queries)
    assert any("1 answers broke off" in note for note in made.notes)


@pytest.mark.parametrize("answer", ["", "\n \n", "?"])
def test_an_endpoint_that_writes_nothing_is_given_up(server, chat, answer, monkeypatch):
    monkeypatch.setattr(questions, "PATIENCE", 2)
    server.answers = [answer] * 9
    with pytest.raises(ProviderError, match=r"no question that can be used for the first 2"):
        write(chat, PASSAGES * 3)
    assert len(server.asked) == 2


def test_passages_without_a_question_are_counted(server, chat):
    server.answers = [GOOD[0], "", GOOD[2]]
    made = write(chat)
    assert any("1 passages have no question" in note for note in made.notes)


def test_a_long_passage_is_shown_in_part(server, chat):
    server.answers = ["Which port does it use?"]
    write(chat, ["The port is 8080. " * 5000])
    assert chat.count(server.asked[0]["messages"][1]["content"]) < 1100


@pytest.mark.parametrize(("passages", "each"), [([], 2), (PASSAGES, 0), (PASSAGES, 11)])
def test_what_cannot_be_asked(chat, passages, each):
    with pytest.raises(InputError):
        write(chat, passages, each=each)
