"""Markdown: the text is the file as it stands, so that spans hold in the source."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from veclab.documents.building import Outline
from veclab.documents.document import Block, Extracted, Metadata
from veclab.documents.plain import decode

if TYPE_CHECKING:
    from markdown_it.token import Token

_NEWLINE = re.compile(r"\r\n?|\n")
_FRONT = re.compile(r"---[ \t]*(?:\r\n?|\n)(.*?)(?:\r\n?|\n)---[ \t]*(?:\r\n?|\n|$)", re.DOTALL)
_FIELD = re.compile(r"([A-Za-z_][\w-]*):[ \t]+(\S.*)")
_KINDS = {"fence": "code", "code_block": "code", "table_open": "table"}


def read_markdown(data: bytes) -> Extracted:
    """Headings, paragraphs, lists, tables and code blocks; front matter becomes metadata."""
    from markdown_it import MarkdownIt

    text, notes = decode(data)
    front = _FRONT.match(text)
    metadata = _fields(front.group(1)) if front else {}
    body = front.end() if front else 0
    starts = [body, *(m.end() for m in _NEWLINE.finditer(text, body)), len(text)]
    outline, blocks, title = Outline(), [], str(metadata.get("title") or "")
    tokens = MarkdownIt("commonmark").enable("table").parse(text[body:])
    for token, following in zip_longest(tokens, tokens[1:]):
        if token.level or token.map is None or token.nesting < 0:
            continue
        start, end = _span(text, starts[token.map[0]], starts[token.map[1]])
        if token.type == "heading_open" and following is not None:
            words = _words(following)
            outline.enter(int(token.tag[1:]), words)
            title = title or words
        if start < end:
            kind = "heading" if token.type == "heading_open" else _KINDS.get(token.type, "text")
            blocks.append(Block(start, end, outline.path, kind))
    return Extracted(text, blocks, title, metadata=metadata, notes=notes)


def _words(inline: Token) -> str:
    """A heading without its mark-up."""
    return "".join(" " if t.type == "softbreak" else t.content for t in inline.children or ())


def _span(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start, start + len(part.rstrip())


def _fields(front: str) -> Metadata:
    """The fields of front matter that hold one plain value; others are not needed here."""
    found: dict[str, str] = {}
    for line in _NEWLINE.split(front):
        if match := _FIELD.fullmatch(line.rstrip()):
            name, value = match.groups()
            if value[0] == value[-1] and value[0] in "'\"" and len(value) > 1:
                value = value[1:-1]
            if value[0:1] not in ("[", "{", "|", ">", "&", "*", "!"):
                found[name] = value
    return found
