"""Filters as Arrow expressions, which Lance takes in binary form: no text is ever pasted."""

from __future__ import annotations

from collections.abc import Callable
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TYPE_CHECKING, Any

from veclab.store.fields import arrow_type
from veclab.store.where import Compare, Contains, Every, IsNull, Not, OneOf, Some, Where

if TYPE_CHECKING:
    import pyarrow.compute as pc

_OPERATORS: dict[str, Callable[..., Any]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def to_expression(where: Where) -> pc.Expression:
    """Compile a filter that was checked against the table's fields."""
    import pyarrow as pa
    import pyarrow.compute as pc

    match where:
        case Compare(field, operator, value):
            literal = pc.scalar(pa.scalar(value, arrow_type(field.kind)))
            return _OPERATORS[operator](pc.field(field.column), literal)
        case OneOf(field, values):
            # Not `isin`: an `or` of comparisons treats null as SQL does on either side of `not`.
            literals = [pc.scalar(pa.scalar(v, arrow_type(field.kind))) for v in set(values)]
            return _balanced([pc.field(field.column) == literal for literal in literals], or_)
        case IsNull(field):
            return pc.field(field.column).is_null()
        case Contains(field, part, start):
            match_in = pc.starts_with if start else pc.match_substring
            return match_in(pc.field(field.column), part)
        case Not(part):
            return ~to_expression(part)
        case Every(parts):
            return _balanced([to_expression(p) for p in parts], and_)
        case Some(parts):
            return _balanced([to_expression(p) for p in parts], or_)


def _balanced(parts: list[Any], combine: Callable[..., Any]) -> Any:
    """Combine in a tree of little depth: a chain of a thousand would exhaust a parser's stack."""
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [combine(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]
