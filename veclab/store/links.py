"""Links to where a passage stands, which a terminal or a browser opens."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from veclab.store.passage import Passage


def link(passage: Passage) -> str | None:
    """A `file:` address of the passage's page or section; None where it came from no file."""
    if passage.file is None:
        return None
    address = "file://" + quote(str(Path(passage.file).absolute()))
    if passage.anchor:
        return f"{address}#{quote(passage.anchor)}"
    return address if passage.page is None else f"{address}#page={passage.page}"
