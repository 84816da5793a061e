"""Which sentences an answer without a language model is made of."""

from veclab.rag.extractive import Sentence, extract
from veclab.store.index import index
from veclab.store.store import Store


def sentences(*scored):
    """Sentences of one passage, with the scores they are to have."""
    found, start = [], 0
    for text, score in scored:
        found.append(Sentence(1, start, start + len(text), text, score, score))
        start += len(text) + 1
    return sorted(found, key=lambda sentence: -sentence.score)


def texts(claims):
    return [claim.text for claim in claims]


def test_the_best_come_first_and_weak_ones_are_left_out():
    found = sentences(
        ("Cats sleep for sixteen hours a day.", 0.9),
        ("Dogs bark at strangers all night.", 0.8),
        ("The moon is far away indeed.", 0.5),
    )
    assert texts(extract(found)) == [
        "Cats sleep for sixteen hours a day.",
        "Dogs bark at strangers all night.",
    ]
    assert len(extract(found, most=1)) == 1


def test_every_claim_quotes_itself():
    (claim,) = extract(sentences(("Cats sleep for six-\nteen hours.", 0.9)))
    assert claim.text == "Cats sleep for sixteen hours."
    assert claim.quotes[0].text == "Cats sleep for six-\nteen hours."


def test_what_says_the_same_is_said_once():
    found = sentences(
        ("Cats sleep for sixteen hours a day.", 0.9), ("Cats sleep for sixteen hours.", 0.89)
    )
    assert len(extract(found)) == 1


def test_after_a_question_or_a_heading_comes_what_answers_it():
    for opening in ("How long do cats sleep?", "# How long cats sleep", "Cats sleep as follows:"):
        found = sentences((opening, 0.9), ("For sixteen hours, and kittens longer.", 0.3))
        assert texts(extract(found)) == ["For sixteen hours, and kittens longer."]


def test_so_it_does_after_what_is_a_heading_by_its_place_alone(tmp_path, word_model):
    (tmp_path / "cats.html").write_text(
        "<h1>Cats</h1><h2>How long cats sleep</h2><p>For sixteen hours, and kittens longer.</p>"
    )
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        index(store, tmp_path / "cats.html")
        answer = store.ask("How long do cats sleep?", threshold=0)
    assert [line.text for line in answer.lines] == ["For sixteen hours, and kittens longer."]


def test_where_there_is_nothing_better_a_heading_has_to_do():
    assert texts(extract(sentences(("Cats", 0.9)))) == ["Cats"]
    assert extract([]) == []
