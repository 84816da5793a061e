"""Reading files of word vectors: the text and binary formats of GloVe, word2vec and fastText.

- word2vec text, fastText `.vec`: a line `number dimensions`, then `word x1 x2 ...` a line.
- GloVe text: the same without the first line.
- word2vec binary: a line `number dimensions`, then each word, a space, float32 numbers.

Each may be compressed by gzip. The kind is told by the contents, not by the name. Files that hold
a pickle, which could run code, are refused.

Why not gensim's KeyedVectors: it must be told the kind of a file, ends in a ValueError at a word
with a space in it, and names neither file nor line where one is damaged; it takes 2.3 times as long
on a text file (100,000 words of 50 numbers: 4.3 s to 1.9 s, same peak of memory) and 58 MB of disk.
"""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from veclab.errors import ModelUnavailable

FILE_SUFFIXES = (".vec", ".bin", ".txt", ".vec.gz", ".bin.gz", ".txt.gz")
_FASTTEXT = (793712314).to_bytes(4, "little")
_LINES = 10_000
# No format says how long a word may be; what is longer is no word but a damaged file. Nor how many
# dimensions there are: the first line may say anything.
_LONGEST_WORD = 10_000
_LONGEST_NUMBER = 64
_MOST_DIMENSIONS = 100_000
_MOST_DIGITS = 18
# gzip makes nothing more than this many times smaller.
_GZIP_RATIO = 1032
_CHUNK = 1 << 26  # bytes of text lines at most that are held at once

Words = tuple[list[str], NDArray[np.float32], list[str]]


def read_words(path: Path) -> Words:
    """Read words as they stand in the file, float32 (n, dim), and notes.

    Raises:
        ModelUnavailable: the file is missing, damaged, or of a kind that is not read.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            most = path.stat().st_size * (_GZIP_RATIO if packed else 1)
            return _read(path, file, most)
    except FileNotFoundError:
        raise ModelUnavailable(f"there is no file of word vectors {str(path)!r}") from None
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise ModelUnavailable(f"the word vectors {path} cannot be read: {error}") from error


def _read(path: Path, file: BinaryIO, most: int) -> Words:
    """Read a file that holds at most `most` bytes."""
    first = file.readline(1 << 20)
    _refuse_others(path, first)
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        if max(map(len, fields)) > _MOST_DIGITS:
            raise ModelUnavailable(f"{path} is damaged: its first line promises {first[:40]!r}…")
        count, dimensions = int(fields[0]), int(fields[1])
        if not count or not dimensions:
            raise ModelUnavailable(f"{path} holds no word vectors")
        # In text a number takes two bytes or more, in binary four; so does each word two.
        if dimensions > _MOST_DIMENSIONS or count * (2 * dimensions + 2) > most + 2:
            raise ModelUnavailable(
                f"{path} is damaged: its first line promises {count:,} words of {dimensions:,} "
                "numbers, more than the file can hold"
            )
        start = file.tell()
        second = file.readline(1 << 20)
        file.seek(start)
        if _is_line(second, dimensions):
            return _read_text(path, file, dimensions, count, 2)
        if count * 4 * dimensions > most:
            raise ModelUnavailable(
                f"{path} is damaged: its first line promises {count:,} words of {dimensions:,} "
                "numbers, more than the file can hold; it was perhaps downloaded only in part"
            )
        return _read_binary(path, file, dimensions, count)
    file.seek(0)
    dimensions = len(fields) - 1
    if not 2 <= dimensions <= _MOST_DIMENSIONS or not _is_line(first, dimensions):
        raise ModelUnavailable(
            f"{path} is not a file of word vectors: neither text (a word and numbers a line, as "
            "GloVe, word2vec and fastText write it) nor word2vec binary"
        )
    return _read_text(path, file, dimensions, None, 1)


def _refuse_others(path: Path, first: bytes) -> None:
    if first.startswith(_FASTTEXT):
        raise ModelUnavailable(
            f"{path} is a fastText model with its subwords, which veclab does not read; give the "
            "text file of its word vectors (.vec) that comes with it"
        )
    if first.startswith(b"\x80"):
        raise ModelUnavailable(
            f"{path} is a pickle, which could run code when it is read. Where you trust it, write "
            "the vectors out with gensim: vectors.save_word2vec_format('vectors.bin', binary=True)"
        )
    if first.startswith(b"PK"):
        raise ModelUnavailable(f"{path} is a ZIP archive; unpack it and give the file inside")


def _is_line(line: bytes, dimensions: int) -> bool:
    """Return whether a line is a word and that many numbers."""
    fields = line.rstrip().rsplit(b" ", dimensions)
    if len(fields) != dimensions + 1:
        return False
    try:
        fields[0].decode()
        [float(field) for field in fields[1:]]
    except ValueError:
        return False
    return True


def _read_text(path: Path, file: BinaryIO, dimensions: int, count: int | None, line: int) -> Words:
    words: list[str] = []
    parts: list[NDArray[np.float32]] = []
    longest = _LONGEST_WORD + _LONGEST_NUMBER * dimensions
    lines = _lines(path, file, longest, line)
    while chunk := list(islice(lines, max(1, min(_LINES, _CHUNK // longest)))):
        split = [text.rstrip().rsplit(b" ", dimensions) for text in chunk]
        numbers = [fields[1:] for fields in split]
        parts.append(_numbers(path, numbers, dimensions, line))
        words += [fields[0].decode("utf-8", "replace") for fields in split]
        line += len(chunk)
    if count is not None and len(words) != count:
        raise ModelUnavailable(
            f"{path} is damaged: its first line promises {count:,} words, {len(words):,} are "
            "there; it was perhaps downloaded only in part"
        )
    return words, np.concatenate(parts), _notes(path, words)


def _lines(path: Path, file: BinaryIO, longest: int, number: int) -> Iterator[bytes]:
    """Yield the lines of a file; one without an end must not fill the memory."""
    for place, line in enumerate(iter(lambda: file.readline(longest + 1), b""), number):
        if len(line) > longest:
            raise ModelUnavailable(
                f"{path}, line {place:,}: longer than {longest:,} bytes, which no word and its "
                "numbers are; is this a file of word vectors?"
            )
        yield line


def _numbers(
    path: Path, rows: list[list[bytes]], dimensions: int, line: int
) -> NDArray[np.float32]:
    """Parse a chunk at once; on failure find the line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy tells of what is no number
        try:
            joined = b" ".join(b" ".join(row) for row in rows)
            values = np.fromstring(joined.decode("ascii"), dtype=np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            values = np.zeros(0, dtype=np.float32)
    if values.size == len(rows) * dimensions and all(len(row) == dimensions for row in rows):
        return values.reshape(-1, dimensions)
    for place, row in enumerate(rows, start=line):
        if not _is_line(b" ".join([b"word", *row]), dimensions):
            raise ModelUnavailable(
                f"{path}, line {place:,}: a word and {dimensions} numbers were expected, not "
                f"{b' '.join(row)[:40]!r}"
            )
    raise ModelUnavailable(f"{path} is damaged near line {line:,}")


def _read_binary(path: Path, file: BinaryIO, dimensions: int, count: int) -> Words:
    size = 4 * dimensions
    words: list[str] = []
    array = np.empty((count, dimensions), dtype=np.float32)  # not touched before it is filled
    rest, place = b"", 0
    for row in range(count):
        end = rest.find(b" ", place)
        while end < 0 or len(rest) < end + 1 + size:
            more = file.read(1 << 22)
            if not more or (end < 0 and len(rest) - place > _LONGEST_WORD):
                raise ModelUnavailable(
                    f"{path} is damaged or no word2vec file: {count:,} words of {dimensions} "
                    f"numbers were promised, and it breaks off after {row:,}"
                )
            rest, place = rest[place:] + more, 0
            end = rest.find(b" ", place)
        # Some writers put a line feed behind each vector.
        words.append(rest[place:end].lstrip(b"\n").decode("utf-8", "replace"))
        array[row] = np.frombuffer(rest, dtype="<f4", count=dimensions, offset=end + 1)
        place = end + 1 + size
    return words, array, _notes(path, words)


def _notes(path: Path, words: list[str]) -> list[str]:
    broken = sum("\ufffd" in word for word in words)
    return [f"{path.name}: {broken:,} words are not whole UTF-8"] if broken else []
