"""What all pictures share: style sheet, colors, labels, and the check of where one shall go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from veclab.errors import InputError, MissingExtra
from veclab.report import one_line

STYLE = Path(__file__).with_name("veclab.mplstyle")
ENDINGS = (".png", ".svg", ".pdf")

# Okabe and Ito's colors, which stay apart under color blindness; gray is for what is beside the
# point, and for categories beyond the seventh.
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#e69f00", "#009e73", "#cc79a7"
SKY, RED, OLIVE, GRAY = "#56b4e9", "#d55e00", "#8a7f00", "#999999"
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, OLIVE)


def check_picture(path: Path) -> None:
    """Raise before any work when the picture cannot be made there.

    Raises:
        InputError: another ending than .png, .svg, .pdf, or no such folder.
        MissingExtra: matplotlib is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"a picture's name must end in {', '.join(ENDINGS)}, not {path.name!r}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"there is no folder {path.absolute().parent}")
    require_matplotlib()


def require_matplotlib() -> None:
    """Raise MissingExtra unless matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("plot", "the picture") from None


def label_of(text: str, width: int = 40) -> str:
    """Return a text as a label: one line of at most `width` characters, all printable."""
    return one_line("".join(c if c.isprintable() else " " for c in text[: 20 * width]), width)


def names_of(ids: Sequence[str], texts: Sequence[str] | None, width: int = 40) -> list[str]:
    """A label for each vector: its text, or where texts were not kept its id."""
    return [label_of(name, width) for name in (ids if texts is None else texts)]
