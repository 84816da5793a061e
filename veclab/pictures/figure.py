"""The figure that all pictures are: matplotlib's own, in veclab's style."""

from __future__ import annotations

import functools
import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.errors import OutputError
from veclab.pictures.style import STYLE, check_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:
    Figure = object  # matplotlib's own is mixed in by `_class`, when the first picture is drawn


class Picture(Figure):
    """A matplotlib Figure that draws itself in veclab's style, also in a notebook."""

    def write(self, path: str | Path) -> Path:
        """Write to a `.png`, `.svg` or `.pdf`; the texts of an `.svg` are texts.

        Raises:
            InputError: another ending, or no such folder.
            OutputError: the file cannot be written.
        """
        path = Path(path)
        check_picture(path)
        try:
            with in_style(), _glyphs_counted():
                # No date: the same picture is the same file.
                dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
                self.savefig(path, metadata=dated.get(path.suffix.lower()))
        except OSError as error:
            raise OutputError(f"the picture {path} cannot be written: {error}") from error
        return path

    def svg(self) -> str:
        """The `<svg>` element for a page of HTML: no background, its texts are texts."""
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with in_style(), _glyphs_counted():
            self.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        element = buffer.getvalue()
        element = element[element.index("<svg") :]
        element = re.sub(r' xmlns(:\w+)?="[^"]*"', "", element, count=2)
        # A style sheet in there would be one for the whole page.
        element = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", element, count=1, flags=re.S)
        return element.replace("<svg", '<svg stroke-linejoin="round"', 1)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """For notebooks, before their own way with Figures, which knows nothing of the style."""
        buffer = io.BytesIO()
        with in_style(), _glyphs_counted():
            self.savefig(buffer, format="png", dpi=self.get_dpi())
        return {"image/png": buffer.getvalue(), "text/plain": repr(self)}


@contextmanager
def in_style() -> Iterator[None]:
    """Draw in veclab's style, whatever the user's own is."""
    from matplotlib import style

    # Texts are the user's: a dollar sign begins no formula.
    with style.context(["default", str(STYLE), {"text.parse_math": False}]):
        yield


@contextmanager
def _glyphs_counted() -> Iterator[None]:
    """One warning for all characters that no font here can draw, in place of one each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing: dict[str, None] = {}
    for warning in caught:
        found = re.match(r"Glyph (\d+) ", str(warning.message))
        if found is None:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        else:
            missing[chr(int(found[1]))] = None
    if missing:
        shown = " ".join(list(missing)[:10]) + (" …" if len(missing) > 10 else "")
        warnings.warn(
            f"{len(missing)} character(s) are in no font of this machine, boxes instead: {shown} "
            "(Noto fonts have them; an .svg keeps the characters themselves)",
            stacklevel=3,
        )


def caption(picture: Picture, text: str) -> None:
    """Write below the picture, in lines that fit its width."""
    width = max(20, round(picture.get_figwidth() * 12.5))
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, width)]
    picture.supxlabel("\n".join(lines), x=0.02, ha="left", fontsize=10)


def new_picture(width: float = 5.2, height: float = 3.6, rows: int = 1) -> tuple[Picture, Any]:
    """A figure and its axes (an array of them for several rows); sizes in inches."""
    picture = _class()(figsize=(width, height))
    return picture, picture.subplots(rows)


@functools.cache
def _class() -> type[Picture]:
    from matplotlib.figure import Figure

    return type("Picture", (Picture, Figure), {})
