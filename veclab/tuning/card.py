"""The model card of a tuned folder: what it was made from, how, and what was measured.

No text of the data is in it: a card is passed on with its model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from veclab.errors import OutputError
from veclab.models.local.folder import ModelFolder
from veclab.models.static.distill import license_line
from veclab.tuning.data import TrainingData
from veclab.tuning.method import Trained
from veclab.tuning.proof import Change, Proof
from veclab.tuning.split import Split

CARD = "README.md"


def write_card(
    folder: Path,
    name: str,
    base: ModelFolder,
    training: TrainingData,
    parts: Split,
    trained: Trained,
    proof: Proof,
) -> None:
    """Write the card into a model's folder.

    Raises:
        OutputError: it cannot be written.
    """
    text = card(name, base, training, parts, trained, proof)
    try:
        (folder / CARD).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the model card cannot be written: {error.strerror or error}") from error


def card(
    name: str,
    base: ModelFolder,
    training: TrainingData,
    parts: Split,
    trained: Trained,
    proof: Proof,
) -> str:
    """Return the card, in Markdown with a head that hubs and veclab read."""
    from importlib.metadata import version

    head = [
        "---",
        *([license_line(base.license)] if base.license else []),
        f"base_model: {json.dumps(base.name, ensure_ascii=False)}",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        *(["language:", *(f"- {code}" for code in base.languages)] if base.languages else []),
        "tags:",
        "- sentence-transformers",
        "- veclab",
        "---",
    ]
    body = [
        f"# {name}",
        "",
        f"{base.name}, tuned by veclab {version('veclab')} (`veclab tune`).",
        "",
        proof.verdict,
        "",
        "## Base",
        "",
        f"- {base.name}, weights {base.weights}",
        f"- license: {base.license or NO_LICENSE}",
        "",
        "## Data",
        "",
        f"- trained on {training.name}: {len(training):,} queries, {training.pairs:,} pairs, "
        f"{len(training.documents):,} documents (digest {training.digest})",
        f"- {parts}",
        *(f"- {note}" for note in training.notes),
        "",
        "## Training",
        "",
        f"- method: {trained.method}",
        *(f"- {fact}: {value}" for fact, value in trained.facts.items()),
        *(f"- {note}" for note in trained.notes),
        "",
        "## Measured",
        "",
        *_table([proof.gain, proof.general]),
        "",
        "Differences are of the same units, with 95% intervals by the paired bootstrap (1,000 "
        "resamples).",
        "",
        "## Use",
        "",
        "    import veclab",
        "",
        f'    model = veclab.load("path/to/{name}")',
        '    vectors = model.embed(["a question"], role="query")',
        "",
        "Questions are embedded as queries and what they search as documents, in "
        "sentence-transformers by `encode_query` and `encode_document`.",
    ]
    return "\n".join([*head, "", *body]) + "\n"


NO_LICENSE = "not stated in its folder; find out before you pass this model on"


def _table(changes: Sequence[Change]) -> list[str]:
    rows = [
        f"| {c.data} | {c.units} | {c.metric} | {c.before:.4f} | {c.after:.4f} | {c.value:+.4f} | "
        f"{c.low:+.4f} to {c.high:+.4f} |"
        for c in changes
    ]
    header = "| data | measured on | metric | base | tuned | difference | 95% interval |"
    return [header, "|" + " --- |" * 7, *rows]
