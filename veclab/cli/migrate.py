"""`veclab migrate`: change a store's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import json_option, print_facts, print_json, progress
from veclab.cli.options import loading_options, store_option

if TYPE_CHECKING:
    from veclab.store.migrate import Migration, Quality


@click.command()
@store_option
@click.option("--model", "-m", metavar="NAME", help="The new model.")
@click.option("--back", is_flag=True, help="Search the vectors of the model before again.")
@click.option(
    "--switch/--no-switch",
    default=None,
    help="Whether to switch; by default unless the new model is clearly worse.",
)
@loading_options
@json_option
def migrate(
    store: str,
    model: str | None,
    back: bool,
    switch: bool | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Change a store's model: embed again, compare old and new, switch in one step.

    Searches go on meanwhile. Both models are asked for the passages of 200 sentences from the
    store; the old vectors are kept, and `--back` searches them again.
    """
    from veclab.model import load
    from veclab.store.migrate import go_back
    from veclab.store.migrate import migrate as change
    from veclab.store.store import Store

    if back == (model is not None):
        raise click.UsageError("give the new model (-m NAME), or --back, and not both")
    with Store.open(store) as opened:
        if back:
            go_back(opened)
            click.echo(f"the store {store} is searched by {opened.space} again")
            return
        assert model is not None
        loaded = load(model, **loading)
        folder = str(Path(model).resolve()) if Path(model).is_dir() else None
        with progress("embedding", opened.count(), "passages") as advance:
            done = change(opened, loaded, folder, switch=switch, on_done=advance)
    if as_json:
        print_json(done.to_dict())
        return
    compared = []
    if done.old_quality is not None and done.difference is not None:
        value, low, high = done.difference
        compared = [
            ("old", f"{done.old}: {_quality(done.old_quality)}"),
            ("difference", f"{value:+.3f} MRR, 95% from {low:+.3f} to {high:+.3f}"),
        ]
    print_facts(
        [
            *compared,
            ("new", f"{done.new}: {_quality(done.new_quality)}"),
            ("measured", f"{done.questions} sentences of passages, asked for their passage"),
            ("seconds", f"{done.seconds:,.1f}"),
            *[("note", note) for note in done.report.notes],
            ("result", _result(done, store)),
        ]
    )


def _quality(quality: Quality) -> str:
    return f"finds {quality.found:.1%} in its first ten, MRR {quality.mrr:.3f}"


def _result(done: Migration, store: str) -> str:
    if done.switched:
        return f"the new vectors are searched now; back: veclab migrate --store {store} --back"
    return "the old vectors stay: the new ones are worse, or --no-switch was given (--switch)"
