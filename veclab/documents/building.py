"""Building a text with its blocks: what most readers do between the file and `Extracted`."""

from __future__ import annotations

from veclab.documents.document import Block

_GAP = "\n\n"


class Outline:
    """The headings in force at a point of a document."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    @property
    def path(self) -> tuple[str, ...]:
        """From the outermost heading to the innermost."""
        return tuple(title for _, title in self._open)

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Begin a section, ending those of its level and below; returns the new path."""
        self.leave(level)
        self._open.append((level, " ".join(title.split())))
        return self.path

    def leave(self, level: int) -> None:
        """End the sections of a level and below."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()


class Builder:
    """Collects a document block by block, with an empty line between two."""

    def __init__(self) -> None:
        self.outline = Outline()
        self.blocks: list[Block] = []
        self.length = 0
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._parts)

    def heading(self, level: int, text: str, anchor: str = "") -> None:
        """Add a heading, which what follows stands under; nothing where it has no words."""
        if text.strip():
            self.outline.enter(level, text)
            self.add(text, "heading", anchor)

    def add(self, text: str, kind: str = "text", anchor: str = "") -> None:
        """Add a block; nothing where it has no words. Empty lines around it are taken off."""
        text = text.strip() if kind != "code" else text.strip("\r\n").rstrip()
        if not text.strip():
            return
        if self._parts:
            self._parts.append(_GAP)
            self.length += len(_GAP)
        start, self.length = self.length, self.length + len(text)
        self._parts.append(text)
        self.blocks.append(Block(start, self.length, self.outline.path, kind, anchor))
