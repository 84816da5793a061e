"""Filters as SQL with parameters: names are quoted identifiers, values never part of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from veclab.store.fields import Field, Kind
from veclab.store.where import Compare, Contains, Every, IsNull, Not, OneOf, Some, Where

if TYPE_CHECKING:
    from psycopg.sql import Composable

# The one SQL type in which values of a kind are kept.
SQL_TYPES: dict[Kind, str] = {
    "text": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "time": "timestamp",
}


def to_sql(where: Where) -> tuple[Composable, list[Any]]:
    """A condition and its parameters, of a filter that was checked against the table's fields."""
    from psycopg import sql

    values: list[Any] = []

    def column(field: Field) -> Composable:
        # Texts in the order of their characters, as the other back end has them.
        order = sql.SQL(' COLLATE "C"') if field.kind == "text" else sql.SQL("")
        return sql.Identifier(field.column) + order

    def compiled(part: Where) -> Composable:
        match part:
            case Compare(field, operator, value):
                values.append(value)
                return sql.SQL("({} {} %s::{})").format(
                    column(field),
                    sql.SQL("<>" if operator == "!=" else operator),
                    sql.SQL(SQL_TYPES[field.kind]),
                )
            case OneOf(field, several):
                values.append(list(several))
                kind = sql.SQL(SQL_TYPES[field.kind])
                return sql.SQL("({} = ANY(%s::{}[]))").format(column(field), kind)
            case IsNull(field):
                return sql.SQL("({} IS NULL)").format(sql.Identifier(field.column))
            case Contains(field, text, start):
                values.append(text)
                name = sql.Identifier(field.column)
                test = "starts_with({}, %s::text)" if start else "(strpos({}, %s::text) > 0)"
                return sql.SQL(test).format(name)
            case Not(inner):
                return sql.SQL("(NOT {})").format(compiled(inner))
            case Every(parts):
                return sql.SQL("({})").format(sql.SQL(" AND ").join(map(compiled, parts)))
            case Some(parts):
                return sql.SQL("({})").format(sql.SQL(" OR ").join(map(compiled, parts)))

    return compiled(where), values
