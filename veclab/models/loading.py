"""From a name to a provider: which engine runs the model, and in which precision."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from veclab.errors import InputError, ModelUnavailable, first_line
from veclab.models.catalog import find_model
from veclab.models.local.folder import ModelFolder
from veclab.models.local.openvino.converted_models import (
    CannotConvert,
    Converted,
    find_or_build,
    find_or_convert,
    pad_id,
)
from veclab.models.local.openvino.engine import Engine, OpenVinoModel
from veclab.models.local.openvino.exported import (
    export_digest,
    find_exported,
    find_or_make_proof,
    read_exported,
)
from veclab.models.local.openvino.int8 import find_or_quantize, has_integer_products, int8_precision
from veclab.models.local.routes import has_simple_routes
from veclab.models.words.model import WordModel, load_words
from veclab.provider import EmbeddingProvider

EngineName = Literal["torch", "openvino"]
Precision = Literal["f32", "bf16", "f16", "int8"]


def open_local(
    name: str,
    *,
    dimensions: int | None = None,
    engine: EngineName | None = None,
    precision: Precision | None = None,
    threads: int | None = None,
    device: str | None = None,
    max_tokens: int | None = None,
    normalize: bool = True,
) -> tuple[EmbeddingProvider, list[str]]:
    """Open a model that runs here; the options are those of `veclab.load`.

    Raises:
        InputError, ModelUnavailable, MissingExtra: as `veclab.load`.
    """
    provider, notes = _local(name, engine, precision, threads, device, max_tokens, normalize)
    wanted = dimensions or _own_truncation(provider)
    if wanted is None:
        return provider, notes
    from veclab.models.truncated import TruncatedModel

    return TruncatedModel(provider, wanted, by_the_model=dimensions is None), notes


def open_words(
    name: str, *, normalize: bool = True, device: str | None = None, precision: str | None = None
) -> EmbeddingProvider:
    """Open word vectors, which are looked up on the processor and in f32.

    Raises:
        InputError: another device or precision is asked for.
    """
    for option, given, known in (("device", device, "cpu"), ("precision", precision, "f32")):
        if given not in (None, known):
            raise InputError(f"{name} holds word vectors: {option} does not go with it")
    return WordModel(load_words(name), normalize=normalize)


def open_openai(
    model: str,
    *,
    dimensions: int | None = None,
    base_url: str | None = None,
    max_tokens: int | None = None,
    normalize: bool = True,
) -> EmbeddingProvider:
    """Open a model of OpenAI or of another endpoint of its kind."""
    from veclab.models.openai.model import OpenAIModel

    _require_unit_length(model, normalize)
    return OpenAIModel(model, dimensions=dimensions, base_url=base_url, max_tokens=max_tokens)


def open_cohere(
    model: str,
    *,
    dimensions: int | None = None,
    base_url: str | None = None,
    max_tokens: int | None = None,
    normalize: bool = True,
) -> EmbeddingProvider:
    """Open a model of Cohere."""
    from veclab.models.cohere.model import CohereModel

    _require_unit_length(model, normalize)
    return CohereModel(model, dimensions=dimensions, base_url=base_url, max_tokens=max_tokens)


def _require_unit_length(model: str, normalize: bool) -> None:
    if not normalize:
        raise InputError(f"{model} gives vectors of unit length: normalize=False is not supported")


def _own_truncation(provider: EmbeddingProvider) -> int | None:
    """Return what a model cuts its vectors to by itself (`truncate_dim`); None for nothing."""
    folder = getattr(provider, "folder", None)
    said = folder.truncate_dim if isinstance(folder, ModelFolder) else None
    return said if said is not None and said < provider.space.dimensions else None


def _local(
    name: str,
    engine: EngineName | None,
    precision: Precision | None,
    threads: int | None,
    device: str | None,
    max_tokens: int | None,
    normalize: bool,
) -> tuple[EmbeddingProvider, list[str]]:
    """Open a local model on the engine asked for.

    Without an `engine` (and with no VECLAB_ENGINE set) an accelerator is used through torch where
    there is one, else OpenVINO where it is installed and can run the model, else torch.
    """
    _check(engine, precision, threads, device)
    folder = find_model(name)
    if folder.static is not None:
        return _static(folder, engine or precision, device, max_tokens, normalize), []
    if threads is not None:  # tokenizers' own pool, which is made when it is first used
        os.environ.setdefault("RAYON_NUM_THREADS", str(threads))
    chosen = engine or _from_environment()
    notes: list[str] = []
    if chosen is None:
        chosen, notes = _suitable(folder, precision, device)
    if chosen == "openvino":
        if device not in (None, "cpu"):
            raise InputError(f"the OpenVINO engine runs on the cpu, not on {device!r}")
        try:
            return _openvino(folder, precision, threads, max_tokens, normalize)
        except CannotConvert as error:
            if engine == "openvino" or precision == "int8":
                raise ModelUnavailable(f"OpenVINO cannot run {folder.name}: {error}") from error
            notes = [f"{folder.name} runs on torch, not on OpenVINO: {error}"]
    from veclab.models.local.torch_engine import TorchModel

    if precision == "int8":
        raise InputError("the torch engine has no int8; use engine='openvino' (--engine openvino)")
    model = TorchModel(
        folder,
        device=device,
        max_tokens=max_tokens,
        normalize=normalize,
        precision=precision,
        threads=threads,
    )
    return model, notes


def _static(
    folder: ModelFolder,
    option: str | None,
    device: str | None,
    max_tokens: int | None,
    normalize: bool,
) -> EmbeddingProvider:
    from veclab.models.static.model import StaticModel

    if option is not None:
        raise InputError(f"{folder.name} is a static model: {option!r} does not go with it")
    return StaticModel(folder, device=device, max_tokens=max_tokens, normalize=normalize)


def _check(
    engine: str | None, precision: str | None, threads: int | None, device: str | None
) -> None:
    for name, value, known in (
        ("engine", engine, get_args(EngineName)),
        ("precision", precision, get_args(Precision)),
    ):
        if value is not None and value not in known:
            raise InputError(f"{name} cannot be {value!r}; choose from {', '.join(known)}")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more, not {threads}")


def _from_environment() -> EngineName | None:
    chosen = os.environ.get("VECLAB_ENGINE") or None
    if chosen is not None and chosen not in get_args(EngineName):
        known = ", ".join(get_args(EngineName))
        raise InputError(f"VECLAB_ENGINE cannot be {chosen!r}; choose from {known}")
    return cast(EngineName | None, chosen)


def _suitable(
    folder: ModelFolder, precision: Precision | None, device: str | None
) -> tuple[EngineName, list[str]]:
    """Choose the engine when the user left it to us; say why if it is not the fast one."""
    if device not in (None, "cpu") or precision == "f16":
        return "torch", []
    if precision == "int8":
        return "openvino", []
    if device is None and (found := accelerator()) is not None:
        return "torch", [f"{folder.name} runs on {found} (device='cpu' uses the processor)"]
    if find_spec("openvino") is None:
        faster = "pip install openvino makes it several times as fast"
        return "torch", [f"{folder.name} runs on torch; {faster}"]
    if (reason := _only_torch(folder)) is not None:
        return "torch", [f"{folder.name} runs on torch: {reason}"]
    return "openvino", []


def _only_torch(folder: ModelFolder) -> str | None:
    """Return why OpenVINO cannot run a model, as far as its folder tells."""
    if folder.needs_prompt_mask:
        return "its pooling leaves the prompt out"
    if folder.routed and not has_simple_routes(folder.path):
        return "its queries and documents take different routes"
    return None


def accelerator() -> str | None:
    """Return `cuda` or `mps` where torch can use one; torch is imported only where that may be."""
    devices = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if not (apple or sys.platform == "win32" or any(Path(d).exists() for d in devices)):
        return None
    try:
        import torch
    except ImportError:
        return None
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if apple and torch.backends.mps.is_available() else None


class _Ready(NamedTuple):
    """A compiled model with what goes around it."""

    engine: Engine
    tokenizer: Path
    max_tokens: int | None
    positions: int | None
    precision: str
    notes: list[str]
    folder: ModelFolder


def _openvino(
    folder: ModelFolder,
    precision: Precision | None,
    threads: int | None,
    max_tokens: int | None,
    normalize: bool,
) -> tuple[EmbeddingProvider, list[str]]:
    """Open the model on OpenVINO.

    Raises:
        CannotConvert: it cannot be run there.
        MissingExtra: OpenVINO is not installed, or torch where it must convert the model.
    """
    if precision == "f16":
        raise InputError("the OpenVINO engine has f32, bf16 and int8, not f16")
    if (reason := _only_torch(folder)) is not None:
        raise CannotConvert(reason)
    built = None if precision == "int8" else find_or_build(folder)
    ready = [] if built is not None else _carried(folder, precision, threads)
    if not isinstance(ready, _Ready):
        unusable, ready = ready, _converted(folder, precision, threads, built)
        ready.notes.extend(unusable)
    if max_tokens is not None and ready.positions is not None and max_tokens > ready.positions:
        raise InputError(
            f"{folder.name} has {ready.positions} positions, so max_tokens (--max-tokens) cannot "
            f"be {max_tokens}"
        )
    if precision == "bf16" and ready.engine.arithmetic != "bf16":
        ready.notes.append(f"this processor has no bf16, so {folder.name} runs in f32")
    model = OpenVinoModel(
        ready.folder,
        ready.engine,
        ready.tokenizer,
        precision=ready.precision,
        max_tokens=max_tokens or ready.max_tokens,
        normalize=normalize,
    )
    return model, ready.notes


def _carried(
    folder: ModelFolder, precision: Precision | None, threads: int | None
) -> _Ready | list[str]:
    """Open the OpenVINO or ONNX file in the model's folder; else say what is wrong with it."""
    file = None if precision == "int8" else find_exported(folder)
    if file is None:
        return []
    try:
        model = read_exported(file, folder)
        engine = Engine(model, pad_id=pad_id(folder), threads=threads, arithmetic=precision)
        proof = find_or_make_proof(folder, file)
    except (RuntimeError, ValueError, CannotConvert) as error:
        # Damaged, quantized, of another make or of other weights.
        reason = first_line(error)
        return [f"{file.name} of {folder.name} was skipped and the model converted: {reason}"]
    if proof is not None:
        notes = proof.notes
    else:
        folder = replace(folder, weights=export_digest(file))
        notes = [
            f"{folder.name} runs from its {file.name}. Without torch veclab cannot verify that it "
            "matches the weights beside it, so its vectors have a Space of their own "
            "(pip install 'veclab[torch]', and the next start compares them once)"
        ]
    tokenizer = folder.transformer / "tokenizer.json"
    return _Ready(engine, tokenizer, folder.max_tokens, None, engine.arithmetic, notes, folder)


def _converted(
    folder: ModelFolder, precision: Precision | None, threads: int | None, built: Converted | None
) -> _Ready:
    """Open the model's converted form, made now if it is missing or damaged."""

    def ready(again: bool) -> _Ready:
        if precision == "int8":
            made = find_or_quantize(folder, again=again)
        else:
            made = built if built and not again else find_or_convert(folder, again=again)
        arithmetic = None if precision == "int8" else precision
        engine = Engine(
            made.model, pad_id=made.pad_id, threads=threads, arithmetic=arithmetic, keep=True
        )
        label = engine.arithmetic
        if precision == "int8":
            label = int8_precision(made.precision, label)
        limit = min(
            filter(None, (folder.max_tokens or made.max_tokens, made.positions)), default=None
        )
        notes = made.all_notes
        if precision == "int8" and has_integer_products() is False:
            notes.append("this processor has no int8 products (VNNI, AMX): f32 is faster on it")
        return _Ready(engine, made.tokenizer, limit, made.positions, label, notes, folder)

    try:
        return ready(again=False)
    except RuntimeError:  # of the sizes they should have, and yet not readable
        return ready(again=True)
