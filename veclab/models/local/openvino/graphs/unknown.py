"""What a builder raises about a model that it would not build rightly."""

from __future__ import annotations


class NotKnown(ValueError):
    """The model holds something that no builder knows; the message says what."""
