"""Static models: a vector for each token, averaged. No transformer, no torch.

model2vec (https://github.com/MinishLab/model2vec) makes such models; this module gives the vectors
of its `StaticModel.encode` with tokenizers and numpy alone. Two differences, both on purpose:

- Sums are in float32. model2vec rounds to the type of the table, often float16.
- A text is cut at `max_tokens` tokens and nowhere else, and that is reported. model2vec first cuts
  it, without a word, at `max_tokens` times the median length of a token in characters, so of a
  text of long words it reads less than its limit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, ModelUnavailable
from veclab.models.local.folder import ModelFolder
from veclab.models.local.tensors import read_tensors
from veclab.models.local.unknown_token import described_unknown_token
from veclab.models.static.folder import TABLES
from veclab.models.static.word_memo import WordMemo
from veclab.provider import EmbeddingProvider, Limits, TokenizedText
from veclab.space import Role

# Sums of so many texts stay in the processor's cache (1 MB at 256 dimensions).
_BATCH_TEXTS = 1024


class StaticModel(EmbeddingProvider):
    """A provider around one table of token vectors."""

    def __init__(
        self, folder: ModelFolder, *, device: str | None, max_tokens: int | None, normalize: bool
    ) -> None:
        if folder.static is None:
            raise InputError(f"{folder.name} is not a static model")
        if device not in (None, "cpu"):
            raise InputError(
                f"the static model {folder.name} runs on the processor, not on {device!r}: "
                "leave the device out"
            )
        from tokenizers import Tokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        self.folder = folder
        self.languages = folder.languages
        self._read_table(folder)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder.static.tokenizer))
        except Exception as error:  # the tokenizers library raises nothing narrower
            raise ModelUnavailable(
                f"the tokenizer {folder.static.tokenizer} cannot be read: {error}"
            ) from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._check_vocabulary()
        described = json.loads(self._tokenizer.to_str())
        self._words = WordMemo(self._tokenizer, described)
        drop = folder.static.drop_unknown
        self._unknown = described_unknown_token(described["model"]) if drop else -1
        self.space = folder.space(self._table.shape[1], normalized=normalize)
        self.tokenizer_digest = folder.tokenizer_digest
        self.limits = Limits(
            max_tokens=max_tokens or folder.max_tokens,
            batch_tokens=64 * _BATCH_TEXTS,
            batch_texts=_BATCH_TEXTS,
            padded=False,
            worth_keeping=False,
        )

    def _read_table(self, folder: ModelFolder) -> None:
        assert folder.static is not None
        tensors = read_tensors(folder.static.weights)
        table = next(tensors[name] for name in TABLES if name in tensors)
        self._table = np.ascontiguousarray(table, np.float32)
        # Both come with a quantized vocabulary: several tokens share a row, each with its weight.
        weights, rows = tensors.get("weights"), tensors.get("mapping")
        self._weights = None if weights is None else weights.astype(np.float32)
        self._rows = None if rows is None else rows.astype(np.int64)

    def _check_vocabulary(self) -> None:
        """Check that every token has its row: a damaged pair of files would mix up vectors."""
        size = self._tokenizer.get_vocab_size()
        rows = len(self._table) if self._rows is None else len(self._rows)
        aligned = self._rows is None or (
            self._rows.ndim == 1
            and self._rows.min(initial=0) >= 0  # from its end numpy would count
            and self._rows.max(initial=-1) < len(self._table)
        )
        weighted = self._weights is None or (self._weights.ndim == 1 and len(self._weights) >= size)
        if rows < size or not (aligned and weighted):
            raise ModelUnavailable(
                f"the static model {self.folder.name} is damaged: its tokenizer knows {size:,} "
                f"tokens, its table {rows:,}"
            )

    def reads_role(self, role: Role | None) -> bool:
        """Return whether the model has a prompt, or a way of its own, for a role."""
        return self.folder.reads_role(role)

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Return known token ids within the limit, and the count of all tokens of the whole text.

        The count is 0 where none of those tokens is known: there is nothing to average.
        """
        prompt = self.folder.prompt(role)
        ids, counts = self._words.encode([prompt + text for text in texts] if prompt else texts)
        ends = np.cumsum(counts)
        keep = np.ones(len(ids), np.bool_)
        limit = self.limits.max_tokens
        if limit is not None and counts.max(initial=0) > limit:
            keep &= np.arange(len(ids)) - np.repeat(ends - counts, counts) < limit
        unknown = keep & (ids == self._unknown)
        keep &= ~unknown
        lost = np.diff(np.concatenate([[0], np.cumsum(unknown)])[np.concatenate([[0], ends])])
        kept = np.concatenate([[0], np.cumsum(keep)])
        first, last = kept[ends - counts], kept[ends]
        totals = np.where(last > first, counts, 0).tolist()
        ids = ids[keep]
        return [
            TokenizedText(text, count, ids[a:b], lack)
            for text, count, a, b, lack in zip(
                texts, totals, first.tolist(), last.tolist(), lost.tolist(), strict=True
            )
        ]

    def embed_batch(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        """Embed a batch: float32 (len(batch), dimensions), means over known tokens, else zeros."""
        rows = [one.ids for one in batch if one.ids is not None]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        order = np.argsort(-lengths, kind="stable")
        ids = np.concatenate([np.zeros(0, np.int32), *rows])
        starts = (np.cumsum(lengths) - lengths)[order]
        falling = lengths[order]
        sums = np.zeros((len(rows), self._table.shape[1]), np.float32)
        # The n-th tokens of all texts at once: the longest texts stand first, so those that have
        # an n-th token are the first k. Faster than np.add.reduceat, which copies every row first.
        for n in range(int(falling[0]) if len(falling) else 0):
            k = int(np.searchsorted(-falling, -n))
            sums[:k] += self._vectors_of(ids[starts[:k] + n])
        sums /= np.maximum(falling, 1)[:, None].astype(np.float32)
        vectors = np.empty_like(sums)
        vectors[order] = sums
        assert self.folder.static is not None
        if self.folder.static.unit_length and not self.space.normalized:  # else it comes later
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _vectors_of(self, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        rows = ids if self._rows is None else self._rows[ids]
        vectors: NDArray[np.float32] = self._table[rows]
        return vectors if self._weights is None else vectors * self._weights[ids, None]
