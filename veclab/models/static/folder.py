"""What a static model says of itself: a folder that model2vec wrote, or the package wordllama."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from veclab.errors import ModelUnavailable
from veclab.models.local.digests import file_digest
from veclab.models.local.folder import (
    ModelFolder,
    StaticFiles,
    read_license,
    read_prompts,
    read_truncation,
)
from veclab.models.local.modules import Module, read_json
from veclab.models.local.tensors import tensor_shapes
from veclab.models.local.tokenizer_facts import tokenizer_digest

# Where models that were distilled by name lie, under the user's veclab directory.
NAMED = "models"
# The tensor with a row for each token, as model2vec and wordllama call it.
TABLES = ("embeddings", "embedding.weight")
# What model2vec takes for `max_length` where config.json does not say.
_MAX_LENGTH = 512


def is_static(config: dict[str, Any]) -> bool:
    """Return whether a config.json is that of a model2vec model."""
    return config.get("model_type") == "model2vec"


def read_static(path: Path, *, name: str, license: str | None = None) -> ModelFolder:
    """Read the description of a model2vec folder.

    Raises:
        ModelUnavailable: a file is missing or damaged.
    """
    config = read_json(path / "config.json")
    files = StaticFiles(path / "model.safetensors", path / "tokenizer.json", drop_unknown=True)
    limit = config.get("max_length", _MAX_LENGTH)
    return describe_static(
        path,
        files,
        name=name,
        max_tokens=None if limit is None else int(limit),
        license=license or read_license(path),
    )


def read_static_embedding(
    path: Path, modules: Iterable[Module], *, name: str, license: str | None = None
) -> ModelFolder | None:
    """Read a Sentence Transformers folder whose only part that computes is a StaticEmbedding.

    None where it is another kind of model. Raises ModelUnavailable as `read_static`.
    """
    parts = [part for part in modules if part.kind != "Dropout"]
    kinds = [part.kind for part in parts]
    if kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        return None
    at = parts[0].folder
    files = StaticFiles(
        at / "model.safetensors",
        at / "tokenizer.json",
        drop_unknown=False,
        unit_length=len(parts) == 2,
    )
    license = license or read_license(path)
    folder = describe_static(path, files, name=name, max_tokens=None, license=license)
    prompts, default = read_prompts(path)
    return replace(
        folder, prompts=prompts, default_prompt=default, truncate_dim=read_truncation(path)
    )


def describe_static(
    path: Path, files: StaticFiles, *, name: str, max_tokens: int | None, license: str | None
) -> ModelFolder:
    """Describe the files of a static model as a ModelFolder."""
    for file in (files.weights, files.tokenizer):
        if not file.exists():
            raise ModelUnavailable(
                f"the static model {name} lacks {file.name} in {file.parent}; "
                "veclab reads safetensors and tokenizer.json only"
            )
    shapes = tensor_shapes(files.weights)
    table = next((shapes[t] for t in TABLES if t in shapes), ())
    if len(table) != 2 or not all(table):
        raise ModelUnavailable(
            f"{files.weights} holds no table of token vectors ({' or '.join(TABLES)}), "
            f"only {', '.join(shapes) or 'nothing'}"
        )
    return ModelFolder(
        path=path,
        name=name,
        weights=file_digest(files.weights),
        bytes=files.weights.stat().st_size,
        dimensions=table[1],
        max_tokens=max_tokens,
        pooling="mean",
        prompts={},
        default_prompt=None,
        modules=("StaticEmbedding",),
        transformer=path,
        license=license,
        static=files,
        configuration=(
            ("modules", "StaticEmbedding Normalize" if files.unit_length else "StaticEmbedding"),
            ("tokenizer", tokenizer_digest(files.tokenizer)),
            ("unknown_tokens", "left out" if files.drop_unknown else "counted"),
        ),
        folders=(path,),
    )
