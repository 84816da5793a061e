"""Distillation: from a transformer to a static model, a vector for each token of its vocabulary.

The work is model2vec's (https://github.com/MinishLab/model2vec): each token goes through the model
alone, PCA shortens the vectors, and frequent tokens are weighted down by SIF (Arora et al. 2017).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veclab.errors import InputError, MissingExtra, ModelUnavailable, OutputError
from veclab.home import home
from veclab.models.catalog import find_transformer
from veclab.models.local.folder import ModelFolder, read_folder
from veclab.models.local.torch_engine import usable_device
from veclab.models.static.folder import NAMED

# Called with the tokens done so far and their number.
OnTokens = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Distilled:
    """A new static model.

    Attributes:
        folder: where it lies and what it says of itself.
        origin: the model it was made from.
        tokens: rows of its table.
        seconds: wall time.
    """

    folder: ModelFolder
    origin: ModelFolder
    tokens: int
    seconds: float


def named_folder(name: str) -> Path:
    """Return where a model distilled under a name lies; `veclab.load(name)` finds it there."""
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise InputError(f"{name!r} cannot name a model: no slash, and no dot in front")
    return home() / NAMED / name


def distill(
    name: str,
    output: str | Path,
    *,
    dimensions: int = 256,
    device: str | None = None,
    on_tokens: OnTokens = lambda done, total: None,
) -> Distilled:
    """Make a static model from a transformer and save it as a folder, whole or not at all.

    Only the transformer with mean pooling is distilled: prompts and Dense modules are not.

    Args:
        name: name or folder of the model to start from.
        output: folder to make; must not exist yet.
        dimensions: of the new vectors, at most those of the model.
        device: `cpu`, `cuda`, `mps`; by default the best there is.
        on_tokens: told of the progress.

    Raises:
        InputError: the model is not a transformer, or has too few dimensions or tokens.
        OutputError: the folder exists, or cannot be written.
        ModelUnavailable, MissingExtra: as for `veclab.load`.
    """
    origin = find_transformer(name, "be distilled")
    return distill_folder(origin, output, dimensions=dimensions, device=device, on_tokens=on_tokens)


def distill_folder(
    origin: ModelFolder,
    output: str | Path,
    *,
    dimensions: int = 256,
    device: str | None = None,
    vocabulary: Sequence[str] = (),
    on_tokens: OnTokens = lambda done, total: None,
) -> Distilled:
    """Do the work of `distill` for a model that was found, with further words in its vocabulary.

    Args:
        origin: a transformer.
        output, dimensions, device, on_tokens: as for `distill`, and so are the errors.
        vocabulary: words that get a vector of their own, the most frequent first.
    """
    start = time.perf_counter()
    output = Path(output)
    if origin.dimensions is not None and not 0 < dimensions <= origin.dimensions:
        raise InputError(
            f"{origin.name} has {origin.dimensions} dimensions, so {dimensions} cannot be made"
        )
    if output.exists():
        raise OutputError(f"{output} exists already: name another folder, or remove it first")
    static = _distill(origin, dimensions, device, vocabulary, on_tokens)
    if static.dim != dimensions:
        raise InputError(
            f"{origin.name} knows {len(static.tokens)} tokens only, too few for {dimensions} "
            "dimensions: ask for fewer"
        )
    _save(static, origin, output)
    folder = read_folder(output, name=output.name)
    return Distilled(folder, origin, len(static.tokens), round(time.perf_counter() - start, 2))


def _distill(
    origin: ModelFolder,
    dimensions: int,
    device: str | None,
    vocabulary: Sequence[str],
    on_tokens: OnTokens,
) -> Any:
    """Make the model2vec StaticModel."""
    try:
        from model2vec.distill import distill_from_model, inference
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra("static", "distillation") from None
    if device is not None:
        usable_device(device)
    logging.disable_progress_bar()
    path = str(origin.transformer)
    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        model = AutoModel.from_pretrained(path, use_safetensors=True, **safe)
        tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, **safe)
    except Exception as error:  # whatever is wrong in a folder comes up as any kind of exception
        raise ModelUnavailable(
            f"the model {origin.name} in {origin.path} cannot be loaded: {error}"
        ) from error
    with _progress(inference, on_tokens):
        return distill_from_model(
            model, tokenizer, vocabulary=vocabulary, pca_dims=dimensions, device=device
        )


@contextmanager
def _progress(module: Any, on_tokens: OnTokens) -> Iterator[None]:
    """Hand on model2vec's counts in place of the bar that it always draws."""

    class Bar:
        def __init__(self, total: int, **_: Any) -> None:
            self.done, self.total = 0, total

        def update(self, tokens: int) -> None:
            self.done += tokens
            on_tokens(self.done, self.total)

        def close(self) -> None:
            pass

    original, module.tqdm = module.tqdm, Bar
    try:
        yield
    finally:
        module.tqdm = original


def _save(static: Any, origin: ModelFolder, output: Path) -> None:
    from importlib.metadata import version

    # The machine's path is nobody's business; the weights tell which model it was.
    static.config["tokenizer_name"] = origin.name
    static.config["base_model"] = origin.name
    static.config["base_weights"] = origin.weights
    static.config["made_by"] = f"veclab {version('veclab')}, model2vec {version('model2vec')}"
    static.base_model_name = origin.name
    temporary = output.with_name(f".{output.name}.{os.getpid()}.veclab-tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        static.save_pretrained(temporary, model_name=output.name)
        _license_card(temporary / "README.md", origin.license)
        temporary.rename(output)
    except OSError as error:
        raise OutputError(f"the model cannot be saved in {output}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def license_line(license: str) -> str:
    """Return the line of a model card that names a license."""
    return f"license: {json.dumps(license)[1:-1].lower()}"


def _license_card(card: Path, license: str | None) -> None:
    """Write the license of the origin into the card; model2vec's says MIT in any case."""
    lines = card.read_text(encoding="utf-8").splitlines(keepends=True)
    ours = [] if license is None else [f"{license_line(license)}\n"]
    at = next((i for i, line in enumerate(lines) if line.startswith("license:")), None)
    if at is not None:
        lines[at : at + 1] = ours
        card.write_text("".join(lines), encoding="utf-8")
