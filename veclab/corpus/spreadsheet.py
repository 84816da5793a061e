"""Rows of a sheet of Excel's (.xlsx, .xls, .xlsb) or OpenDocument's (.ods)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError, MissingExtra, first_line

if TYPE_CHECKING:
    from veclab.corpus.file import File


def sheet_of(file: File) -> tuple[str, list[str]]:
    """Return the sheet that is read, and the names of all.

    Raises:
        InputError: the file is damaged or protected, or has no sheet of that name.
    """
    with _opened(file) as book:
        names = list(book.sheet_names)
    if file.sheet is not None and file.sheet not in names:
        raise InputError(f"{file.name} has no sheet {file.sheet!r}; there are {names}")
    if not names:
        raise InputError(f"{file.name} has no sheet")
    return file.sheet or names[0], names


def sheet_rows(file: File) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row, values) of each row in which there is something, the first row being 1.

    An empty cell is None, a whole number an int, a date its ISO form. The sheet is in memory
    whole; it has at most 1,048,576 rows.
    """
    name, _ = sheet_of(file)
    with _opened(file) as book:
        for number, row in enumerate(book.get_sheet_by_name(name).iter_rows(), 1):
            values = [_plain(value) for value in row]
            if any(value is not None for value in values):
                yield number, values


class _opened:
    """The workbook, for `with`; errors of the library become one line of InputError."""

    def __init__(self, file: File) -> None:
        if find_spec("python_calamine") is None:
            raise MissingExtra("excel", f"reading {file.name}")
        self._file = file

    def __enter__(self) -> Any:
        from python_calamine import CalamineError, CalamineWorkbook

        try:
            return CalamineWorkbook.from_path(str(self._file.path))
        except (CalamineError, OSError) as error:
            raise self._refusal(error) from error

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from python_calamine import CalamineError

        if isinstance(error, CalamineError):
            raise self._refusal(error) from error

    def _refusal(self, error: BaseException) -> InputError:
        return InputError(
            f"{self._file.name} is damaged, protected by a password or no spreadsheet: "
            f"{first_line(error)}"
        )


def _plain(value: Any) -> Any:
    if value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    return value
