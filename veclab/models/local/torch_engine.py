"""Any Sentence Transformers model, run by its own modules on torch: processor, CUDA or MPS."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, MissingExtra, ModelUnavailable, first_line
from veclab.models.local.cores import usable_cores
from veclab.models.local.folder import ModelFolder, as_limit
from veclab.models.local.openvino.engine import Ids, pad_rows
from veclab.models.local.routes import no_default
from veclab.models.local.unknown_token import unknown_token
from veclab.provider import EmbeddingProvider, Limits, TokenizedText
from veclab.space import Role

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

# Enough for every multiprocessor of an accelerator; halved when the memory is used up.
_ACCELERATOR_TOKENS = 32_768
# A batch costs some milliseconds of Python and launches, in which an accelerator computes more.
_CPU_BATCH_COST, _ACCELERATOR_BATCH_COST = 24, 512


class TorchModel(EmbeddingProvider):
    """A provider around one SentenceTransformer."""

    def __init__(
        self,
        folder: ModelFolder,
        *,
        device: str | None,
        max_tokens: int | None,
        normalize: bool,
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.folder = folder
        self.languages = folder.languages
        self._model, self.precision = _load(folder, device, precision)
        self._device = self._model.device
        limit = max_tokens or folder.max_tokens or as_limit(self._model.max_seq_length)
        if limit is not None:
            # One limit for counting and for computing, whichever file it came from.
            self._model.max_seq_length = limit
        dimensions = self._model.get_embedding_dimension() or folder.dimensions
        if dimensions is None:
            raise ModelUnavailable(
                f"the model {folder.name} does not declare the dimensions of its vectors"
            )
        self.space = folder.space(dimensions, normalized=normalize)
        self.tokenizer_digest = folder.tokenizer_digest
        self.notes: list[str] = []
        self._tokenizer = _own_tokenizer(self._model)
        # Its own `encode` must do the work where there is no fast tokenizer, where pooling needs to
        # know how long the prompt is, where each role takes its own way, and where a single text
        # has token types other than 0 (XLNet).
        self._by_encode = (
            self._tokenizer is None
            or folder.needs_prompt_mask
            or folder.routed
            or any(self._tokenizer.encode("a").type_ids)
        )
        self._unknown = -1 if self._tokenizer is None else unknown_token(self._tokenizer)
        self._cut = None if self._by_encode else _own_tokenizer(self._model, limit)
        self._types = "token_type_ids" in getattr(self._model.tokenizer, "model_input_names", ())
        self._pad_id = getattr(self._model.tokenizer, "pad_token_id", None) or 0
        self._local = threading.local()
        self._room = sys.maxsize  # tokens of a batch for which there is memory, as far as known
        self._computing = 0  # batches at this moment
        self._turns = threading.Condition()
        self._accelerated = self._device.type != "cpu"
        if self._accelerated:
            _leave_out_cudnn_attention()
            self.notes.append(f"{folder.name} runs on {self._device.type} in {self.precision}")
            self.limits = Limits(
                limit,
                batch_tokens=_ACCELERATOR_TOKENS,
                batch_texts=4096,
                concurrency=1 if self._by_encode else 2,  # one is copied while one is computed
                batch_cost=_ACCELERATOR_BATCH_COST,
            )
        else:
            _use_threads(threads)
            self.limits = Limits(
                limit, batch_tokens=4096, batch_texts=256, batch_cost=_CPU_BATCH_COST
            )

    def reads_role(self, role: Role | None) -> bool:
        """Return whether the model has a prompt, or a way of its own, for a role."""
        return self.folder.reads_role(role)

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Count tokens with the model's own tokenizer; ids are cut at the limit."""
        prompted = [self.folder.prompt(role) + text for text in texts]
        if self._tokenizer is None:
            encoded = self._model.tokenizer(prompted, truncation=False)
            unknown, limit = self._model.tokenizer.unk_token_id, self.limits.max_tokens
            return [
                TokenizedText(text, len(ids), unknown=ids[:limit].count(unknown))
                for text, ids in zip(texts, encoded["input_ids"], strict=True)
            ]
        encodings = self._tokenizer.encode_batch_fast(prompted)
        counts, limit = [len(encoding) for encoding in encodings], self.limits.max_tokens
        if self._cut is not None and limit is not None:
            # Only the tokenizer knows which special tokens stay where a text is cut.
            long = [i for i, count in enumerate(counts) if count > limit]
            cut = self._cut.encode_batch_fast([prompted[i] for i in long])
            for i, encoding in zip(long, cut, strict=True):
                encodings[i] = encoding
        tokenized = []
        for text, count, encoding in zip(texts, counts, encodings, strict=True):
            ids = encoding.ids
            unknown = ids[:limit].count(self._unknown)
            own = None if self._by_encode else np.array(ids, np.int32)
            tokenized.append(TokenizedText(text, count, own, unknown))
        return tokenized

    def embed_batch(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        """Embed a batch: float32 (len(batch), dimensions).

        A batch that an accelerator has no memory for is computed in halves.

        Raises:
            ModelUnavailable: a single text is too long for the memory of the accelerator.
        """
        read = min(max(one.tokens for one in batch), self.limits.max_tokens or sys.maxsize)
        if len(batch) > 1 and read * len(batch) > self._room:
            return self._halves(batch, role)  # planned before the memory was found to be small
        alone = self._room != sys.maxsize
        try:
            with self._turn():
                return self._encode(batch, role) if self._by_encode else self._forward(batch)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if len(batch) == 1 and alone:
                raise ModelUnavailable(
                    f"a text of {read:,} tokens does not fit into the memory of "
                    f"{self._device.type}; read fewer tokens (max_tokens=, --max-tokens) or use "
                    "the processor (device='cpu', --device cpu)"
                ) from error
        # Outside of the handler: the exception would keep the failed batch's memory in use.
        self._shrink(len(batch), max(read * len(batch) // 2, read))
        return self._halves(batch, role) if len(batch) > 1 else self.embed_batch(batch, role)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Compute beside the other thread's batch; one at a time once memory was found small."""
        with self._turns:
            self._turns.wait_for(lambda: not self._computing or self._room == sys.maxsize)
            self._computing += 1
        try:
            yield
        finally:
            with self._turns:
                self._computing -= 1
                self._turns.notify_all()

    def _halves(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        middle = len(batch) // 2
        halves = (batch[:middle], batch[middle:])
        return np.concatenate([self.embed_batch(half, role) for half in halves])

    def _shrink(self, texts: int, room: int) -> None:
        """Give memory back, and make the batches to come smaller."""
        _empty_cache(self._device.type)
        self._room = room
        self.limits = replace(self.limits, batch_tokens=min(room, self.limits.batch_tokens))
        what = f"a batch of {texts:,} texts: it is halved"
        if texts == 1:
            what = "a text beside another batch: it is computed alone"
        warnings.warn(
            f"{self._device.type} is out of memory for {what}, and later batches have at most "
            f"{room:,} tokens",
            stacklevel=2,
        )

    def _forward(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Compute vectors from ids through the model's modules."""
        import torch

        rows: list[Ids] = [one.ids for one in batch if one.ids is not None]
        ids, mask = (torch.from_numpy(part) for part in pad_rows(rows, self._pad_id))
        features = {"input_ids": ids, "attention_mask": mask}
        if self._types:
            features["token_type_ids"] = torch.zeros_like(ids)
        cuda = self._device.type == "cuda"
        with torch.inference_mode(), self._stream() if cuda else nullcontext():
            moved = {
                # From pinned memory a copy runs while the other thread's batch is computed.
                name: (t.long().pin_memory() if cuda else t.long()).to(
                    self._device, non_blocking=cuda
                )
                for name, t in features.items()
            }
            vectors: NDArray[np.float32] = (
                self._model(moved)["sentence_embedding"].float().cpu().numpy()
            )
        return vectors

    def _stream(self) -> Any:
        """Return this thread's own CUDA stream, so that no copy waits for another's batch."""
        import torch

        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._local.stream)

    def _encode(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        """Embed texts by the model's own `encode`."""
        by_role: dict[Role | None, Callable[..., NDArray[np.float32]]] = {
            None: self._model.encode,
            "query": self._model.encode_query,
            "document": self._model.encode_document,
        }
        try:
            vectors = by_role[role](
                [one.text for one in batch],
                batch_size=len(batch),
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        except ValueError as error:
            if role is not None or not self.folder.routed:
                raise
            raise no_default(self.folder.name) from error
        return np.asarray(vectors, np.float32)


def _load(
    folder: ModelFolder, device: str | None, precision: str | None
) -> tuple[SentenceTransformer, str]:
    """Load the model and choose its precision; attention is fused where torch can do it."""
    # The hub's and the tokenizers' own chatter has no place on a user's terminal.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra("torch", f"the model {folder.name}") from None
    logging.disable_progress_bar()
    types = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
    device = best_device() if device is None else usable_device(device)
    precision = precision or _best_precision(device)
    if precision == "f16" and device == "cpu":
        raise InputError("f16 is for accelerators; on the processor there are f32 and bf16")
    try:
        model: SentenceTransformer = SentenceTransformer(
            str(folder.path),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": types[precision]},
        )
        model.truncate_dim = None  # cutting vectors is done outside
        # Modules after the transformer are kept in f32 files.
        return model.eval().to(types[precision]), precision
    except Exception as error:  # whatever is wrong in a folder comes up as any kind of exception
        reason = first_line(error)
        raise ModelUnavailable(
            f"the model {folder.name} in {folder.path} cannot be loaded: {reason}"
        ) from error


def usable_device(device: str) -> str:
    """Return a device that was asked for; raises InputError where torch cannot use it."""
    import torch

    try:
        if torch.device(device).type == "meta":
            raise ValueError("the device 'meta' computes nothing")
        torch.ones(1, device=device).sum().item()
        return device
    except Exception as error:  # each back end raises its own kind, AssertionError among them
        # The first sentence of what can be an essay.
        reason = first_line(error).split(". ")[0]
        reason = reason[:117].rstrip(". ") + ("…" if len(reason) > 117 else "")
        usable = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        usable += ["mps"] if torch.backends.mps.is_available() else []
        meant = ", which torch calls 'cuda'," if device.lower().startswith("gpu") else ""
        raise InputError(
            f"torch cannot use the device {device!r}{meant} here: {reason}. It can use "
            f"{' and '.join(usable)}; without device= (--device) the best of them is chosen"
        ) from None


def best_device() -> str:
    """Return `cuda`, `mps` or `cpu`: the best that torch can use here."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_precision(device: str) -> str:
    """Choose bf16 on CUDA, f16 where only that runs, f32 on the processor."""
    import torch

    if device.startswith("cuda"):
        # 8.0 (Ampere) is the first that multiplies bf16 in hardware; older ones only emulate it.
        native = torch.version.hip or torch.cuda.get_device_capability(device) >= (8, 0)
        return "bf16" if native else "f16"
    return "f16" if device == "mps" else "f32"


def _leave_out_cudnn_attention() -> None:
    """Choose among torch's other fused attentions: cuDNN's plans anew for every shape of batch.

    Gains 4 x on an H200: of 7.6 s for 20,000 texts of 84 tokens 5.1 s were such plans, 0.25 s all
    else that the device did (benchmarks/accelerator.py: 220,000 against 1,057,000 tokens/s).
    """
    import torch

    torch.backends.cuda.enable_cudnn_sdp(False)


def _use_threads(threads: int | None) -> None:
    """Set torch's threads, never more than now: it does not know a container's quota."""
    import torch

    torch.set_num_threads(threads or min(torch.get_num_threads(), usable_cores()))


def _out_of_memory(error: BaseException) -> bool:
    # CUDA has an exception of its own; MPS raises a plain RuntimeError that says so.
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower()


def _empty_cache(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def _own_tokenizer(model: SentenceTransformer, limit: int | None = None) -> Tokenizer | None:
    """Copy the fast tokenizer: sentence-transformers changes its own while running."""
    backend: Any = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    from tokenizers import Tokenizer

    copy: Tokenizer = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    if limit is not None:
        copy.enable_truncation(limit, direction=model.tokenizer.truncation_side)
    return copy
