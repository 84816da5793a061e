"""What each column of an input is for: the text, the id, nobody's, or the caller's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any

from veclab.corpus.columns import KINDS, without_half_pairs
from veclab.corpus.file import Chunk, File
from veclab.errors import InputError
from veclab.vectorfiles.joined import BLANK_LINE, join_texts, named_columns
from veclab.vectorfiles.schema import OWN_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

RECORD_NUMBERS = "#"  # as `id_column`: number the records although there is an id column


@dataclass(frozen=True)
class Records:
    """A run of n consecutive records, its columns by what they are for."""

    lines: Sequence[int]  # (n,) 1-based, where each record starts
    ids: list[str]  # (n,)
    texts: list[str | None]  # (n,) None where there is null or no value
    own: Mapping[str, Any]  # the caller's own columns: lists of Python values, or Arrow arrays
    names: Sequence[str]  # of all columns
    schema: pa.Schema | None  # Parquet only
    left_out: tuple[str, ...]  # results of an earlier run, to be made anew
    altered: Sequence[str]  # columns in which half surrogate pairs became U+FFFD
    file: File  # that they are from

    def where(self, index: int) -> str:
        """Return how a complaint names one of them."""
        return self.file.where(self.lines[index])


@dataclass(frozen=True)
class Roles:
    """Which columns are the text, the id and nobody's; the rest is the caller's own."""

    file: File
    texts: tuple[str, ...]  # one, or several that are joined in this order
    join: str
    id: str | None
    drop: frozenset[str]
    guessed: bool  # the text column was taken because it was the only one of strings

    @property
    def named(self) -> list[str | None]:
        """The columns that must be somewhere in the file."""
        return [*self.texts, self.id, *sorted(self.drop)]

    @property
    def taken(self) -> frozenset[str | None]:
        """The columns that are not the caller's own.

        One that is joined with others stays, except where it has the name of the whole.
        """
        texts = self.texts if len(self.texts) == 1 else set(self.texts) & set(OWN_COLUMNS)
        return self.drop.union(texts, [self.id])

    def read(self, size: int, max_chars: int) -> Iterator[Records]:
        """Yield the records of the file from the start, a chunk at a time; raises `InputError`."""
        before = 0
        for chunk in self.file.chunks(size, max_chars):
            yield self.records(chunk, before)
            before += len(chunk.lines)

    def records(self, chunk: Chunk, before: int) -> Records:
        """Return a chunk's records, given how many came before.

        Raises `InputError` at a text that is neither a string nor null, or an id that is neither a
        string nor an integer.
        """
        columns = dict(chunk.columns)
        if chunk.member is not None and not chunk.member.open_ended:
            # Else a file without the column would be taken for one of empty texts.
            self.require([*self.texts, self.id], [*columns, *chunk.left_out], chunk.member)
        altered: list[str] = []
        if chunk.half_pairs:  # fit for Arrow; in texts they are repaired later, and reported
            texts = set(self.texts) if len(self.texts) == 1 else set()
            for name in columns.keys() - texts - self.drop:
                columns[name] = without_half_pairs(chunk.columns[name])
                if columns[name] != chunk.columns[name]:
                    altered.append(name)
        own = {name: values for name, values in columns.items() if name not in self.taken}
        for name in (name for name in own if name in OWN_COLUMNS):
            # A misspelled --column is the likelier mistake.
            self.require(self.named, [*columns, *chunk.left_out])
            raise InputError(
                f"{self.file.name}: column {name!r} has the name of a column of the output; "
                f"rename it, or leave it out with --drop {name}"
            )
        return Records(
            lines=chunk.lines,
            ids=self._ids(chunk, columns, before),
            texts=self._texts(chunk),
            own=own,
            names=list(columns),
            schema=chunk.schema,
            left_out=chunk.left_out,
            altered=altered,
            file=chunk.member or self.file,
        )

    def confirm(self, names: Sequence[str], *, other_strings: bool) -> None:
        """Raise `InputError` if the whole file does not bear out what its beginning said.

        Args:
            names: of all columns there are.
            other_strings: whether another column than the texts' holds strings.
        """
        self.require(self.named, names)
        if self.guessed and other_strings:
            raise which_column(self.file.name, names)

    def require(
        self, wanted: Iterable[str | None], there: Sequence[str], file: File | None = None
    ) -> None:
        """Raise `InputError` for a column that is not there."""
        for name in wanted:
            if name is not None and name not in there:
                near = difflib.get_close_matches(name, there, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                where = (file or self.file).name
                raise InputError(f"{where} has no column {name!r}; {hint}There are {listed(there)}")

    def _texts(self, chunk: Chunk) -> list[str | None]:
        parts = []
        for name in self.texts:
            texts: list[str | None] = _values(chunk, chunk.columns, name)
            if (chunk.member or self.file).format == "sheet":
                # A cell of figures among cells of words is text to whoever wrote it.
                cells: list[Any] = texts
                texts = [str(cell) if type(cell) in (int, float) else cell for cell in cells]
            if not set(map(type, texts)) <= {str, NoneType}:
                self._refuse(chunk, name, texts, (str, NoneType), "a text")
            parts.append(texts)
        if len(parts) == 1:
            return parts[0]
        return [join_texts(values, self.join) for values in zip(*parts, strict=True)]

    def _ids(self, chunk: Chunk, columns: Mapping[str, Any], before: int) -> list[str]:
        if self.id is None:
            first, prefix = before + 1, ""
            if chunk.member is not None:
                first, prefix = chunk.before + 1, f"{chunk.member.name}:"
            return [f"{prefix}{n}" for n in range(first, first + len(chunk.lines))]
        values = _values(chunk, columns, self.id)
        if not set(map(type, values)) <= {str, int}:
            self._refuse(chunk, self.id, values, (str, int), "an id (a string or an integer)")
        return list(map(str, values))

    def _refuse(
        self, chunk: Chunk, name: str, values: list[Any], kinds: tuple[type, ...], wanted: str
    ) -> None:
        file = chunk.member or self.file
        for line, value in zip(chunk.lines, values, strict=True):
            if type(value) not in kinds:
                kind = KINDS.get(type(value), f"a {type(value).__name__}")
                raise InputError(f"{file.where(line)}: column {name!r} holds {kind}, not {wanted}")


def _values(chunk: Chunk, columns: Mapping[str, Any], name: str) -> list[Any]:
    values = columns.get(name)
    if values is None:
        return [None] * len(chunk.lines)
    return values if isinstance(values, list) else values.to_pylist()


def settle_roles(
    file: File,
    first: Chunk,
    column: str | Sequence[str] | None,
    id_column: str | None,
    drop: Sequence[str],
    join: str | None = None,
) -> Roles:
    """Decide by the first chunk; `veclab.corpus.scan` checks that the rest of the file agrees.

    Raises `InputError` where the columns do not say which is the text, or one that the caller
    named is not there.
    """
    names = [name for name in first.columns if name not in drop]
    texts = named_columns(column)
    if join is not None and len(texts) < 2:
        raise InputError("several columns can be joined, and not one: leave join (--join) out")
    for name in {*texts, id_column} & set(drop):
        raise InputError(f"column {name!r} is both to be used and to be dropped")
    if id_column is None:
        id_column = next((n for n in ("id", "_id") if n in names and n not in texts), None)
    elif id_column == RECORD_NUMBERS:
        id_column = None
    if id_column in texts:
        raise InputError(f"column {id_column!r} cannot be both the text and the id")
    guessed = False
    if not texts and "text" in names and id_column != "text":
        texts = ("text",)
    elif not texts:
        candidates = [n for n in names if n != id_column and _is_text(first.columns[n])]
        if len(candidates) != 1:
            raise which_column(file.name, names)
        texts, guessed = (candidates[0],), True
    joined = BLANK_LINE if join is None else join
    roles = Roles(file, texts, joined, id_column, frozenset(drop), guessed)
    # Where columns may come later, the id still must be in every record.
    roles.require(
        {id_column} if file.open_ended else roles.named, [*first.columns, *first.left_out]
    )
    return roles


def which_column(name: str, names: Iterable[str]) -> InputError:
    """Return the error for an input whose text column the caller must name."""
    return InputError(
        f"{name}: which column holds the texts? Choose one with --column NAME: {listed(names)}. "
        "Given several times, the columns are joined. "
        "(A .csv or .tsv without column names: --no-header)"
    )


def listed(names: Iterable[str], limit: int = 30) -> str:
    """Return the names for a message, not endlessly many."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(repr, names[:limit])) + more


def _is_text(values: Any) -> bool:
    """Return whether a column holds strings and nulls only, and some string."""
    import pyarrow as pa

    if isinstance(values, list):
        return str in (kinds := set(map(type, values))) and kinds <= {str, NoneType}
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    return kind in (pa.string(), pa.large_string(), pa.string_view())
