"""`veclab audit`: what is wrong with a file of vectors?"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from veclab.cli.console import echo, json_option, print_json, progress, styled
from veclab.report import one_line

if TYPE_CHECKING:
    from veclab.auditing.audit import Audit
    from veclab.auditing.findings import Finding

_COLORS = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}
_INDENT = " " * 10


@click.command()
@click.argument("file", metavar="VECTORS")
@click.option(
    "--column",
    "-c",
    metavar="NAME",
    help="The column that holds the vectors, if there are several.",
)
@click.option(
    "--text-column",
    metavar="NAME",
    multiple=True,
    help="The column that holds the texts; given several times, the columns are joined.",
)
@click.option(
    "--prove/--no-prove",
    default=True,
    help="Re-embed 64 texts with the file's model and compare.  [default: prove]",
)
@click.option(
    "--sample",
    type=click.IntRange(min=100),
    default=4096,
    show_default=True,
    help="Vectors to compare with each other; more is slower and more precise.",
)
@json_option
def audit(
    file: str,
    column: str | None,
    text_column: tuple[str, ...],
    prove: bool,
    sample: int,
    as_json: bool,
) -> int:
    """Check a file of vectors for problems.

    VECTORS is a .parquet, .arrow, .npz, .npy or .safetensors file, of veclab or any other
    tool; a FAISS index; the folder of a Chroma or a local Qdrant; qdrant://HOST:PORT or
    postgresql://... (#NAME after it names a collection or table). It is only read. Each finding
    says what it means for search and what to do.

    Exit code: 0 if there is no problem, 1 if there is one, 2 if the file cannot be read.
    """
    from veclab.auditing.audit import audit as look_into

    with progress("auditing", None):
        found = look_into(file, prove=prove, column=column, text_column=text_column, sample=sample)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)
    return 1 if found.worst == "problem" else 0


def _print(audit: Audit) -> None:
    about = audit.about
    echo(
        f"{about.name}: {about.rows:,} vectors of {about.dimensions:,} dimensions "
        f"(column {about.column}, {about.dtype})\n"
    )
    for finding in audit.findings:
        _print_finding(finding)
    counts = ", ".join(
        f"{count} {severity}" for severity, count in reversed(audit.count().items()) if count
    )
    echo(f"\n{counts}; {audit.seconds:.1f} s")


def _print_finding(finding: Finding) -> None:
    label = styled(f"{finding.severity:>8}", _COLORS[finding.severity])
    echo(label, f"  {_wrapped(f'{finding.name}: {finding.found}')}")
    if finding.severity == "ok":
        return
    if finding.means:
        echo(f"{_INDENT}{_wrapped(finding.means)}")
    if finding.do:
        echo(f"{_INDENT}{_wrapped(f'What to do: {finding.do}')}")
    for example in finding.examples:
        more = [
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value:,}"
            for key, value in example.items()
            if key not in ("id", "text")
        ]
        text = f": {one_line(example['text'], 50)}" if example["text"] else ""
        echo(f"{_INDENT}- {' '.join([example['id'], *more])}{text}")


def _wrapped(text: str) -> str:
    """Return lines of at most 98 columns, set in; the first is to follow a label as wide."""
    lines = textwrap.fill(
        text, 98, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
    )
    return lines[len(_INDENT) :]
