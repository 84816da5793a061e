"""Which files are shards, and what the output of each is called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from veclab.cluster.places import SCHEMES, Entry, Place, open_place
from veclab.errors import InputError

# A .txt in a folder is a document rather than a shard of one text a line: a glob can name it.
SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
MANIFEST = "_veclab.json"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Shard:
    """An input, and the name of its output."""

    input: Entry
    output: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """The shards of an input.

    Attributes:
        place: where they lie.
        shards: sorted by name.
        others: names of files there that are none.
    """

    place: Place
    shards: list[Shard]
    others: list[str]


def is_many(given: str) -> bool:
    """Return whether an input names shards: an address of a bucket, a glob, or a folder of them."""
    if given.startswith(SCHEMES):
        return True
    path = Path(given)
    if path.is_dir():
        names = [p.name for p in path.rglob("*") if p.is_file()]
        return any(map(_is_shard, names)) and not any(n.endswith((".md", ".txt")) for n in names)
    return _WILD.search(given) is not None and not path.exists()


def find_shards(given: str | Sequence[str], output: Place, format: str | None = None) -> Inputs:
    """Find the shards of a folder, a glob (`**` for folders at any depth) or one file.

    Args:
        given: a path or an address like s3://bucket/folder; or several files.
        output: where vectors go; what lies there is no input.
        format: of all of them, whatever they are called.

    Raises:
        InputError: there are none, or the outputs of two would have one name.
        StorageRefused: the place cannot be read.
    """
    root, pattern = _parts(given) if isinstance(given, str) else _common(given)
    place = open_place(root)
    if place.address == output.address:
        raise InputError(f"{given}: vectors cannot go where the texts lie; give another folder")
    entries = [e for e in place.entries() if not _lies_in(place, e, output)]
    visible = [e for e in entries if not any(w[0] in "._" for w in e.name.split("/"))]
    if pattern is not None:
        matching = re.compile(pattern)
        visible = [e for e in visible if matching.fullmatch(e.name)]
    named = format is not None or (pattern is not None and not pattern.endswith("[^/]*"))
    taken = [e for e in visible if named or _is_shard(e.name)]
    others = [e.name for e in visible if not (named or _is_shard(e.name))]
    if not taken:
        there = f"; there are {len(others)} other files, such as {others[0]}" if others else ""
        raise InputError(f"{given} holds no shards ({', '.join(SUFFIXES)}, also as .gz){there}")
    shards = [Shard(entry, output_name(entry.name)) for entry in taken]
    seen: dict[str, Shard] = {}
    for shard in shards:
        if (first := seen.setdefault(shard.output, shard)) is not shard:
            raise InputError(
                f"{first.input.name} and {shard.input.name} would both become {shard.output}: "
                "name those to take with a glob, such as 'folder/*.jsonl'"
            )
    return Inputs(place, shards, others)


def output_name(name: str) -> str:
    """Return what the vectors of a shard are called: the same, ending in .parquet."""
    path = PurePosixPath(name)
    plain = path.name.removesuffix(".gz")
    stem = PurePosixPath(plain).stem if PurePosixPath(plain).suffix else plain
    return str(path.with_name(f"{stem}.parquet"))


def _is_shard(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _parts(given: str) -> tuple[str, str | None]:
    """Return the folder that all shards lie in, and which names below it, as an expression."""
    if not given.startswith(SCHEMES):
        path = Path(given).expanduser()
        if path.is_dir():
            return str(path), None
        if path.exists():
            return str(path.parent), re.escape(path.name)
        if _WILD.search(given) is None:
            raise InputError(f"{given} does not exist")
        given = path.as_posix()
    words = given.split("/")
    first = next((i for i, word in enumerate(words) if _WILD.search(word)), None)
    if first is None:
        last = words[-1]
        if given.startswith(SCHEMES) and len(words) > 3 and _is_shard(last):
            return "/".join(words[:-1]), re.escape(last)
        return given, None
    root = "/".join(words[:first]) or ("/" if given.startswith("/") else ".")
    return root, _as_regex("/".join(words[first:]))


def _common(given: Sequence[str]) -> tuple[str, str]:
    """Return the folder that several files lie in, and their names below it."""
    for name in given:
        if not Path(name).is_file():
            raise InputError(f"{name} is no file: shards are files, or one folder, glob or address")
    paths = [Path(name).absolute() for name in given]
    root = os.path.commonpath([path.parent for path in paths])
    return root, "|".join(re.escape(path.relative_to(root).as_posix()) for path in paths)


def _as_regex(pattern: str) -> str:
    """Return the regular expression of a glob; `*` stays within a folder, `**/` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(part)
        or (re.sub(r"^\[!", "[^", part) if re.fullmatch(r"\[!?[^]]+\]", part) else re.escape(part))
        for part in parts
        if part
    )


def _lies_in(place: Place, entry: Entry, output: Place) -> bool:
    return f"{place.address}/{entry.name}".startswith(f"{output.address}/")
