"""A compiled model, kept beside the converted one so that the next start need not compile it.

Half of the time that OpenVINO takes to make a model ready goes into rewriting its graph for the
processor. The rewritten graph can be exported, without the weights that `model.bin` has already:
half a megabyte, which is kept in a file of its own. Whatever is wrong with that file, the model is
compiled as if it were not there; it saves time and decides nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from veclab.errors import OutputError
from veclab.models.local.cores import instruction_sets

# The file: a SHA-256 of the rest, then what OpenVINO exports.
_DIGEST = 32


def compile_or_load(core: Any, model: Path, options: Mapping[str, Any]) -> Any:
    """Compile `model` for the processor, or load its kept form where there is one.

    Args:
        core: openvino.Core.
        model: the `model.xml` of a converted model; its folder is written to, if it can be.
        options: of OpenVINO's `compile_model`.

    Raises:
        RuntimeError: the model cannot be read or compiled.
    """
    weights = model.with_suffix(".bin")
    shrink = {"CACHE_MODE": "OPTIMIZE_SIZE"}
    kept = model.with_name(f"compiled-{_key(core, options)}.bin")
    content = _read(kept)
    if content is not None and weights.is_file():
        given = {**options, **shrink, "WEIGHTS_PATH": str(weights)}
        with suppress(RuntimeError):  # it passes for whole, and OpenVINO may know better
            return core.import_model(io.BytesIO(content), "CPU", given)
    compiled = core.compile_model(core.read_model(model), "CPU", {**options, **shrink})
    _write(kept, compiled.export_model().getvalue())
    return compiled


def _key(core: Any, options: Mapping[str, Any]) -> str:
    """Return a key for all that the rewritten graph depends on besides the model."""
    import openvino

    name = core.get_property("CPU", "FULL_DEVICE_NAME")
    sets = sorted(instruction_sets() or ())
    facts = (openvino.__version__, name, sets, options["INFERENCE_PRECISION_HINT"])
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _read(file: Path) -> bytes | None:
    """Read what was kept; None where nothing is complete."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    whole = hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]
    return content[_DIGEST:] if whole else None


def _write(file: Path, content: bytes) -> None:
    """Keep it, all or nothing."""
    from veclab.atomic import atomic

    # A folder that cannot be written, a full disk: the next start compiles again.
    with suppress(OutputError), atomic(file) as work:
        work.write_bytes(hashlib.sha256(content).digest() + content)
