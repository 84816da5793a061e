"""Show that an export in a model's folder computes what the model's weights do.

Run in a process of its own, as `convert` is: both compute the same probe texts, each with its own
tokenizer, and every vector of one must be that of the other.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Before anything can import them. OpenVINO then uses a stub of its own.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # blocks the import
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}

import json
from pathlib import Path
from typing import Any

import numpy as np

from veclab.models.local.folder import read_folder
from veclab.models.local.openvino.convert import PROBES, NotConvertible, check, load_source
from veclab.models.local.openvino.converted_models import pad_id
from veclab.models.local.openvino.engine import Engine
from veclab.models.local.openvino.exported import read_exported
from veclab.models.local.tokenizer import open_tokenizer


def prove(path: Path, file: Path) -> dict[str, Any]:
    """Compare, and return what was found.

    Raises:
        NotConvertible: the vectors differ.
    """
    folder = read_folder(path, name=path.name)
    tokenizer = open_tokenizer(folder)
    assert tokenizer is not None  # without one the file is not looked at
    model = load_source(path)
    limit = folder.max_tokens or model.max_seq_length
    if limit is not None:
        model.max_seq_length = limit
        tokenizer.tokenizer.enable_truncation(limit)
    rows = [np.array(encoding.ids, np.int32) for encoding in tokenizer.encode(PROBES)]
    kept = [i for i, row in enumerate(rows) if len(row)]
    texts = [folder.prompt(None) + PROBES[i] for i in kept]
    expected = model.encode(texts, prompt="", show_progress_bar=False)
    padding = pad_id(folder)
    engine = Engine(read_exported(file, folder), pad_id=padding, arithmetic="f32")
    lowest = check(engine, [rows[i] for i in kept], np.asarray(expected, np.float32))
    return {"pad_id": padding, "max_tokens": limit, "min_cosine": lowest}


def main(path: str, file: str) -> None:
    """Print what was found, or what differs, as the last line of output."""
    try:
        facts = prove(Path(path), Path(file))
    except NotConvertible as error:
        facts = {"refused": f"it does not compute what the weights beside it do: {error}"}
    print("\n" + json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
