"""Filters: what can be written, what is refused and how; nothing gets out of its quotes."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.errors import InputError
from veclab.store.fields import Field
from veclab.store.where import Compare, Contains, Every, IsNull, Not, OneOf, Some, parse_where

KINDS = {
    "year": "integer",
    "price": "number",
    "lang": "text",
    "title": "text",
    "free": "boolean",
    "day": "date",
    "at": "time",
    "odd `name": "text",
}
FIELDS = {name: Field(name, kind, f"column_{i}") for i, (name, kind) in enumerate(KINDS.items())}


def read(text):
    return parse_where(text, FIELDS)


def test_a_filter_becomes_a_tree():
    assert read("year >= 2020 and lang = 'en' or not title contains 'x'") == Some(
        (
            Every((Compare(FIELDS["year"], ">=", 2020), Compare(FIELDS["lang"], "=", "en"))),
            Not(Contains(FIELDS["title"], "x")),
        )
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("price < 1", Compare(FIELDS["price"], "<", 1.0)),
        ("year = -3", Compare(FIELDS["year"], "=", -3)),
        ("free = TRUE", Compare(FIELDS["free"], "=", True)),
        ("day > '2024-02-29'", Compare(FIELDS["day"], ">", date(2024, 2, 29))),
        ("at <> '2024-02-29 12:00'", Compare(FIELDS["at"], "!=", datetime(2024, 2, 29, 12))),
        ("lang in ('en', 'it''s')", OneOf(FIELDS["lang"], ("en", "it's"))),
        ("lang not in ('en')", Not(OneOf(FIELDS["lang"], ("en",)))),
        ("title starts with 'The'", Contains(FIELDS["title"], "The", start=True)),
        ("title not starts with 'T'", Not(Contains(FIELDS["title"], "T", start=True))),
        ("lang is not null", Not(IsNull(FIELDS["lang"]))),
        ("`odd ``name` is null", IsNull(FIELDS["odd `name"])),
        ("((year=1))", Compare(FIELDS["year"], "=", 1)),
    ],
)
def test_every_form(text, tree):
    assert read(text) == tree


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("yaer = 1", "did you mean year"),
        ("nothing_like_it = 1", "available: year"),
        ("year = 'x'", "whole number"),
        ("year = 1.5", "whole number"),
        ("year = 99999999999999999999", "64 bits"),
        ("price = 1e999", "a number"),
        ("lang = 3", "text in quotes"),
        ("lang = en", "needs quotes"),
        ("lang = null", "is null"),
        ("lang = lang", "needs quotes"),
        ("free > true", "= and != only"),
        ("day = '2024-02-30'", "a date like"),
        ("at = '2024-01-01T00:00:00+02:00'", "a time like"),
        ("year contains 'x'", "for texts"),
        ("title like '%x%'", "there is no `like`"),
        ("title", "too early"),
        ("title =", "too early"),
        ("title = 'x", "cannot be read"),
        ("title = 'x'; drop table passages", "cannot be read"),
        ("title = 'x' -- comment", "cannot be read"),
        ("title = 'x' title = 'y'", "goes on after its end"),
        ("(year = 1", "closing parenthesis"),
        ("lang in ()", "value is missing"),
        ("lang in 'en'", "parentheses"),
        ("title not = 'x'", "after `not`"),
        ("(" * 5000 + "year = 1", "nested"),
        ("not " * 5000 + "year = 1", "nested"),
        ("year = 1e3", "whole number"),
        ("title = 'a\0b'", "text in quotes"),
        ("1 = 1", "name is missing"),
    ],
)
def test_what_is_refused_says_why(text, says):
    with pytest.raises(InputError, match=says):
        read(text)


def test_the_message_says_where():
    with pytest.raises(InputError, match=r"'yaer' at character 13 of the filter"):
        read("year = 1 or yaer = 2")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_whatever_is_quoted_stays_a_value(value):
    quoted = "'" + value.replace("'", "''") + "'"
    assert read(f"lang = {quoted} and year = 1") == Every(
        (Compare(FIELDS["lang"], "=", value), Compare(FIELDS["year"], "=", 1))
    )


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except InputError as error:
        assert str(error)
