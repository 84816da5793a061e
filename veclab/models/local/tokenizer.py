"""Counting a model's tokens without loading the model: its folder's `tokenizer.json` is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from veclab.errors import ModelUnavailable
from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import wrapper_settings
from veclab.models.local.unknown_token import unknown_token
from veclab.space import Role

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer


class FolderTokenizer:
    """A model's tokenizer as the `tokenizers` library runs it: nothing cut, nothing padded.

    Attributes:
        folder: of the model.
        tokenizer: for whoever needs token ids and masks.
    """

    def __init__(self, folder: ModelFolder, tokenizer: Tokenizer) -> None:
        self.folder, self.tokenizer = folder, tokenizer

    def encode(self, texts: Sequence[str], role: Role | None = None) -> list[Encoding]:
        """Tokenize each text, with the role's prompt in front and special tokens around."""
        prompt = self.folder.prompt(role)
        encoded: list[Encoding] = self.tokenizer.encode_batch_fast([prompt + t for t in texts])
        return encoded

    def count(self, texts: Sequence[str], role: Role | None = None) -> list[int]:
        """Count the tokens of each text, special tokens and prompt included."""
        return [len(encoding) for encoding in self.encode(texts, role)]

    def count_both(
        self, texts: Sequence[str], role: Role | None, limit: int | None
    ) -> list[tuple[int, int]]:
        """Count the tokens of each text, and those up to the limit that are unknown."""
        unknown = unknown_token(self.tokenizer)
        encoded = self.encode(texts, role)
        return [(len(one), one.ids[:limit].count(unknown)) for one in encoded]


def open_tokenizer(folder: ModelFolder) -> FolderTokenizer | None:
    """Return the tokenizer of a model folder; None where it is in no `tokenizer.json`, and for
    static models, which count tokens in their own way (`veclab.load` is light for them).

    Raises:
        ModelUnavailable: the file is there and cannot be read.
    """
    from tokenizers import Tokenizer, normalizers

    file = folder.transformer / "tokenizer.json"
    if folder.static is not None or not file.exists():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise ModelUnavailable(f"the tokenizer {file} cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if wrapper_settings(folder.transformer).get("do_lower_case"):
        before = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])
    return FolderTokenizer(folder, tokenizer)
