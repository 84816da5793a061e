"""Reading JSON that others wrote: all that can be wrong with it is a ValueError."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parse one JSON document.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested too deeply (for which `json` itself has
            RecursionError, which hardly anyone expects).
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
