"""`veclab batch`: large jobs by the Batch API, at half the price."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import (
    confirm,
    echo,
    json_option,
    model_option,
    print_facts,
    print_json,
    print_table,
    progress,
)
from veclab.cli.options import (
    chunks_option,
    loading_options,
    max_cost_option,
    max_tokens_option,
    policy_options,
    quantize_option,
    reading_options,
)
from veclab.cli.typed import Commands
from veclab.hints import typed
from veclab.report import group_notes

if TYPE_CHECKING:
    from veclab.models.openai.batch.job_folder import Part
    from veclab.models.openai.batch.jobs import Plan, Status
    from veclab.models.openai.batch.order import Order
    from veclab.models.openai.batch.pack import Packing

job_option = click.option(
    "--job",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Job folder. It holds the texts that are sent, readable only by you.",
)


_OF_A_NEW_JOB = ("model", "chunks", "quantize")


@click.group(cls=Commands)
def batch() -> None:
    """Embed at half the price with OpenAI's Batch API, within 24 hours.

    submit sends the texts whose vectors are not in the cache, status shows their progress, fetch
    downloads their vectors into the cache, where `veclab embed` finds them.
    """


@batch.command()
@click.argument("input", metavar="[INPUT]", required=False)
@model_option
@job_option
@reading_options
@policy_options
@chunks_option
@quantize_option
@max_tokens_option
@loading_options
@max_cost_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--queue-tokens",
    type=click.IntRange(min=1),
    default=3_000_000,
    show_default=True,
    help="The account's limit of enqueued tokens; the rest is sent by the next submit.",
)
@click.option(
    "--request-texts",
    type=click.IntRange(1, 2048),
    default=1,
    show_default=True,
    help="Texts per request. The price is the same, but they fail together.",
)
@click.option("--refused", is_flag=True, help="Also send texts that the endpoint refused before.")
@json_option
def submit(
    input: str | None,
    model: str,
    job: Path,
    reading: dict[str, Any],
    policies: dict[str, Any],
    chunks: bool,
    quantize: Any,
    max_tokens: int | None,
    loading: dict[str, Any],
    max_cost: float | None,
    yes: bool,
    queue_tokens: int,
    request_texts: int,
    refused: bool,
    as_json: bool,
) -> None:
    """Submit a job, or resume it.

    INPUT and the options of `veclab embed` start a job. --job alone resumes it, even after a crash:
    finished batches are fetched, and only texts without a vector are sent.

    What will be sent, and its cost, is printed first. OpenAI keeps the files for 30 days.
    """
    from veclab.models.openai.batch.order import Order
    from veclab.models.openai.batch.pack import Packing

    order = None
    loading = loading | {"max_tokens": max_tokens}
    if input is not None:
        writing = {"chunks": chunks, "quantize": quantize}
        given = {"reading": reading, "loading": loading, "policies": policies, "writing": writing}
        order = Order.of(input, model, **given)
    elif said := [name for name in (*_OF_A_NEW_JOB, *reading, *policies, *loading) if _given(name)]:
        options = ", ".join("--" + name.replace("_", "-") for name in said)
        raise click.UsageError(
            f"{options} applies only to a new job: give its INPUT too, or omit the option"
        )
    packing = Packing(request_inputs=request_texts, batch_tokens=queue_tokens)
    _submit(job, order, packing, max_cost, yes, refused, as_json)


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


@batch.command()
@click.option("--wait", is_flag=True, help="Wait until all batches are finished.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="With --wait: seconds between checks.",
)
@job_option
@json_option
def status(wait: bool, every: float, job: Path, as_json: bool) -> None:
    """Show the progress of a job's batches."""
    from veclab.errors import ProviderError
    from veclab.models.openai.batch import jobs
    from veclab.models.openai.batch.remote import Refusal

    now = jobs.status(job)
    with progress("requests", sum(part.requests for part in now.parts)) as advance:
        seen = 0
        while True:
            done = sum(part.done + part.failed for part in now.parts)
            advance(done - seen)
            seen = done
            if not (wait and now.running):
                break
            time.sleep(every)
            try:
                now = jobs.status(job)
            except Refusal:
                raise
            except ProviderError as error:  # a night has its outages
                echo(f"{error}; retrying in {every:g} s", err=True)
    if as_json:
        print_json(now.to_dict())
        return
    _print_parts(now)
    _print_next(now)


@batch.command()
@click.option(
    "--output",
    "-o",
    metavar="OUT.parquet",
    type=click.Path(path_type=Path),
    help="File to write once all vectors are available.",
)
@job_option
@json_option
def fetch(output: Path | None, job: Path, as_json: bool) -> int:
    """Download finished vectors into the cache.

    It can be repeated at any time: nothing is downloaded twice. Exit code: 0 if no vectors are
    pending, 1 otherwise.
    """
    from veclab.atomic import check_output
    from veclab.models.openai.batch import jobs

    if output is not None:
        check_output(output)
    with progress("fetching", None) as advance:
        now = jobs.fetch(job, on_done=advance)
    found = now.progress
    assert found is not None
    report = None
    if output is not None and found.complete:
        with progress("writing", None) as advance:
            report = jobs.write(job, output, on_done=advance)
    if as_json:
        written = {} if report is None else {"output": str(output), "report": report.to_dict()}
        print_json(now.to_dict() | written)
        return 0 if found.settled else 1
    print_facts(found.lines())
    if report is not None:
        print_facts([*report.lines(), ("written", str(output))])
    elif found.complete:
        echo(f"every vector is in the cache: {now.order.command()}")
    else:
        if output is not None:
            echo(f"{output} was not written: vectors are missing", err=True)
        if found.settled:
            echo(
                f"all other vectors are in the cache; embed skips these texts: "
                f"{now.order.command()}"
            )
        else:
            _print_next(now)
    return 0 if found.settled else 1


def _submit(
    job: Path,
    order: Order | None,
    packing: Packing,
    max_cost: float | None,
    yes: bool,
    refused: bool,
    as_json: bool,
) -> None:
    from veclab.models.openai.batch import jobs

    plans: list[Plan] = []

    def show(plan: Plan) -> None:
        plans.append(plan)
        if not as_json:
            print_facts(plan.lines())

    def agreed() -> bool:
        if yes or as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        return confirm("Send it?")

    def sent(part: Part) -> None:
        if sys.stderr.isatty():
            echo(f"file {part.name}: batch {part.batch_id}", err=True)

    with progress("packing", None) as advance:
        now = jobs.submit(
            job,
            order,
            packing=packing,
            max_cost=max_cost,
            refused=refused,
            on_plan=show,
            confirm=agreed,
            on_done=advance,
            on_part=sent,
        )
    if as_json:
        print_json(now.to_dict() | {"plan": plans[0].to_dict()})
        return
    _print_parts(now)
    _print_next(now)


def _print_parts(now: Status) -> None:
    if not now.parts:
        return
    rows = [
        [
            part.name,
            part.status + (", read" if part.read else ""),
            part.batch_id or "-",
            f"{part.inputs:,}",
            f"{part.tokens:,}",
            f"{part.done:,}",
            f"{part.failed:,}",
            f"{part.requests:,}",
        ]
        for part in now.parts
    ]
    header = ["file", "status", "batch", "inputs", "tokens", "done", "failed", "requests"]
    print_table(header, rows, left=3)
    for part in now.parts:
        for problem in group_notes(part.problems):
            echo(f"file {part.name}: {problem}")
    for twin in now.cancelled:
        echo(f"batch {twin} was a duplicate and was cancelled")


def _print_next(now: Status) -> None:
    """Print what to do next."""
    finished = [part for part in now.parts if part.final and not part.read]
    lacking = [part for part in now.parts if part.final and part.read and part.unanswered]
    if now.running:
        echo(f"{now.running} running: {typed('batch', 'status', '--wait', '--job', now.path)}")
    if finished:
        echo(f"{len(finished)} finished: {typed('batch', 'fetch', '--job', now.path)}")
    if now.unsent and now.running:
        echo(
            f"{now.unsent} waiting for room in the queue (--queue-tokens); when others are "
            f"finished: {typed('batch', 'submit', '--job', now.path)}"
        )
    elif now.unsent or (lacking and not now.running):
        echo(f"to send the missing texts: {typed('batch', 'submit', '--job', now.path)}")
    if all(part.read and not part.unanswered for part in now.parts):
        echo(f"every vector is in the cache: {now.order.command()}")
