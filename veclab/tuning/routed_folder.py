"""A folder of Sentence Transformers with a matrix on the queries' route, made from a base's files.

No torch is needed: the base's files are copied, and a Router is put behind its last part. Its
routes are `query` (a linear Dense and Normalize) and `document` (Normalize), which is also that of
texts without a role. sentence-transformers 5 and later load it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import OutputError
from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import pooling_modes, read_json
from veclab.models.local.routes import LINEAR

_KIND = "sentence_transformers.models."
_DENSE, _QUERY, _DOCUMENT = "query_0_Dense", "query_1_Normalize", "document_0_Normalize"
# Other forms of the same weights, what describes the base alone, and hidden files.
_LEFT = (".bin", ".pt", ".pth", ".h5", ".onnx", ".msgpack", ".ot", ".md", ".xml", ".ckpt")


def save_routed(base: ModelFolder, matrix: NDArray[np.float32], folder: Path) -> None:
    """Write the base with `query @ matrix` on the queries' side.

    Args:
        base: a transformer without routes.
        matrix: (dim, dim) for rows; a Dense holds it transposed.
        folder: does not exist yet; its parent does.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        folder.mkdir()
        for part in dict.fromkeys([base.path, *filter(Path.is_dir, base.folders)]):
            _copy(part, folder / part.relative_to(base.path))
        parts = _listed(base, folder)
        router = f"{len(parts)}_Router"
        parts.append(_entry(len(parts), router, "Router"))
        _write(folder / "modules.json", parts)
        _write_router(folder / router, matrix)
    except OSError as error:
        raise OutputError(
            f"the model cannot be written to {folder.parent}: {error.strerror or error}; free some "
            "space, or name a folder elsewhere (-o)"
        ) from error


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.is_file() and not file.name.startswith(".") and file.suffix not in _LEFT:
            shutil.copyfile(file, target / file.name)  # a link to a file becomes a file


def _listed(base: ModelFolder, folder: Path) -> list[dict[str, Any]]:
    """Return the base's list of parts; one for a plain transformer, which has none."""
    listing = base.path / "modules.json"
    if listing.exists():
        found: list[dict[str, Any]] = json.loads(listing.read_text(encoding="utf-8"))
        return found
    pooling = {
        "word_embedding_dimension": read_json(base.path / "config.json").get("hidden_size"),
        **{f"pooling_mode_{mode}_tokens": True for mode in pooling_modes({})},
    }
    (folder / "1_Pooling").mkdir()
    _write(folder / "1_Pooling" / "config.json", pooling)
    return [_entry(0, "", "Transformer"), _entry(1, "1_Pooling", "Pooling")]


def _entry(number: int, path: str, kind: str) -> dict[str, Any]:
    return {"idx": number, "name": str(number), "path": path, "type": _KIND + kind}


def _write_router(router: Path, matrix: NDArray[np.float32]) -> None:
    from safetensors.numpy import save_file

    for name in (_DENSE, _QUERY, _DOCUMENT):
        (router / name).mkdir(parents=True)
    kinds = {_DENSE: "Dense", _QUERY: "Normalize", _DOCUMENT: "Normalize"}
    _write(
        router / "router_config.json",
        {
            "types": {name: _KIND + kind for name, kind in kinds.items()},
            "structure": {"query": [_DENSE, _QUERY], "document": [_DOCUMENT]},
            "parameters": {"default_route": "document", "allow_empty_key": True},
        },
    )
    _write(
        router / _DENSE / "config.json",
        {
            "in_features": matrix.shape[0],
            "out_features": matrix.shape[1],
            "bias": False,
            "activation_function": LINEAR,
        },
    )
    weight = np.ascontiguousarray(matrix.T, dtype=np.float32)
    save_file({"linear.weight": weight}, router / _DENSE / "model.safetensors")


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
