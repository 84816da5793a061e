"""Source code: the text is the file as it stands; its functions and classes are its structure.

They are found by how their lines begin and are indented, so that no grammars are needed: enough to
cut between functions rather than in them, and to say in which one a passage stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from veclab.documents.document import Block, Extracted
from veclab.documents.limits import Unreadable
from veclab.documents.plain import decode

_WORDS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|unsafe"
    r"|pub(?:\([\w ]+\))?|extern|inline|virtual|override|sealed|partial|data|open|constexpr)\s+)*"
    r"(?:def|class|function\*?|func|fn|sub|struct|enum|trait|impl|interface|module|namespace"
    r"|object|record|protocol|extension|type|package)(?:<[^>]*>)?\s+"
)
_KEYWORD = re.compile(rf"[ \t]*{_WORDS}(?:\([^)]*\)\s*)?([\w$.:]*\w)")
# C and its kin name no keyword: a line that begins a function there has a type, a name and a `(`,
# stands at the margin and ends with no semicolon.
_C_LIKE = re.compile(
    r"(?!(?:return|else|case|throw|new|goto)\b)[A-Za-z_][\w:<>,*&\s~]*?[\s*&]([\w:~]+)\s*\([^;]*$"
)
_SHELL = re.compile(r"([\w-]+)\s*\(\)\s*\{?\s*$")
_NOT_NAMES = {"if", "for", "while", "switch", "return", "else", "catch", "sizeof"}
_GENERATED = 400  # characters a line, on average
_LEADING = re.compile(r"[ \t]*(?:#|//|/\*|\*|@|--|;|\[|///|\"\"\")")


def read_code(data: bytes) -> Extracted:
    """Functions, classes and the like as blocks, each with the comments right above it."""
    text, notes = decode(data)
    if len(text) > _GENERATED * (text.count("\n") + 1) and len(text) > 10_000:
        raise Unreadable("it is minified: nobody reads it as it stands")
    starts = _declarations(text)
    edges = [0, *(start for start, _ in starts), len(text)]
    paths = [(), *(path for _, path in starts)]
    blocks = []
    for path, first, last in zip(paths, edges, edges[1:], strict=False):
        part = text[first:last]
        lead = len(part) - len(part.lstrip("\r\n"))
        if part.strip():
            blocks.append(Block(first + lead, first + len(part.rstrip()), path, "code"))
    return Extracted(text, blocks, notes=notes)


def _declarations(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Where each function or class begins, and the path of names down to it."""
    found: list[tuple[int, tuple[str, ...]]] = []
    open_: list[tuple[int, str]] = []
    above: int | None = None  # where the comments and decorators before this line begin
    for start, line in _lines(text):
        name = _name(line)
        if name:
            indent = len(line) - len(line.lstrip())
            while open_ and open_[-1][0] >= indent:
                open_.pop()
            open_.append((indent, name))
            begins = start if above is None else above
            found.append((begins, tuple(name for _, name in open_)))
            above = None
        elif _LEADING.match(line):
            above = start if above is None else above
        else:
            above = None
    return found


def _name(line: str) -> str | None:
    for pattern in (_KEYWORD, _C_LIKE, _SHELL):
        match = pattern.match(line)
        if match and match.group(1) not in _NOT_NAMES and not line.lstrip().startswith("//"):
            return match.group(1)
    return None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, line.rstrip("\r\n")[:500]  # patterns need not see the lines of minified code
        start += len(line)
