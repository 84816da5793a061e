"""Word vectors of a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def write_words(path: Path, table: Mapping[str, Sequence[float]]) -> Path:
    """A file of word vectors in the text format of word2vec."""
    dimensions = len(next(iter(table.values())))
    lines = [f"{len(table)} {dimensions}"]
    lines += [" ".join([word, *map(str, row)]) for word, row in table.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
