"""`veclab tune`: make a model better on your own data, if the gain can be proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import (
    device_option,
    echo,
    json_option,
    model_option,
    print_facts,
    print_json,
    print_table,
    progress,
)
from veclab.report import group_notes, one_line

if TYPE_CHECKING:
    from veclab.evaluation.leaderboard import Difference
    from veclab.rag.chat import Chat
    from veclab.tuning.tune import Tuned

_PAGES = (".html", ".htm")


def _sizes(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in (value or "").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of whole numbers: 128,64") from None


@click.command()
@model_option
@click.option(
    "--data",
    "-d",
    metavar="PATH",
    required=True,
    help="File of pairs or triples of texts, folder in BEIR format, store, or folder of documents.",
)
@click.option(
    "--output",
    "-o",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to create.",
)
@click.option(
    "--method",
    type=click.Choice(["adapter", "full", "static"]),
    default="adapter",
    show_default=True,
    help="adapter: a linear map for queries, documents stay as they are. full: all weights. "
    "static: distillation with your domain's words.",
)
@click.option(
    "--column",
    "-c",
    "columns",
    metavar="NAME",
    multiple=True,
    help="Columns of a file: first the query, then the document, then any of wrong documents. "
    "Default: by their names.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the queries to prove the gain on; training never sees them.",
)
@click.option(
    "--questions-by",
    metavar="openai:MODEL",
    help="Chat model that writes the queries for the passages of a store or folder.",
)
@click.option("--base-url", metavar="URL", help="OpenAI-compatible endpoint for --questions-by.")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="DOLLARS",
    help="Spend at most this much on --questions-by; planned before anything is sent.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the data, for --method full."
)
@click.option(
    "--batch",
    type=click.IntRange(min=2),
    help="Pairs in a batch, for --method full.  [default: 64]",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Highest learning rate, for --method full.  [default: 2e-5]",
)
@click.option(
    "--matryoshka",
    metavar="SIZES",
    callback=_sizes,
    help="Shorter lengths to train for, too, with --method full: 128,64.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    help="Dimensions of the model that --method static makes.  [default: 256]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for the split.")
@click.option("--anyway", is_flag=True, help="Save the model even if no gain is proven.")
@click.option(
    "--page",
    metavar="REPORT",
    type=click.Path(path_type=Path),
    help="Report to write: .html, a self-contained page.",
)
@device_option
@json_option
def tune(
    model: str,
    data: str,
    output: Path,
    method: Any,
    columns: tuple[str, ...],
    held_out: float,
    questions_by: str | None,
    base_url: str | None,
    max_cost: float | None,
    epochs: int | None,
    batch: int | None,
    learning_rate: float | None,
    matryoshka: tuple[int, ...],
    dimensions: int | None,
    seed: int,
    anyway: bool,
    page: Path | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Tune a model on your data, and prove the gain on queries held out.

    The data are split by document, so that nothing measured was seen. If the 95% interval of the
    gain does not exclude 0, nothing is saved, and the exit code is 1. Use the result like any other
    model: -m DIR.
    """
    from veclab.tuning.method import Settings
    from veclab.tuning.tune import tune as run

    if page is not None:
        _check_page(page)
    if (epochs or batch or learning_rate or matryoshka) and method != "full":
        raise click.UsageError(
            "--epochs, --batch, --learning-rate and --matryoshka require --method full"
        )
    if dimensions and method != "static":
        raise click.UsageError("--dimensions requires --method static")
    chat = _chat(questions_by, base_url, max_cost)
    settings = Settings(
        seed=seed,
        device=device,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        matryoshka=matryoshka,
        dimensions=dimensions,
    )
    with _stages() as on_stage:
        made = run(
            model,
            data,
            output,
            method=method,
            columns=columns,
            held_out=held_out,
            settings=settings,
            questions_by=chat,
            max_cost=max_cost,
            anyway=anyway,
            on_stage=on_stage,
        )
    if page is not None:
        from veclab.evaluation.page import write_page

        write_page(made.comparison, page)
    if as_json:
        print_json(made.to_dict())
    else:
        _print(made, page)
    if not made.saved:
        raise click.exceptions.Exit(1)


def _chat(name: str | None, base_url: str | None, max_cost: float | None) -> Chat | None:
    if name is None:
        if base_url is not None or max_cost is not None:
            raise click.UsageError("--base-url and --max-cost require --questions-by")
        return None
    from veclab.rag.chat import ChatModel
    from veclab.tuning.questions import EACH, answer_tokens_for

    tokens = answer_tokens_for(EACH)
    return ChatModel(name, base_url=base_url, answer_tokens=tokens, max_cost=max_cost)


def _check_page(page: Path) -> None:
    from veclab.atomic import check_output
    from veclab.evaluation.page import require_page

    if page.suffix.lower() not in _PAGES:
        raise click.BadParameter(
            f"{page}: the report is a page, {' or '.join(_PAGES)}", param_hint="--page"
        )
    check_output(page)
    require_page()


@contextmanager
def _stages() -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar after the other, each for a stage."""
    with ExitStack() as bars:
        stage, seen = "", 0
        advance: Callable[[int], None] = lambda steps: None  # noqa: E731

        def told(name: str, done: int, total: int) -> None:
            nonlocal stage, seen, advance
            if name != stage:
                bars.close()
                stage, seen = name, 0
                advance = bars.enter_context(progress(name, total, "steps"))
            advance(done - seen)
            seen = done

        yield told


def _print(made: Tuned, page: Path | None) -> None:
    print_facts(
        [
            ("base", made.base),
            ("method", made.method),
            ("data", made.data),
            ("split", made.split),
            ("trained", "; ".join(f"{k} {v}" for k, v in made.trained.facts.items())),
            *[("note", note) for note in group_notes(made.notes)],
        ]
    )
    echo()
    print_table(
        ["data", "metric", "base", "tuned", "difference", "95% interval", "p"],
        [
            [
                f"{one_line(change.data, 30)}, {change.units}",
                change.metric,
                f"{change.before:.4f}",
                f"{change.after:.4f}",
                f"{change.value:+.4f}",
                f"{change.low:+.4f} to {change.high:+.4f}",
                f"{change.p:.3f}",
            ]
            for change in (made.proof.gain, made.proof.general)
        ],
        left=2,
    )
    _print_moved("won most", made.proof.won)
    _print_moved("lost most", made.proof.lost)
    echo()
    echo(made.verdict)
    if page is not None:
        echo(f"report: {page}")


def _print_moved(label: str, queries: tuple[Difference, ...]) -> None:
    if not queries:
        return
    echo(f"\n{label}:")
    for query in queries:
        (_, old, _), (_, new, said) = query.rows
        echo(f"  {old:.2f} to {new:.2f}  {one_line(query.text, 80)}")
        echo(f"                {one_line(said, 100)}")
