"""The token that stands for all that a tokenizer does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Unigram tokenizers tell theirs only in their description.
_USUAL = ("<unk>", "[UNK]")


def described_unknown_token(model: Mapping[str, Any]) -> int:
    """Return the id of the unknown token by a tokenizer's description (`model` of its JSON)."""
    if model.get("unk_id") is not None:  # Unigram
        return int(model["unk_id"])
    token = model.get("unk_token")
    return -1 if token is None else int(model["vocab"].get(token, -1))


def unknown_token(tokenizer: Tokenizer) -> int:
    """Return the id of a tokenizer's unknown token, -1 where it has none.

    Without its description: that holds the whole vocabulary.
    """
    named = getattr(tokenizer.model, "unk_token", None)
    for token in (named,) if named else _USUAL:
        if (found := tokenizer.token_to_id(token)) is not None:
            return int(found)
    return -1
