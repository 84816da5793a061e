"""The CPU engine: a converted model run by OpenVINO, without torch.

Needs numpy, tokenizers and openvino only; torch, transformers and sentence-transformers are never
imported, so a process is ready in well under a second. `convert` makes what this module reads,
`converted_models` keeps it.
"""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import ModelUnavailable
from veclab.models.local.cores import usable_cores
from veclab.models.local.folder import ModelFolder
from veclab.models.local.openvino.compiled_models import compile_or_load
from veclab.models.local.openvino.lanes import Lane, Shape, Shapes
from veclab.models.local.routes import read_routes
from veclab.models.local.unknown_token import unknown_token
from veclab.provider import EmbeddingProvider, Limits, TokenizedText
from veclab.space import Role

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = NDArray[np.int32]
Vectors = NDArray[np.float32]

# A core is at its full speed from about 128 tokens on. More in a batch leaves more of a choice to
# put texts of one length together; above 1,024 that gains nothing.
BATCH_TOKENS = 1024
# What one more batch costs, in tokens. A batch reads every weight once from memory (4 bytes each)
# and spends 2 FLOP per weight and token, so the ratio is 2 x FLOP/s / bandwidth whatever the size
# of the model: 12 measured on a Zen 3 core.
BATCH_COST = 12
# What a batch of a new shape costs, in tokens: making its kernels took 5.4 ms, whatever the shape,
# where a token took 0.125 ms (all-MiniLM-L6-v2 in bf16 on a Zen 4 core).
SHAPE_COST = 43
# Of all batches under way: a model of 1,024 units needs some 40 kB for a token, so 1.3 GB.
FLIGHT_TOKENS = 32_768

# Kernels made for one shape of batch are kept for the next of that shape: by OpenVINO for each
# stream, and by oneDNN below it for the process. Batches of 60,000 texts have thousands of shapes
# of up to 0.9 MB each, which took 0.5 GB at the libraries' own 5,000 and 1,024. These keep some 40
# shapes, as many as single questions have lengths: one whose length has been met takes 7 ms where
# it took 11.
KERNELS = 256
KERNELS_ONEDNN = 256
SHAPES = 40
# A batch of up to so many tokens that comes alone is computed by all cores, where asked for.
WIDE_TOKENS = 256

_TELEMETRY = ("openvino.tools.ovc", "openvino_telemetry")


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Make `import name` fail for a while, as if the package were not installed."""
    hide = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hide))  # type: ignore[arg-type]  # None blocks an import
    try:
        yield
    finally:
        for name in hide:
            sys.modules.pop(name, None)


def load_openvino() -> Any:
    """Import openvino without its conversion tools and without telemetry.

    `import openvino` imports `openvino.tools.ovc`, which reports the import to Google Analytics
    (on by default) and costs half of the import time. OpenVINO treats both packages as optional,
    so hiding them for the moment of the import is enough; `openvino.convert_model` is then absent.

    Raises:
        ModelUnavailable: it is not installed.
    """
    # Read when the first kernel is made, and available in no other way.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS_ONEDNN))
    with hidden(*_TELEMETRY):
        try:
            import openvino
        except ImportError:
            raise ModelUnavailable("OpenVINO is not installed: pip install openvino") from None
    return openvino


@cache
def shared_core() -> Any:
    """The one openvino.Core of the process, which stays to its end.

    The plugin for processors in a Core gives the thread that made it a stack for signals, and takes
    it away with itself. Of two Cores the second leaves the first one's stack behind, in memory that
    is no longer there, and then Python's own handler of Ctrl-C is a segmentation fault (seen with
    OpenVINO 2026.4).
    """
    return load_openvino().Core()


def multiplies_bf16() -> bool:
    """Return whether the processor multiplies bf16 numbers in hardware."""
    # Only what it does in hardware is listed; bf16 would be slow otherwise.
    return "BF16" in shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def shape_of(rows: Sequence[Ids]) -> Shape:
    """Return how many rows there are, and the length of the longest."""
    # One column at least: some tokenizers make no token at all of some texts.
    return len(rows), max(1, *map(len, rows))


def pad_rows(rows: Sequence[Ids], pad_id: int, shape: Shape | None = None) -> tuple[Ids, Ids]:
    """Pad rows on the right: ids and mask as int32 arrays of `shape`, by default (n, longest)."""
    texts, tokens = shape or shape_of(rows)
    lengths = np.zeros(texts, np.int64)
    lengths[: len(rows)] = list(map(len, rows))
    inside = np.arange(tokens) < lengths[:, None]
    ids = np.full(inside.shape, pad_id, np.int32)
    ids[inside] = np.concatenate(rows)
    return ids, inside.astype(np.int32)


class Engine:
    """A compiled model. `run` may be called from `streams` threads at once, and waits beyond that.

    Attributes:
        streams: batches computed side by side, each on one core.
        dimensions: length of a vector.
        arithmetic: what the matrix products run in: `f32` or `bf16`.
        native_bf16: whether the processor multiplies bf16 numbers in hardware.
    """

    def __init__(
        self,
        model: Any,
        *,
        pad_id: int = 0,
        threads: int | None = None,
        arithmetic: str | None = None,
        keep: bool = False,
    ) -> None:
        """Compile a model.

        Args:
            model: the path of an .xml (or .onnx) file, or a model in memory.
            pad_id: token id of padding.
            threads: cores to use; by default all this process may use.
            arithmetic: `f32` or `bf16`; by default bf16 where the processor has it, else f32.
                Asking for bf16 where it has not gives f32: the attribute tells.
            keep: keep what compiling gives beside the model's file, and take it from there.

        Raises:
            RuntimeError: OpenVINO cannot read or compile the model.
        """
        self.streams = threads or usable_cores()
        self.native_bf16 = multiplies_bf16()
        wanted = "bf16" if self.native_bf16 and arithmetic in (None, "bf16") else "f32"
        self._options = {
            "INFERENCE_NUM_THREADS": self.streams,
            "INFERENCE_PRECISION_HINT": wanted,
            "CPU_RUNTIME_CACHE_CAPACITY": KERNELS,
        }
        self._model, self._keep = model, keep
        compiled = self._compile(self.streams)
        self.arithmetic = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        self.dimensions = int(compiled.output(0).partial_shape[1].get_length())
        self._types = {_input_name(i): i.get_element_type().to_dtype() for i in compiled.inputs}
        self._pad_id = pad_id
        # The one that was used last comes first: it has the kernels of the last shapes.
        self._idle: queue.LifoQueue[Lane] = queue.LifoQueue()
        self._wide: queue.LifoQueue[Lane] = queue.LifoQueue()
        for _ in range(self.streams):
            self._idle.put(Lane(compiled.create_infer_request()))

    def _compile(self, streams: int) -> Any:
        """Return an openvino.CompiledModel that computes `streams` batches side by side."""
        options = {**self._options, "NUM_STREAMS": streams}
        if self._keep:
            return compile_or_load(shared_core(), Path(self._model), options)
        model = self._model
        if isinstance(model, (str, Path)):
            model = shared_core().read_model(model)
        return shared_core().compile_model(model, "CPU", options)

    def expect_small_batches(self) -> None:
        """Answer small batches sooner, as a server wants it; before the first batch.

        A batch that comes alone runs on all cores (one text of 16 tokens in 2.5 ms where one core
        took 4.4, two cores of Zen 4), and batches are padded to shapes that there are kernels for.
        Equal batches then differ in the last bits.
        """
        lanes = [self._idle.get() for _ in range(self.streams)]
        for lane in lanes:
            self._idle.put(Lane(lane.request, Shapes(SHAPE_COST, SHAPES)))
        if self.streams > 1 and self._wide.empty():
            request = self._compile(1).create_infer_request()
            self._wide.put(Lane(request, Shapes(SHAPE_COST, SHAPES)))

    def run(self, rows: Sequence[Ids]) -> Vectors:
        """Embed one batch: float32 (n, dimensions), in order.

        Args:
            rows: int32 token ids of n texts, special tokens included.
        """
        if not rows:
            return np.empty((0, self.dimensions), np.float32)
        lanes, lane = self._enter(sum(map(len, rows)))
        try:
            inputs = self._inputs(rows, lane.shapes)
            lane.request.infer(inputs, share_inputs=True)  # the interpreter lock is free meanwhile
            # The tensor's memory is reused by the next call.
            return np.array(lane.request.get_output_tensor(0).data[: len(rows)], np.float32)
        finally:
            lanes.put(lane)

    def _enter(self, tokens: int) -> tuple[queue.LifoQueue[Lane], Lane]:
        """Wait for a lane; also return where it goes back to."""
        if tokens <= WIDE_TOKENS and self._idle.qsize() == self.streams:
            with suppress(queue.Empty):
                return self._wide, self._wide.get_nowait()
        return self._idle, self._idle.get()

    def _inputs(self, rows: Sequence[Ids], shapes: Shapes | None) -> dict[str, NDArray[Any]]:
        """Return what the model is given: arrays (texts, tokens) by name."""
        shape = None if shapes is None else shapes.choose(*shape_of(rows))
        ids, mask = pad_rows(rows, self._pad_id, shape)
        mask[len(rows) :, 0] = 1  # attention to nothing at all would be no number
        every = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._types:
            every["token_type_ids"] = np.zeros_like(ids)
        return {name: every[name].astype(kind, copy=False) for name, kind in self._types.items()}


def _input_name(port: Any) -> str:
    names = {"input_ids", "attention_mask", "token_type_ids"} & port.get_names()
    if not names:
        raise ValueError(f"a model with the input {port.get_any_name()!r} is not one for text")
    return str(names.pop())


class OpenVinoModel(EmbeddingProvider):
    """A provider around one Engine."""

    def __init__(
        self,
        folder: ModelFolder,
        engine: Engine,
        tokenizer: Path,
        *,
        precision: str,
        max_tokens: int | None,
        normalize: bool,
    ) -> None:
        self.folder = folder
        self.languages = folder.languages
        self.engine = engine
        self.precision = precision
        self._routes = read_routes(folder.path, folder.name, engine.dimensions)
        dimensions = engine.dimensions if self._routes is None else self._routes.dimensions
        self.space = folder.space(dimensions, normalized=normalize)
        self.tokenizer_digest = folder.tokenizer_digest
        self.limits = Limits(
            max_tokens=max_tokens,
            batch_tokens=BATCH_TOKENS,
            concurrency=engine.streams,
            batch_cost=BATCH_COST,
            shape_cost=SHAPE_COST,
            flight_tokens=max(FLIGHT_TOKENS, 2 * engine.streams * BATCH_TOKENS),
        )
        self._tokenizer_file = tokenizer
        self._whole = _tokenizer(tokenizer)
        self._unknown = unknown_token(self._whole)

    def reads_role(self, role: Role | None) -> bool:
        """Return whether the model has a prompt, or a way of its own, for a role."""
        return self.folder.reads_role(role)

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Return token ids, truncated at the limit, and the count of the whole text."""
        prompt, limit = self.folder.prompt(role), self.limits.max_tokens
        prompted = [prompt + text for text in texts] if prompt else list(texts)
        tokenized = []
        for i, encoding in enumerate(self._whole.encode_batch_fast(prompted)):
            count = len(encoding)
            if limit is not None and count > limit:
                # Only the tokenizer knows which special tokens stay where a text is cut.
                encoding = self._cut.encode(prompted[i])
            ids = encoding.ids
            unknown = ids.count(self._unknown)
            tokenized.append(TokenizedText(texts[i], count, np.array(ids, np.int32), unknown))
        return tokenized

    @cached_property
    def _cut(self) -> Tokenizer:
        """The tokenizer that cuts at the limit; most runs never need it."""
        assert self.limits.max_tokens is not None
        cut = _tokenizer(self._tokenizer_file)
        cut.enable_truncation(self.limits.max_tokens, direction=self.folder.truncation_side)
        return cut

    def expect_small_batches(self) -> None:
        """Answer small batches sooner; see `Engine.expect_small_batches`."""
        self.engine.expect_small_batches()

    def embed_batch(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        """Embed a batch: float32 (len(batch), dimensions)."""
        vectors = self.engine.run([one.ids for one in batch if one.ids is not None])
        return vectors if self._routes is None else self._routes(vectors, role)


def _tokenizer(file: Path) -> Tokenizer:
    """Open a tokenizer that neither pads nor truncates."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
