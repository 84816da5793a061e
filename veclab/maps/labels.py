"""Words at places: what the texts of a dense part of a map have that others have not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """Words for a place.

    Attributes:
        text: the words.
        x, y: where, in the projection's own numbers.
        zoom: magnification from which it is meant to be read: 1, 2, 4, ...
        n: points it speaks for.
    """

    text: str
    x: float
    y: float
    zoom: int
    n: int
