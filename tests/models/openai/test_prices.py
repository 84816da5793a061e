"""One dated table, and the user's own entries over it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import veclab
from veclab import InputError
from veclab.models.openai.prices import find_price
from veclab.rag.chat import ChatModel


def write(home, table):
    home.mkdir(exist_ok=True)
    (home / "prices.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("text-embedding-3-small", 0.02),
        ("text-embedding-3-large", 0.13),
        ("text-embedding-ada-002", 0.10),
    ],
)
def test_the_table_has_openais_prices(model, dollars):
    price = find_price(model)
    assert price.dollars(1_000_000) == pytest.approx(dollars)
    assert price.dollars(1_000_000, batch=True) == pytest.approx(dollars / 2)
    assert price.as_of


def test_nobody_knows_a_price_that_is_not_written_down():
    assert find_price("mine") is None
    assert find_price("text-embedding-3-small", "http://127.0.0.1:8000/v1") is None


def test_a_user_may_write_prices_down(home):
    entries = {"mine@http://x/v1": 1.5, "text-embedding-3-small": 0.01}
    write(home, {"as_of": "2030-01-01", "dollars_per_million_tokens": entries})
    assert find_price("mine", "http://x/v1").dollars(2_000_000) == 3
    assert find_price("text-embedding-3-small").per_million == 0.01
    assert find_price("text-embedding-3-small").as_of == "2030-01-01"
    assert find_price("text-embedding-3-large").per_million == 0.13


@pytest.mark.parametrize(
    "table",
    [
        [],
        {"dollars_per_million_tokens": [1]},
        {"dollars_per_million_tokens": {"text-embedding-3-small": "cheap"}},
        {"dollars_per_million_tokens": {"text-embedding-3-small": -1}},
        {"dollars_per_million_tokens": {"text-embedding-3-small": True}},
    ],
)
def test_a_table_of_another_form_is_refused_by_name(home, table):
    write(home, table)
    with pytest.raises(InputError, match=r"prices\.json"):
        find_price("text-embedding-3-small")


DAY = datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("as_of", "old"),
    [
        (str(DAY), False),
        (str(DAY - timedelta(days=183)), False),
        (str(DAY - timedelta(days=184)), True),
        ("2020-02-29", True),
        ("no date", False),  # of the user's own, who knows
        (str(DAY + timedelta(days=40)), False),
    ],
)
def test_prices_older_than_half_a_year_are_said_to_be(home, as_of, old, monkeypatch):
    entries = {"text-embedding-3-small": 0.01}
    chat = {"small": {"input": 1, "output": 2}}
    table = {"as_of": as_of, "dollars_per_million_tokens": entries}
    write(home, table | {"chat_dollars_per_million_tokens": chat})
    notes = [
        veclab.load("openai:text-embedding-3-small", cache=False).notes,
        ChatModel("small").notes,
    ]
    for said in notes:
        assert any(f"the prices are of {as_of}" in note for note in said) == old
