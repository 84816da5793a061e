"""The records of a .json file: a JSON array of them, or one object after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from veclab.corpus.columns import KINDS
from veclab.errors import InputError

if TYPE_CHECKING:
    from veclab.corpus.file import File

# Characters of one record, which is in memory whole.
MAX_RECORD = 1 << 28
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
# An error this near to the end of what was read may come from its being cut there.
_NEAR_END = 64


class _Reader:
    """Takes JSON values off the front of a file that is read piece by piece."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.text = ""
        self.at = 0
        self.line = 1
        self._pieces = file.pieces()

    def _more(self) -> bool:
        """Read on until there is twice as much; False at the end of the file."""
        rest = self.text[self.at :]
        pieces, length = [rest], 0
        for piece in self._pieces:
            pieces.append(piece)
            length += len(piece)
            if length >= len(rest):
                break
        if length:
            self.text, self.at = "".join(pieces), 0
        return length > 0

    def take(self, end: int) -> str:
        """Go on to `end`; return what was passed."""
        passed = self.text[self.at : end]
        self.line += passed.count("\n")
        self.at = end
        return passed

    def peek(self) -> str:
        """Return the next character that is not white space; "" at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.take(match.end() if match else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def value(self) -> tuple[Any, str]:
        """Return the next value and the text of it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                return value, self.take(end)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or (
                    error.pos >= len(self.text) - _NEAR_END
                )
                long = len(self.text) - self.at > MAX_RECORD
                if long or not cut or not self._more():
                    raise self.refusal(error, long) from error
            except (ValueError, RecursionError) as error:  # an endless number; endless nesting
                raise InputError(
                    f"{self.file.where(self.line)}: cannot be read as JSON: {error}"
                ) from error

    def refusal(self, error: json.JSONDecodeError, long: bool) -> InputError:
        """Return the error for a value that is not JSON, or has no end."""
        line = self.line + self.text.count("\n", self.at, error.pos)
        if long:
            return InputError(
                f"{self.file.where(self.line)}: a record of more than {MAX_RECORD >> 20} million "
                "characters; is a quote never closed?"
            )
        return InputError(f"{self.file.where(line)}: not valid JSON: {error.msg}")


def json_records(file: File) -> Iterator[tuple[int, int, tuple[dict[str, Any], str]]]:
    """Yield (line, characters, (record, its text)); a string is a record with a `text`.

    Raises:
        InputError: it is not JSON, or a value is neither an object nor a string.
    """
    reader = _Reader(file)
    if reader.peek() == "[":
        reader.take(reader.at + 1)
        yield from _array(file, reader)
        return
    first = True
    while reader.peek():
        line = reader.line
        value, text = reader.value()
        if first and isinstance(value, dict) and not reader.peek():
            _refuse_one(file, value)
        first = False
        yield line, len(text), (_record(file, line, value), text)


def _array(file: File, reader: _Reader) -> Iterator[tuple[int, int, tuple[dict[str, Any], str]]]:
    if reader.peek() != "]":
        while True:
            reader.peek()
            line = reader.line
            value, text = reader.value()
            yield line, len(text), (_record(file, line, value), text)
            if reader.peek() != ",":
                break
            reader.take(reader.at + 1)
    if (end := reader.peek()) != "]":
        found = repr(end) if end else "the end of the file"
        raise InputError(
            f"{file.where(reader.line)}: not valid JSON: {found} where a comma or ] must follow "
            "(is the file cut short?)"
        )
    reader.take(reader.at + 1)
    if rest := reader.peek():
        raise InputError(
            f"{file.where(reader.line)}: {rest!r} follows the array, which must be all of the file"
        )


def _record(file: File, line: int, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise InputError(
            f"{file.where(line)}: holds {KINDS[type(value)]}; a record is an object or a string"
        )
    return value


def _refuse_one(file: File, value: dict[str, Any]) -> None:
    """Raise for a file that is one object around the records."""
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(i, dict) for i in inner):
            path = f".{name}" if name.isidentifier() else f"[{json.dumps(name)}]"
            raise InputError(
                f"{file.name} is one object, and its records are in {name!r}; take them out first: "
                f"jq -c '{path}[]' {file.name} > records.jsonl"
            )
    if value and all(isinstance(inner, dict) for inner in value.values()):
        raise InputError(
            f"{file.name} is one object whose columns are objects, as pandas writes it; write the "
            "records instead: to_json(..., orient='records')"
        )
