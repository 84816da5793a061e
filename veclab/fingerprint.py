"""A fingerprint of a model behind an endpoint: what it makes of a few fixed texts, in 96 numbers.

The numbers are random projections of the vectors (Johnson and Lindenstrauss 1984), always the
same ones, so that two fingerprints are as far apart as the vectors are, give or take a quarter.
They are few enough to travel with every file.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from dataclasses import dataclass
from typing import Any, Self

# Fixed texts, and numbers that stand for the vector of each.
TEXTS, NUMBERS = 3, 32
# Vectors of unit length that are nearer than this are one model's: a cosine of 0.9995. Rounding
# and batching are well below, another model or another version of one well above.
FLOOR = 0.03
# An endpoint's own noise, measured, counts that often; and a model that is further off than the
# last is another, whatever the noise.
_TIMES, _MOST = 4, 0.5
_FORMAT = f"<{TEXTS * NUMBERS}e"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a model made of the texts.

    Attributes:
        seen: the day on which it was first seen, as YYYY-MM-DD.
        noise: how far apart its vectors of one text are, as far as that was measured.
        numbers: 96, in half precision.
    """

    seen: str
    noise: float
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, vectors: Any, seen: str, noise: float = 0.0) -> Self:
        """Make the fingerprint of vectors, float (3, dim)."""
        import numpy as np

        array = np.asarray(vectors, np.float64)
        unit = array / np.linalg.norm(array, axis=1, keepdims=True)
        bits = hashlib.shake_256(b"veclab fingerprint").digest(array.shape[1] * NUMBERS // 8)
        signs = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(-1, NUMBERS) * 2.0 - 1
        numbers = (unit @ signs / math.sqrt(NUMBERS)).ravel().tolist()
        return cls(seen, noise, struct.unpack(_FORMAT, struct.pack(_FORMAT, *numbers)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; raises ValueError for anything else."""
        try:
            seen, noise, data = text.split(" ")
            raw = base64.b64decode(data, validate=True)
            found = cls(seen, float(noise), struct.unpack(_FORMAT, raw))
        except (AttributeError, struct.error, ValueError):
            raise ValueError(f"{str(text)[:40]!r} is not a fingerprint") from None
        if not _DATE.fullmatch(seen) or not math.isfinite(math.fsum((found.noise, *found.numbers))):
            raise ValueError(f"{text[:40]!r} is not a fingerprint")
        return found

    def __str__(self) -> str:
        data = base64.b64encode(struct.pack(_FORMAT, *self.numbers)).decode("ascii")
        return f"{self.seen} {self.noise:.4f} {data}"

    @property
    def name(self) -> str:
        """How to call it: the day and 8 hex digits."""
        digest = hashlib.blake2b(struct.pack(_FORMAT, *self.numbers), digest_size=4).hexdigest()
        return f"{self.seen}-{digest}"

    def distance(self, other: Fingerprint) -> float:
        """Return how far apart the unit vectors of a text are, as a root mean square."""
        squares = (a - b for a, b in zip(self.numbers, other.numbers, strict=True))
        return math.sqrt(sum(d * d for d in squares) / TEXTS)

    def alike(self, other: Fingerprint) -> bool:
        """Return whether the two are one model's, by the noise that either has."""
        return self.explains(self.distance(other)) or other.explains(self.distance(other))

    def explains(self, distance: float) -> bool:
        """Return whether two vectors of one text so far apart can both be this model's."""
        return distance <= min(max(FLOOR, _TIMES * self.noise), _MOST)
