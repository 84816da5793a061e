"""`veclab store`: look after a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import echo, json_option, print_facts, print_json
from veclab.cli.options import store_option
from veclab.cli.typed import Commands
from veclab.hints import typed
from veclab.report import one_line

if TYPE_CHECKING:
    from veclab.store.state import BridgeInfo


@click.group(cls=Commands)
def store() -> None:
    """Inspect, check, compact, export or tune a store."""


@store.command()
@store_option
@json_option
def inspect(store: str, as_json: bool) -> None:
    """Show a store's model, contents and settings."""
    from veclab.store.maintain import inspect as look
    from veclab.store.store import Store

    with Store.open(store) as opened:
        facts, store = look(opened), opened.place.name
        space, bridge = str(opened.space), _bridge(opened.state.bridge, store)
    if as_json:
        print_json(facts)
        return
    sources = [f"{n:,} from {name or 'memory'}" for name, n in facts["sources"].items()]
    lines = [
        ("model", space),
        ("passages", f"{facts['passages']:,}"),
        ("documents", f"{facts['documents']:,}: {'; '.join(sources[:5])}"),
        ("fields", ", ".join(f"{one_line(n)} ({k})" for n, k in facts["fields"].items()) or "none"),
        ("language", facts["language"]),
        ("chunking", ", ".join(f"{n} {v}" for n, v in facts["settings"].items())),
        ("search", _search(facts)),
        ("files", f"{facts['files']:,} in {facts['bytes'] / 1e6:,.1f} MB"),
        ("version", f"{facts['table_version']}, {facts['versions_kept']} kept"),
    ]
    if bridge is not None:
        lines.append(("bridge", bridge))
    if facts["previous_space_id"] is not None:
        back = typed("migrate", "--store", store, "--back")
        lines.append(("previous", f"space {facts['previous_space_id']}: {back}"))
    print_facts(lines)


def _bridge(info: BridgeInfo | None, store: str) -> str | None:
    if info is None:
        return None
    (old, low, high), questions = info.measured["old_kept"], info.measured["questions"]
    return (
        f"queries of {info.source} also search it, as {info.space}: {info.kind}, keeps "
        f"{old:.1%} of the top 10 (95% from {low:.1%} to {high:.1%}, {questions} sentences); "
        f"remove it: {typed('migrate', '--store', store, '--back')}"
    )


def _search(facts: dict[str, Any]) -> str:
    tuning = facts["tuning"]
    if tuning is None:
        return str(facts["vector_search"])
    options = ", ".join(f"{name} {value}" for name, value in tuning["search"].items())
    return (
        f"index, recall@10 {tuning['recall']:.3f} (target {tuning['target']}), measured on "
        f"{tuning['queries']} queries ({tuning['queries_from']}) at {tuning['rows']:,} passages: "
        f"{options}"
    )


@store.command()
@store_option
@click.option(
    "--keep-hours",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Keep versions newer than this, for searches in progress.",
)
@json_option
def compact(store: str, keep_hours: float, as_json: bool) -> None:
    """Merge small files and remove old versions."""
    from datetime import timedelta

    from veclab.store.maintain import compact as tidy
    from veclab.store.store import Store

    with Store.open(store) as opened:
        done = tidy(opened, timedelta(hours=keep_hours))
    if as_json:
        print_json(done)
        return
    if rebuilt := done["indices_rebuilt"]:
        echo(f"built again, as it could not be used: the index of {' and '.join(rebuilt)}")
    echo(f"{done['bytes_before'] / 1e6:,.1f} MB before, {done['bytes_after'] / 1e6:,.1f} now")


@store.command()
@click.argument("output", metavar="OUT.parquet", type=click.Path(path_type=Path))
@store_option
@json_option
def export(output: Path, store: str, as_json: bool) -> None:
    """Write all passages with their vectors and the Space to a Parquet file."""
    from veclab.store.maintain import export as write
    from veclab.store.store import Store

    with Store.open(store) as opened:
        count = write(opened, output)
    if as_json:
        print_json({"output": str(output), "passages": count})
    else:
        echo(f"{count:,} passages written to {output}")


@store.command()
@store_option
@json_option
@click.pass_context
def check(context: click.Context, store: str, as_json: bool) -> None:
    """Read a whole store and report damage; exit code 1 if there is any."""
    from veclab.store.maintain import check as look
    from veclab.store.store import Store

    with Store.open(store) as opened:
        findings = look(opened)
    if as_json:
        print_json([{"what": f.what, "good": f.good, "seen": f.seen} for f in findings])
    else:
        print_facts([(f.what, f"{'ok' if f.good else 'DAMAGED'}: {f.seen}") for f in findings])
    context.exit(0 if all(f.good for f in findings) else 1)


@store.command()
@store_option
@click.option("--recall", type=click.FloatRange(0.5, 1), help="Target recall@10 [0.99].")
@click.option(
    "--questions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of queries to measure on, one per line. Default: sentences from passages.",
)
@json_option
def tune(store: str, recall: float | None, questions: Path | None, as_json: bool) -> None:
    """Tune the search of a large store for a target recall."""
    from veclab.store.store import Store

    lines = None
    if questions is not None:
        lines = [
            line for line in questions.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    with Store.open(store) as opened, opened.writing():
        found = opened.tune(lines, recall or 0.99)
        if found is not None:
            opened.publish()
    if as_json:
        print_json(None if found is None else found.to_dict())
    elif found is None:
        echo("the store is small: every search is exact")
    else:
        print_facts([(n.replace("_", " "), str(v)) for n, v in found.to_dict().items()])
