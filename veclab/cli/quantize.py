"""`veclab quantize`: an int8 model calibrated on one's own texts."""

from __future__ import annotations

import time
from typing import Any

import click

from veclab.cli.completing import complete_files
from veclab.cli.console import (
    json_option,
    model_option,
    print_facts,
    print_json,
    print_note,
    progress,
    read_source,
)
from veclab.cli.options import reading_options


@click.command()
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=complete_files
)
@model_option
@reading_options
@json_option
def quantize(inputs: tuple[str, ...], model: str, reading: dict[str, Any], as_json: bool) -> None:
    """Quantize a model to int8, calibrated on your texts.

    It is faster on CPUs with VNNI or AMX.

    INPUT is a file of texts as for `veclab embed`; 300 of them are sampled. The loss against f32
    is measured on them and printed. The result replaces the model's previous int8 version and is
    what --precision int8 uses from then on; its vectors are cached separately.
    """
    from veclab.models.catalog import find_transformer
    from veclab.models.local.openvino.int8 import find_or_quantize

    start = time.perf_counter()
    folder = find_transformer(model, "be quantized to int8")
    source = read_source(inputs, reading)
    texts = (text for block in source.blocks() for text in block.texts if text)
    with progress("calibrating", None):
        made = find_or_quantize(folder, texts)
    seconds = round(time.perf_counter() - start, 1)
    if as_json:
        print_json(
            {
                "model": folder.name,
                "precision": made.precision,
                "min_cosine": made.min_cosine,
                "loss": made.loss,
                "path": str(made.folder),
                "seconds": seconds,
            }
        )
        return
    print_facts(
        [
            ("from", folder.name),
            ("loss", made.loss.removeprefix("int8: ")),
            ("seconds", f"{seconds:,}"),
            ("written", str(made.folder)),
            ("use it", f"-m {model} --precision int8"),
        ]
    )
    for note in made.notes:
        print_note(note)
