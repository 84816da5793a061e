"""The token that stands for all that a tokenizer does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Unigram tokenizers do not tell theirs.
_USUAL = ("<unk>", "[UNK]")


def unknown_token(tokenizer: Tokenizer) -> int:
    """Return the id of a tokenizer's unknown token, -1 where it has none."""
    named = getattr(tokenizer.model, "unk_token", None)
    for token in (named,) if named else _USUAL:
        if (found := tokenizer.token_to_id(token)) is not None:
            return int(found)
    return -1
