"""A store in other libraries' terms: their metadata as fields, their filters as ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from veclab.errors import InputError, SpaceMismatch
from veclab.space import Space
from veclab.store.fields import BUILT_IN, INTERNAL
from veclab.store.passage import Passage
from veclab.store.store import Store

# The field that holds, as JSON, what no field of a store can: lists, objects, names of its own.
REST = "metadata_json"
_KEPT = (str, int, float, bool, date, datetime)


def to_fields(metadatas: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return metadata as fields of a store: name -> a value for each, None where there is none.

    Raises:
        InputError: a value is none of JSON's.
    """
    own = {name for one in metadatas for name in one if _is_field(name)}
    fields: dict[str, list[Any]] = {name: [] for name in sorted(own)} | {REST: []}
    for one in metadatas:
        rest = {n: v for n, v in one.items() if not (n in own and isinstance(v, _KEPT))}
        for name in own:
            fields[name].append(None if name in rest else one.get(name))
        try:
            fields[REST].append(json.dumps(rest) if rest else None)
        except (TypeError, ValueError) as error:
            raise InputError(f"metadata must be values of JSON, dates or times: {error}") from None
    return {n: values for n, values in fields.items() if any(v is not None for v in values)}


def to_metadata(passage: Passage) -> dict[str, Any]:
    """Return the metadata of a passage as they were given; of a file's also where it stands."""
    found = {n: v for n, v in passage.fields.items() if v is not None and n != REST}
    if passage.file is not None:
        place = {"document": passage.document, "file": passage.file, "page": passage.page}
        found |= {name: value for name, value in place.items() if value is not None}
    rest: dict[str, Any] = json.loads(passage.fields.get(REST) or "{}")
    return found | rest


def _is_field(name: str) -> bool:
    return bool(name) and name not in BUILT_IN and name not in INTERNAL and name != REST


def compare(name: str, operator: str, value: Any) -> str:
    """Return a comparison in the words of a store's filters.

    Raises:
        InputError: the field is one that a store keeps without filtering, or the value is none.
    """
    if not _is_field(name):
        raise InputError(
            f"{name!r} is a name of the store's own, so the metadata of that name cannot be "
            "filtered; call it something else"
        )
    quoted = "`" + name.replace("`", "``") + "`"
    if value is None:
        return f"{quoted} is null" if operator == "=" else f"{quoted} is not null"
    if isinstance(value, (list, tuple, set)):
        return f"{quoted} {operator} ({', '.join(map(_value, value))})"
    return f"{quoted} {operator} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, date, datetime)):
        return "'" + str(value).replace("'", "''") + "'"
    raise InputError(
        f"a filter compares with texts, numbers, booleans and dates, not {value!r:.60}"
    )


def documents(store: Store, ids: Sequence[str]) -> list[Passage]:
    """Return the passages of the documents of these names that there are."""
    from veclab.store.rows import to_passages

    store.refresh()
    if not store.exists or not ids:
        return []
    names = ", ".join(_value(str(name)) for name in ids)
    columns = [name for name in store.table.schema.names if name != "embedding"]
    rows = store.table.scan(columns, store.where(f"document in ({names})"))
    return [passage for part in rows for passage in to_passages(part)]


def is_empty(store: Store) -> bool:
    """Return whether there is nothing to find; a store appears with its first passages."""
    store.refresh()
    return not store.exists or store.count() == 0


def require_space(store: Store, space: Space, what: str) -> None:
    """Raise SpaceMismatch where vectors of a model do not belong into a store."""
    store.refresh()
    if store.exists and not store.space.same_as(space):
        raise SpaceMismatch(
            f"the store {store.place.name} is of {store.space}, and {what} is {space}: give the "
            "store's own model to both, store.model"
        )
