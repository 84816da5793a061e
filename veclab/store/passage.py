"""Passage: a stretch of a document as the store holds it.  Hit: a passage that a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veclab.documents.document import Box


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document.

    Attributes:
        id: unique in the store.
        document: which document it belongs to: the user's id, or the path below the folder.
        text: what is shown, searched for words and quoted.
        file: absolute path of the file it came from; None where there is no file.
        page: number of the page on which it begins, from 1; None where there are no pages.
        heading: the headings above it, outermost first.
        anchor: what leads there in the file after a `#`; None where the file has no such mark.
        start, end: characters [start, end) of the document's text; None where not known.
        boxes: where it stands on its pages; empty where not known.
        fields: the user's own fields (name -> string, number, boolean, date or None).
    """

    id: str
    document: str
    text: str
    file: str | None = None
    page: int | None = None
    heading: tuple[str, ...] = ()
    anchor: str | None = None
    start: int | None = None
    end: int | None = None
    boxes: tuple[Box, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON but for what the user's own fields hold."""
        plain = asdict(self)
        return plain | {
            "last_page": self.last_page,
            "heading": list(self.heading),
            "boxes": [list(box) for box in self.boxes],
            "fields": dict(self.fields),
        }

    @property
    def last_page(self) -> int | None:
        """Number of the page on which it ends; None where there are no pages."""
        return max((int(box.page) for box in self.boxes), default=self.page)

    @property
    def place(self) -> str:
        """Where it is, for people: document, page and headings."""
        first, last = self.page, self.last_page
        pages = f"p. {first}" if first == last else f"pp. {first}–{last}"
        page = None if first is None else pages
        return " › ".join(part for part in (self.document, page, *self.heading) if part)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage and why it was found.

    Attributes:
        passage: what was found.
        score: what the results are ordered by; of what kind, the search's mode says.
        vector: cosine similarity with the query (inner product, where vectors have no unit
            length); None where vectors were not asked.
        keyword: BM25; None where keywords were not asked or none of them is in the passage.
        rerank: what a cross-encoder said; None where none was asked.
    """

    passage: Passage
    score: float
    vector: float | None = None
    keyword: float | None = None
    rerank: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON but for what the user's own fields hold."""
        return {
            "score": self.score,
            "vector": self.vector,
            "keyword": self.keyword,
            "rerank": self.rerank,
            **self.passage.to_dict(),
        }
