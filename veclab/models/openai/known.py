"""What is published about OpenAI's models, and what a request may hold."""

from __future__ import annotations

from dataclasses import dataclass

from veclab.errors import InputError
from veclab.models.openai.canary import CANARY
from veclab.models.openai.prices import Price
from veclab.provider import Limits


@dataclass(frozen=True, slots=True)
class Known:
    """What OpenAI publishes about a model: platform.openai.com/docs/guides/embeddings."""

    dimensions: int
    shortens: bool
    max_tokens: int = 8191
    encoding: str = "cl100k_base"


KNOWN = {
    "text-embedding-3-small": Known(1536, shortens=True),
    "text-embedding-3-large": Known(3072, shortens=True),
    "text-embedding-ada-002": Known(1536, shortens=False),
}


def limits_of(
    known: Known | None, max_tokens: int | None, concurrency: int, price: Price | None
) -> Limits:
    """Return what one request to a model may hold; less where the model is not known."""
    dollars = None if price is None else price.per_million
    if known is None:
        # A server on one machine works on a request for as long as it is big, and its requests
        # cost nothing: rather more of them than time-outs.
        return Limits(
            max_tokens=max_tokens,
            batch_tokens=32_768,
            batch_texts=256,
            concurrency=concurrency,
            padded=False,
            price=dollars,
        )
    return Limits(
        max_tokens=min(max_tokens or known.max_tokens, known.max_tokens),
        batch_tokens=300_000 - 100,  # of which the canary has some 60
        batch_texts=2048 - 2 * len(CANARY),  # of the 2,048 that are allowed
        concurrency=concurrency,
        padded=False,
        block_texts=65_536,
        price=dollars,
    )


def asked_dimensions(model: str, known: Known | None, dimensions: int | None) -> int | None:
    """Return what to put into requests: nothing where it is the model's own size.

    Raises:
        InputError: the model cannot give so many.
    """
    if dimensions is None:
        return None
    if dimensions < 1:
        raise InputError(f"dimensions must be 1 or more, not {dimensions}")
    if known is None:
        return dimensions
    if dimensions > known.dimensions:
        raise InputError(f"{model} has {known.dimensions:,} dimensions; {dimensions:,} is too many")
    if dimensions != known.dimensions and not known.shortens:
        raise InputError(
            f"{model} always gives {known.dimensions:,} dimensions; `dimensions` works with "
            "text-embedding-3-small and text-embedding-3-large"
        )
    return None if dimensions == known.dimensions else dimensions
