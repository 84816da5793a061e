"""Any Sentence Transformers model, run by sentence-transformers itself on torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra, ModelUnavailable
from veclab.models.folder import ModelFolder
from veclab.models.provider import Limits, Piece
from veclab.space import Role, Space

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


class TorchModel:
    """A provider (see `veclab.models.provider`) around one SentenceTransformer."""

    precision = "f32"

    def __init__(
        self, folder: ModelFolder, *, device: str | None, max_tokens: int | None, normalize: bool
    ) -> None:
        self.folder = folder
        self._model = _load(folder, device)
        limit = max_tokens or folder.max_tokens or self._model.max_seq_length
        if limit is not None:
            # One limit for counting and for computing, whichever file it came from.
            self._model.max_seq_length = limit
        dimensions = self._model.get_embedding_dimension() or folder.dimensions
        if dimensions is None:
            raise ModelUnavailable(f"the model {folder.name} does not say how long its vectors are")
        self.space: Space = folder.space(dimensions, normalized=normalize)
        self.limits = Limits(max_tokens=limit, batch_tokens=4096, batch_texts=256)
        self._tokenizer = _own_tokenizer(self._model)
        self.tokenizer_digest = folder.tokenizer_digest

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[Piece]:
        """Count tokens with the model's own tokenizer, nothing cut."""
        prompt = self.folder.prompt(role)
        if self._tokenizer is None:
            encoded = self._model.tokenizer([prompt + t for t in texts], truncation=False)
            counts = [len(ids) for ids in encoded["input_ids"]]
        else:
            batch = self._tokenizer.encode_batch_fast([prompt + text for text in texts])
            counts = [len(encoding) for encoding in batch]
        return [Piece(text, count) for text, count in zip(texts, counts, strict=True)]

    def embed_batch(self, pieces: Sequence[Piece], role: Role | None) -> NDArray[np.float32]:
        """float32 (len(pieces), dimensions), by the model's own `encode`."""
        by_role: dict[Role | None, Callable[..., NDArray[np.float32]]] = {
            None: self._model.encode,
            "query": self._model.encode_query,
            "document": self._model.encode_document,
        }
        return by_role[role](
            [piece.text for piece in pieces],
            batch_size=len(pieces),
            show_progress_bar=False,
            convert_to_numpy=True,
        )


def _load(folder: ModelFolder, device: str | None) -> SentenceTransformer:
    # The hub's and the tokenizers' own chatter has no place on a user's terminal.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra("local", f"the model {folder.name}") from None
    logging.disable_progress_bar()
    try:
        return SentenceTransformer(
            str(folder.path),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        ).eval()
    except Exception as error:  # whatever is wrong in a folder comes up as any kind of exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelUnavailable(
            f"the model {folder.name} in {folder.path} cannot be loaded: {reason}"
        ) from error


def _own_tokenizer(model: SentenceTransformer) -> Tokenizer | None:
    """A private copy of the fast tokenizer: sentence-transformers changes its own while running."""
    backend: Any = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    from tokenizers import Tokenizer

    copy: Tokenizer = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
