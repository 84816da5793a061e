"""int8 models: made once on the user's own texts, or on a sample that comes with veclab."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from veclab.errors import InputError, MissingExtra
from veclab.models.local.cores import instruction_sets
from veclab.models.local.folder import ModelFolder
from veclab.models.local.openvino.converted_models import (
    Converted,
    find_or_convert,
    find_or_make,
    place,
    run_module,
)
from veclab.pipeline.prepare import is_blank

# More changes the ranges of the integers no further, and takes longer.
CALIBRATION_TEXTS = 300
_LEAST = 20
# Summaries and descriptions of Python packages, and some awkward texts; see docs/engine.md.
_SAMPLE = Path(__file__).parent / "sample.json.gz"


def find_or_quantize(
    folder: ModelFolder, texts: Iterable[str] | None = None, *, again: bool = False
) -> Converted:
    """Find the model in int8, or make it now (also if `texts` are given).

    It takes some minutes and is kept like a converted model. Calibrating on other texts gives
    other vectors, so the Recipe of each int8 model is its own.

    Args:
        folder: the model.
        texts: what to calibrate on, any number: CALIBRATION_TEXTS of them are drawn. None for
            the int8 model that is there, or one calibrated on the packaged sample.
        again: make it even if it is there.

    Raises:
        CannotConvert: the model cannot be converted or loses too much.
        MissingExtra: NNCF is not installed.
        InputError: there are too few texts.
    """
    chosen = None if texts is None else _draw(texts)

    def make(out: Path) -> dict[str, Any]:
        if find_spec("nncf") is None:
            raise MissingExtra("int8", f"quantizing {folder.name}, once,")
        source = find_or_convert(folder)
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "texts.json"
            file.write_text(json.dumps(sample() if chosen is None else chosen), encoding="utf-8")
            arguments = [str(source.folder), str(out), str(file)]
            return run_module("veclab.models.local.openvino.quantize", arguments)

    return find_or_make(place(folder, "int8"), make, again=again or chosen is not None)


def sample() -> list[str]:
    """Return the texts that come with veclab for those who give none."""
    with gzip.open(_SAMPLE, "rt", encoding="utf-8") as file:
        texts: list[str] = json.load(file)
    return texts


def _draw(texts: Iterable[str]) -> list[str]:
    """Draw texts evenly from a stream of any length, the same ones each time."""
    chance = random.Random(0)
    drawn: list[str] = []
    seen: set[str] = set()
    for text in texts:
        if is_blank(text) or text in seen:
            continue
        seen.add(text)
        if len(drawn) < CALIBRATION_TEXTS:
            drawn.append(text)
        elif (place := chance.randrange(len(seen))) < CALIBRATION_TEXTS:
            drawn[place] = text
    if len(drawn) < _LEAST:
        raise InputError(f"{len(drawn)} distinct texts are too few to calibrate on; give {_LEAST}")
    return drawn


def int8_precision(model: str, arithmetic: str) -> str:
    """Name, for the Recipe, the int8 model and what else decides its bits on this processor.

    Args:
        model: `int8-` and a digest, as the converted model says.
        arithmetic: of what is not in integers: `f32` or `bf16`.
    """
    # Without integer products pairs of them are added in 16 bits, and the largest sums are cut.
    sums = {True: "", False: "-cut", None: "-unknown"}[has_integer_products()]
    return f"{model}{sums}" if arithmetic == "f32" else f"{model}{sums}-{arithmetic}"


def has_integer_products() -> bool | None:
    """Return whether the processor multiplies 8-bit integers in hardware; None if unknown.

    OpenVINO's own list of capabilities names INT8 even where it is slower than f32.
    """
    sets = instruction_sets()
    if sets is None:
        return None
    return bool(sets & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
