"""`veclab evaluate-rag`: how well questions are answered from a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import echo, json_option, print_facts, print_json, print_table, progress
from veclab.cli.options import chat_model, chat_options, store_option
from veclab.report import group_notes

if TYPE_CHECKING:
    from veclab.evaluation.bootstrap import Estimate
    from veclab.rag.evaluate import RagEvaluation
    from veclab.rag.questions import Question
    from veclab.store.store import Store


def _numbers(_: Any, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Parse whole numbers with commas between them."""
    try:
        return None if value is None else tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a list of integers such as 128,256", param=option
        ) from None


@click.command("evaluate-rag")
@store_option
@click.option(
    "--questions",
    metavar="FILE.jsonl",
    type=click.Path(path_type=Path),
    help="Questions and answers. Default: generated from the documents' sentences.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=10),
    default=100,
    show_default=True,
    help="Number of questions to generate if no file is given.",
)
@click.option("--rerank", metavar="NAME", help="Also evaluate with this cross-encoder.")
@chat_options
@click.option(
    "--threshold", type=float, help="Minimum evidence for an answer. Default: the store's."
)
@click.option(
    "--set-threshold",
    is_flag=True,
    help="Calibrate the threshold on these questions and save it in the store, without evaluating.",
)
@click.option(
    "--refused",
    type=click.FloatRange(0, 1),
    default=0.06,
    show_default=True,
    help="With --set-threshold: maximum share of answerable questions to refuse.",
)
@click.option(
    "--documents",
    metavar="FOLDER",
    type=click.Path(path_type=Path, exists=True),
    help="With --chunk-size: the documents. Default: what the store was made of.",
)
@click.option(
    "--chunk-size", callback=_numbers, metavar="N,N,...", help="Compare these chunk sizes."
)
@click.option(
    "--overlap",
    callback=_numbers,
    metavar="N,N,...",
    help="With --chunk-size: overlaps to compare [0].",
)
@json_option
def evaluate_rag(
    store: str,
    questions: Path | None,
    sample: int,
    llm: dict[str, Any],
    set_threshold: bool,
    refused: float,
    documents: Path | None,
    chunk_size: tuple[int, ...] | None,
    overlap: tuple[int, ...] | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Evaluate retrieval, citations and refusals of a store, without an LLM as judge.

    All figures come with 95% confidence intervals.

    Each line of FILE.jsonl is a question with the words that answer it, or with an empty list if
    the documents do not answer it:

    \b
    {"question": "Who wrote it?", "answers": [{"document": "a.html", "text": "written by Ada"}]}
    """
    from veclab.rag.questions import read_questions
    from veclab.store.store import Store

    for name, given in (("--overlap", overlap), ("--documents", documents)):
        if given is not None and chunk_size is None:
            raise click.UsageError(f"{name} requires --chunk-size")
    if set_threshold and questions is None:
        raise click.UsageError("--set-threshold requires --questions FILE")
    if chunk_size is not None or set_threshold:
        mode = "--chunk-size" if chunk_size is not None else "--set-threshold"
        for name, value in (options | llm).items():
            if value is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} cannot be combined with {mode}")
    asked = None if questions is None else read_questions(questions)
    with Store.open(store) as opened:
        if set_threshold:
            assert asked is not None
            _set(opened, asked, refused, as_json)
            return
        n = sample if asked is None else len(asked)
        if chunk_size is not None:
            from veclab.rag.evaluate import compare_chunks

            total = n * len(chunk_size) * len(overlap or (0,))
            with progress("comparing", total, "questions") as advance:
                found = compare_chunks(
                    opened,
                    documents,
                    chunk_size,
                    overlap or (0,),
                    asked,
                    sample=sample,
                    on_done=advance,
                )
        else:
            from veclab.rag.evaluate import evaluate_rag as run

            options["llm"] = chat_model(llm)
            with progress("asking", 2 * n, "questions") as advance:
                found = run(opened, asked, sample=sample, on_done=advance, **options)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)


def _set(store: Store, asked: list[Question], refused: float, as_json: bool) -> None:
    from veclab.rag.evaluate import fit_threshold
    from veclab.rag.threshold import keep

    with progress("asking", len(asked), "questions") as advance:
        threshold = fit_threshold(store, asked, refused=refused, on_done=advance)
    keep(store, threshold)
    if as_json:
        print_json(threshold.to_dict())
    else:
        print_facts([("threshold", str(threshold)), ("saved in", store.place.name)])


def _show(found: RagEvaluation) -> None:
    from veclab.rag.evaluate import ANSWERING, FIGURES

    made = "generated from the documents" if found.method != "questions" else "given"
    echo(f"{found.questions} answerable questions ({made}), {found.unanswerable} unanswerable\n")
    rows = [[row.name, *(_interval(row.figures[name]) for name in FIGURES)] for row in found.rows]
    print_table(["retrieval", *FIGURES], rows)
    if found.answering:
        echo()
        print_table(
            ["answers", "share", "of"],
            [[name, _interval(value), ANSWERING[name]] for name, value in found.answering.items()],
            left=3,
        )
        echo()
        facts = [(name, f"{value:,}") for name, value in found.counts.items()]
        print_facts([*facts, ("threshold", str(found.threshold))])
    for note in group_notes(found.notes):
        echo(f"note: {note}")


def _interval(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
