"""Two vectors to turn by hand, and their cosine; the HTML lives in a saved notebook."""

from __future__ import annotations

import html
from pathlib import Path

_PAGE = Path(__file__).with_suffix(".html")


class TurningVectors:
    """Shows itself in a notebook: sliders where scripts run, a sentence where they do not."""

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which can reach nothing outside itself."""
        page = html.escape(_PAGE.read_text(encoding="utf-8"))
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" width="100%" height="290" '
            'style="border:0;max-width:620px" title="two vectors to turn"></iframe>'
            "<p><small>Sliders turn the two arrows. If you see none, your viewer runs no scripts: "
            "run this cell in JupyterLab, or look at the picture above.</small></p>"
        )


def turning_vectors() -> TurningVectors:
    """Two vectors to turn, with their angle, cosine, dot product and distance."""
    return TurningVectors()
