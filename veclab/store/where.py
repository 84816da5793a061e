"""Filters: `year >= 2020 and lang = 'en' and title contains 'x'`, read into a tree.

The tree is checked against the store's fields and their kinds, and each back end compiles it to
expressions or parameters of its own. Nothing that a user wrote ever becomes part of another
language's text.

    comparison   = != < <= > >=, in (…), not in (…), is null, is not null
    texts        contains '…', starts with '…', each also after `not`; upper and lower case differ
    values       'text' (a quote inside is doubled), numbers, true, false; dates and times as text
    fields       as they are, or in backticks: `odd name`
    combined     and, or, not, parentheses

As in SQL, a comparison with a field that is null is neither true nor false: `lang != 'en'` leaves
passages without `lang` out; `lang is null or lang != 'en'` lets them in.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from veclab.errors import InputError
from veclab.store.fields import Field

Value = str | int | float | bool | date | datetime
Comparison = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Compare:
    """`field operator value`; the value is of the field's kind."""

    field: Field
    operator: Comparison
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """`field in (values)`; there is at least one."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field is null`."""

    field: Field


@dataclass(frozen=True, slots=True)
class Contains:
    """`field contains 'part'`, or `starts with` where `start` is set."""

    field: Field
    part: str
    start: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """`not part`."""

    part: Where


@dataclass(frozen=True, slots=True)
class Every:
    """`a and b and …`."""

    parts: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """`a or b or …`."""

    parts: tuple[Where, ...]


Where = Compare | OneOf | IsNull | Contains | Not | Every | Some

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^']|'')*')
  | (?P<quoted>`(?:[^`]|``)+`)
  | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
  | (?P<word>[^\W\d]\w*)
  | (?P<operator><=|>=|!=|<>|==|=|<|>)
  | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_DEPTH = 64  # of nesting: more is a mistake or an attack, and would exhaust Python's stack
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_where(text: str, fields: Mapping[str, Field]) -> Where:
    """Read a filter.

    Args:
        text: what the user wrote.
        fields: of the store, by name.

    Raises:
        InputError: it cannot be read, names an unknown field, or compares one with a value of
            another kind; says where.
    """
    if not isinstance(text, str):
        raise InputError(f'a filter is a text like "year >= 2020", not {text!r:.80}')
    parser = _Parser(text, fields)
    tree = parser.either(0)
    if (left := parser.peek()) is not None:
        raise parser.error("the filter goes on after its end", left)
    return tree


class _Parser:
    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        self.text, self.fields = text, fields
        self.tokens: list[_Token] = []
        self.place = 0
        at = 0
        while at < len(text) and text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.error("this cannot be read", _Token("", text[at:][:20], at))
            kind = found.lastgroup or ""
            self.tokens.append(_Token(kind, found[kind], found.start(kind)))
            at = found.end()
        if not self.tokens:
            raise InputError("the filter is empty; leave it out, or write one like year >= 2020")

    def error(self, what: str, token: _Token | None) -> InputError:
        if token is None:
            return InputError(f"{what}: the filter ends too early: {self.text!r}")
        return InputError(
            f"{what}: {token.text!r} at character {token.at + 1} of the filter {self.text!r}"
        )

    def peek(self) -> _Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, *words: str) -> bool:
        """Whether these words or marks come next; if so they are passed."""
        ahead = self.tokens[self.place : self.place + len(words)]
        same = [
            t.kind in ("word", "mark") and t.text.lower() == w
            for t, w in zip(ahead, words, strict=False)
        ]
        if len(same) < len(words) or not all(same):
            return False
        self.place += len(words)
        return True

    def either(self, depth: int) -> Where:
        parts = [self.both(depth)]
        while self.take("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def both(self, depth: int) -> Where:
        parts = [self.one(depth)]
        while self.take("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def one(self, depth: int) -> Where:
        if depth > _DEPTH:
            raise self.error(f"the filter is nested more than {_DEPTH} deep", self.peek())
        if self.take("not"):
            return Not(self.one(depth + 1))
        if self.take("("):
            inside = self.either(depth + 1)
            if not self.take(")"):
                raise self.error("a closing parenthesis is missing", self.peek())
            return inside
        return self.comparison()

    def comparison(self) -> Where:
        field = self.field()
        if self.take("is", "not", "null"):
            return Not(IsNull(field))
        if self.take("is", "null"):
            return IsNull(field)
        negated = self.take("not")
        found: Where
        if self.take("in"):
            found = OneOf(field, self.values(field))
        elif self.take("contains"):
            found = Contains(field, self.part(field, "contains"))
        elif self.take("starts", "with"):
            found = Contains(field, self.part(field, "starts with"), start=True)
        elif negated:
            raise self.error("after `not` comes in, contains or starts with", self.peek())
        else:
            return self.compare(field)
        return Not(found) if negated else found

    def compare(self, field: Field) -> Compare:
        token = self.peek()
        if token is None or token.kind != "operator":
            like = token is not None and token.text.lower() in ("like", "ilike", "regexp")
            way = "; there is no `like`: use contains or starts with" if like else ""
            raise self.error(
                "after a field comes = != < <= > >= in contains, starts with or is null" + way,
                token,
            )
        self.place += 1
        spelled = {"==": "=", "<>": "!="}.get(token.text, token.text)
        if field.kind == "boolean" and spelled not in ("=", "!="):
            raise self.error(f"{field.name} is true or false, which knows = and != only", token)
        operator: Comparison = spelled  # type: ignore[assignment]
        return Compare(field, operator, self.value(field))

    def field(self) -> Field:
        token = self.peek()
        if token is None or token.kind not in ("word", "quoted"):
            raise self.error("a field's name is missing here", token)
        name = token.text
        if token.kind == "quoted":
            name = name[1:-1].replace("``", "`")
        if name not in self.fields:
            close = difflib.get_close_matches(name, self.fields, 1)
            there = f"did you mean {close[0]}?" if close else ""
            known = ", ".join(self.fields)
            raise self.error(f"there is no such field ({there or f'available: {known}'})", token)
        self.place += 1
        return self.fields[name]

    def values(self, field: Field) -> tuple[Value, ...]:
        if not self.take("("):
            raise self.error("after `in` comes a list in parentheses", self.peek())
        values = [self.value(field)]
        while self.take(","):
            values.append(self.value(field))
        if not self.take(")"):
            raise self.error("a closing parenthesis is missing", self.peek())
        return tuple(values)

    def part(self, field: Field, what: str) -> str:
        token = self.peek()
        if field.kind != "text":
            raise self.error(
                f"`{what}` is for texts, and {field.name} is of kind {field.kind}", token
            )
        value = self.value(field)
        assert isinstance(value, str)
        return value

    def value(self, field: Field) -> Value:
        token = self.peek()
        if token is None or token.kind in ("operator", "mark", "quoted"):
            raise self.error("a value is missing here", token)
        self.place += 1
        if token.kind == "word" and token.text.lower() not in ("true", "false"):
            way = "; for null write `is null`" if token.text.lower() == "null" else ""
            raise self.error(f"a text needs quotes ('{token.text}'){way}", token)
        try:
            return _read(token, field)
        except ValueError:
            raise self.error(
                f"{field.name} is {_KINDS[field.kind]}, and this is not", token
            ) from None


_KINDS = {
    "text": "a text in quotes",
    "integer": "a whole number of 64 bits",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date like '2024-12-31'",
    "time": "a time like '2024-12-31' or '2024-12-31 23:59:59'",
}


def _read(token: _Token, field: Field) -> Value:
    """A value of the field's kind; raises ValueError for any other."""
    kind, text = field.kind, token.text
    if token.kind == "string":
        text = text[1:-1].replace("''", "'")
        if kind == "text":
            if "\0" in text:
                raise ValueError
            text.encode()  # a lone surrogate is no text; UnicodeEncodeError is a ValueError
            return text
        if kind == "date":
            return date.fromisoformat(text)
        if kind == "time":
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                raise ValueError
            return moment
    elif token.kind == "number":
        if kind == "integer":
            number = int(text)
            if not -_INT64 <= number < _INT64:
                raise ValueError
            return number
        if kind == "number":
            decimal = float(text)
            if decimal in (float("inf"), float("-inf")):
                raise ValueError
            return decimal
    elif kind == "boolean":
        return text.lower() == "true"
    raise ValueError
