"""What each column of an input is for: the text, the id, nobody's, or the caller's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from veclab.corpus.columns import KINDS, without_half_pairs
from veclab.corpus.formats import Chunk, File
from veclab.errors import InputError

RECORD_NUMBERS = "#"  # as `id_column`: number the records although there is an id column


@dataclass(frozen=True)
class Roles:
    """Which columns are the text, the id and nobody's; the rest is the caller's own."""

    file: File
    text: str
    id: str | None
    drop: frozenset[str]
    guessed: bool  # the text column was taken because it was the only one of strings

    @property
    def named(self) -> list[str | None]:
        """The columns that must be somewhere in the file."""
        return [self.text, self.id, *sorted(self.drop)]

    def chunks(self, size: int, max_chars: int) -> Iterator[Chunk]:
        """The file's chunks, fit for Arrow."""
        return (self.cleaned(chunk)[0] for chunk in self.file.chunks(size, max_chars))

    def cleaned(self, chunk: Chunk) -> tuple[Chunk, list[str]]:
        """Without half surrogate pairs but in the texts; and the columns that had some."""
        if not chunk.half_pairs:
            return chunk, []
        columns = dict(chunk.columns)
        for name in columns.keys() - {self.text} - self.drop:
            columns[name] = without_half_pairs(columns[name])
        changed = [name for name in columns if columns[name] != chunk.columns[name]]
        return replace(chunk, columns=columns), changed

    def own(self, chunk: Chunk) -> dict[str, Any]:
        """The caller's own columns of a chunk."""
        taken = self.drop | {self.text, self.id}
        return {name: values for name, values in chunk.columns.items() if name not in taken}

    def texts(self, chunk: Chunk) -> list[str | None]:
        """The texts of a chunk; raises `InputError` at a value that is neither text nor null."""
        texts: list[str | None] = self._values(chunk, self.text)
        if not set(map(type, texts)) <= {str, NoneType}:
            self._refuse(chunk, self.text, texts, (str, NoneType), "a text")
        return texts

    def ids(self, chunk: Chunk, before: int) -> list[str]:
        """The ids, given how many records came before the chunk; raises `InputError`."""
        if self.id is None:
            return [str(before + n) for n in range(1, len(chunk.lines) + 1)]
        values = self._values(chunk, self.id)
        if not set(map(type, values)) <= {str, int}:
            self._refuse(chunk, self.id, values, (str, int), "an id (a string or an integer)")
        return list(map(str, values))

    def _values(self, chunk: Chunk, name: str) -> list[Any]:
        values = chunk.columns.get(name)
        if values is None:
            return [None] * len(chunk.lines)
        return values if isinstance(values, list) else values.to_pylist()

    def _refuse(
        self, chunk: Chunk, name: str, values: list[Any], kinds: tuple[type, ...], wanted: str
    ) -> None:
        for line, value in zip(chunk.lines, values, strict=True):
            if type(value) not in kinds:
                kind = KINDS.get(type(value), f"a {type(value).__name__}")
                raise InputError(
                    f"{self.file.where(line)}: column {name!r} holds {kind}, not {wanted}"
                )


def settle_roles(
    file: File, first: Chunk, column: str | None, id_column: str | None, drop: Sequence[str]
) -> Roles:
    """Decide by the first chunk; `veclab.corpus.scan` checks that the rest of the file agrees."""
    names = [name for name in first.columns if name not in drop]
    for name in {column, id_column} & set(drop):
        raise InputError(f"column {name!r} is both to be used and to be dropped")
    if id_column is None:
        id_column = next((n for n in ("id", "_id") if n in names and n != column), None)
    elif id_column == RECORD_NUMBERS:
        id_column = None
    if column is not None and column == id_column:
        raise InputError(f"column {column!r} cannot be both the text and the id")
    text = column or ("text" if "text" in names and id_column != "text" else None)
    if text is None:
        candidates = [n for n in names if n != id_column and _is_text(first.columns[n])]
        if len(candidates) != 1:
            raise which_column(file.name, names)
        text = candidates[0]
    return Roles(file, text, id_column, frozenset(drop), column is None and text != "text")


def which_column(name: str, names: Iterable[str]) -> InputError:
    """The error for an input whose text column the caller must name."""
    return InputError(
        f"{name}: which column holds the texts? Say --column NAME; there are {listed(names)}. "
        "(A .csv or .tsv without column names: --no-header)"
    )


def listed(names: Iterable[str], limit: int = 30) -> str:
    """Names for a message, not endlessly many."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(repr, names[:limit])) + more


def _is_text(values: Any) -> bool:
    """Whether a column holds strings and nulls only, and some string."""
    import pyarrow as pa

    if isinstance(values, list):
        return str in (kinds := set(map(type, values))) and kinds <= {str, NoneType}
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    return kind in (pa.string(), pa.large_string(), pa.string_view())
