"""Map: vectors laid out in two dimensions, what was kept of them, and how to write that down."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.atomic import atomic
from veclab.errors import InputError
from veclab.maps import columns
from veclab.maps.columns import Column
from veclab.maps.labels import Label
from veclab.maps.neighbors import Neighbors
from veclab.maps.page import Layer, Page
from veclab.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".html", ".png", ".svg", ".parquet")
# A page larger than this makes a notebook too heavy to open.
_MOST_IN_NOTEBOOK = 20_000_000
_FEW_LEVELS = 100


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Map:
    """n vectors, where they lie, and how far that is to be believed.

    Attributes:
        vectors: what was laid out, with ids, texts and columns.
        xy: float32 (n, 2).
        neighbors: the true nearest 15 of each, by cosine in the full space.
        kept: float32 (n,), of each the share of its true neighbors that are its neighbors on the
            map.
        honesty: `kept` (the mean), `trustworthiness`, `k`, `rows`, `exact`.
        labels: words at places.
        regions: for each the name of the dense region it lies in, None outside of the large ones.
        facts: (label, value) lines of where the map comes from.
        title: of the page and the picture.
        overlaid: rows at the end that were put into the finished map.
        sources: names of the first file and of the overlaid one.
    """

    vectors: Vectors
    xy: NDArray[np.float32]
    neighbors: Neighbors
    kept: NDArray[np.float32]
    honesty: dict[str, Any]
    labels: Sequence[Label]
    regions: Sequence[str | None]
    facts: Sequence[tuple[str, str]]
    title: str
    overlaid: int = 0
    sources: tuple[str, str] = ("map", "overlay")
    _live: list[Any] = field(default_factory=list)  # the widget shown last, if any

    def __len__(self) -> int:
        return len(self.xy)

    def __repr__(self) -> str:
        kept = self.honesty["kept"]
        said = "" if kept is None else f", {kept:.0%} of neighbors kept"
        return f"<Map of {len(self):,} vectors, {self.vectors.space}{said}>"

    def save(self, path: str | Path, color: str | None = None, *, neighbors: bool = False) -> Path:
        """Write the map: `.html` (interactive), `.png`, `.svg` or `.parquet` (x and y).

        Args:
            path: its ending tells the format.
            color: a column to color by.
            neighbors: of a `.parquet`: see `to_table`.

        Raises:
            InputError: the ending or the column is unknown.
            OutputError: the file cannot be written.
            MissingExtra: for pictures, the extra `plot` is not installed.
        """
        path = Path(path)
        check_format(path)
        if color is not None:
            self.column(color)
        if path.suffix == ".html":
            page = self.page(color)
            with (
                atomic(path) as temporary,
                temporary.open("w", encoding="utf-8", newline="") as out,
            ):
                out.writelines(page.write())
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            with atomic(path) as temporary:
                pq.write_table(self.to_table(neighbors), temporary, compression="zstd")
        else:
            self.picture(color).write(path)
        return path

    def columns(self, color: str | None = None) -> list[Column]:
        """What points can be colored by: the caller's columns, then veclab's own."""
        vectors = self.vectors
        made: list[Column] = []
        if vectors.columns is not None:
            made += columns.of_table(vectors.columns, color)
        taken = {column.name for column in made}

        def name(wanted: str) -> str:
            return wanted if wanted not in taken else f"{wanted} (veclab)"

        if self.overlaid:
            base = len(self) - self.overlaid
            sources = [self.sources[0]] * base + [self.sources[1]] * self.overlaid
            made.append(columns.category(name("file"), sources, "source"))
        made.append(columns.category(name("region"), self.regions, "cluster"))
        made.append(columns.number(name("neighbors kept"), self.kept, "preservation", "share"))
        if vectors.texts is not None:
            lengths = np.array([len(text or "") for text in vectors.texts])
            made.append(columns.number(name("characters"), lengths, "length", "integer"))
        if vectors.tokens is not None:
            made.append(columns.number(name("tokens"), vectors.tokens, "tokens", "integer"))
        if vectors.truncated is not None:
            cut = ["cut" if value else "whole" for value in vectors.truncated]
            made.append(columns.category(name("truncated"), cut, "truncated"))
        return made

    def column(self, name: str) -> Column:
        """One of the columns by name; raises InputError when there is none to color by."""
        found = [column for column in self.columns(name) if column.name == name]
        if not found:
            known = ", ".join(repr(c.name) for c in self.columns() if c.kind != "text")
            raise InputError(f"there is no column {name!r} to color by; available: {known}")
        if found[0].kind == "text":
            raise InputError(
                f"column {name!r} has more than 65,534 different values: too many to color by"
            )
        return found[0]

    def page(self, color: str | None = None) -> Page:
        """The map as an interactive page."""
        made = self.columns(color)
        overlay = None
        if self.overlaid:
            source = next(c for c in made if c.role == "source")
            overlay = {"column": source.name, "level": self.sources[1]}
        return Page(
            title=self.title,
            ids=self.vectors.ids,
            texts=self.vectors.texts,
            columns=made,
            layers=[self.layer()],
            color=color or first_color(made),
            overlay=overlay,
        )

    def layer(self) -> Layer:
        """The map as one of the projections a page shows."""
        return Layer(
            title=self.title,
            xy=self.xy,
            positions=self.neighbors.positions,
            scores=self.neighbors.scores,
            labels=self.labels,
            honesty=self.honesty,
            facts=self.facts,
        )

    def to_table(self, neighbors: bool = False) -> pa.Table:
        """Arrow table: id, x, y, text, neighbors_kept, region, and the caller's own columns.

        Args:
            neighbors: add the true neighbors as Embedding Atlas reads them: a struct of `ids`
                (row numbers) and `distances` (1 - cosine).
        """
        from veclab.maps.table import to_table

        return to_table(self, neighbors)

    def overlay(self, others: Vectors, names: tuple[str, str] = ("map", "overlay")) -> Map:
        """Put other vectors of the same Space into the map, each beside its nearest.

        Raises:
            SpaceMismatch: they come from another space.
        """
        from veclab.maps.overlay import lay_over

        return lay_over(self, others, names)

    def picture(self, color: str | None = None) -> Any:
        """The map as a matplotlib Figure."""
        from veclab.pictures import scatter

        made = self.columns(color)
        by = color or first_color(made)
        column = next((c for c in made if c.name == by), None)
        coloring: dict[str, Any] = {}
        if column is not None and column.kind == "category" and column.values is not None:
            names = ["(none)", *column.levels]
            coloring["groups"] = [names[int(i)] for i in column.values]
        elif column is not None and column.values is not None:
            coloring.update(values=column.values, value_name=column.name)
        kept = self.honesty["kept"]
        note = (
            None if kept is None else f"{kept:.0%} of the true {self.honesty['k']} neighbors kept"
        )
        method = next((value for label, value in self.facts if label == "method"), "")
        labels = [(label.x, label.y, label.text) for label in self.labels if label.zoom == 1]
        return scatter(
            self.xy[:, 0],
            self.xy[:, 1],
            labels=labels[:40],
            title=self.title,
            note="; ".join(filter(None, [method, note])),
            **coloring,
        )

    def widget(self) -> Any:
        """The page as a widget of a running notebook, whose selection is `selection` here.

        The map itself, as the last line of a cell, is the same page without the way back to
        Python; unlike a widget it stays in the saved notebook.

        Raises:
            MissingExtra: anywidget is not installed.
        """
        from veclab.maps.widget import make_widget

        self._live[:] = [make_widget(self)]
        return self._live[0]

    @property
    def selection(self) -> Vectors:
        """The vectors selected in the widget shown last; none before anything is selected."""
        return self.vectors[list(self._live[0].rows) if self._live else []]

    def _repr_html_(self) -> str:
        """The page in a sandboxed frame, for notebooks; over 20 MB a line that says so."""
        return frame(self.page(), repr(self))


def frame(page: Page, said: str) -> str:
    """A page as HTML to show inside another one, which it can do nothing to.

    Over 20 MB, a line with what is `said` of it.
    """
    text = "".join(page.write())
    if len(text) > _MOST_IN_NOTEBOOK:
        return (
            f"<p>{html.escape(said)}: {len(text) / 1e6:.0f} MB as a page, too much for a "
            "notebook. <code>save('map.html')</code> writes it to a file.</p>"
        )
    return (
        '<iframe sandbox="allow-scripts allow-downloads" title="map" '
        'style="width:100%;height:600px;border:1px solid #8884" '
        f'srcdoc="{html.escape(text)}"></iframe>'
    )


def first_color(made: Sequence[Column]) -> str | None:
    """The column to color by when none is asked for: the user's first category, or the regions."""
    for column in made:
        if column.role in ("own", "source") and 2 <= len(column.levels) <= _FEW_LEVELS:
            return column.name
    return next((column.name for column in made if column.role == "cluster"), None)


def check_format(path: Path) -> None:
    """Raise InputError unless a map can be written to a file of that name."""
    if path.suffix not in FORMATS:
        raise InputError(
            f"cannot write a map to {path.name}: its name must end in {', '.join(FORMATS)}"
        )
