"""`veclab migrate`: change a store's model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo, json_option, print_facts, print_json, progress
from veclab.cli.options import loading_options, store_option
from veclab.hints import typed
from veclab.report import group_notes

if TYPE_CHECKING:
    from veclab.model import Model
    from veclab.rag.questions import Question
    from veclab.store.bridge import Bridging
    from veclab.store.migrate import Migration, Quality
    from veclab.store.store import Store


@click.command()
@store_option
@click.option(
    "--model", "-m", shell_complete=complete_models, metavar="NAME", help="The new model."
)
@click.option(
    "--back",
    is_flag=True,
    help="Undo the last change: remove the bridge, or return to the previous model.",
)
@click.option(
    "--bridge",
    is_flag=True,
    help="Embed only a sample, and learn a map that lets the new model search the old vectors.",
)
@click.option(
    "--min-recall",
    type=click.FloatRange(0, 1),
    help="With --bridge: minimum share of the old model's top 10 to keep, or the bridge is "
    "refused [0.8].",
)
@click.option(
    "--sample",
    type=click.IntRange(60, 50_000),
    help="With --bridge: number of passages to embed with both models [2000].",
)
@click.option(
    "--switch/--no-switch",
    default=None,
    help="Whether to switch. Default: unless the new model is clearly worse.",
)
@click.option(
    "--questions",
    metavar="FILE",
    help="Compare on these questions: JSON Lines, as for evaluate-rag. Default: sentences from the "
    "store.",
)
@loading_options
@json_option
def migrate(
    store: str,
    model: str | None,
    back: bool,
    bridge: bool,
    min_recall: float | None,
    sample: int | None,
    switch: bool | None,
    questions: str | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Change a store's model: re-embed, compare old and new, switch in one step.

    Searches continue meanwhile. Both models search for the answers to your questions, or for the
    passages of 200 sentences from the store. The old vectors are kept, and `--back` returns to
    them.

    With `--bridge`, nothing is switched: `veclab search -m NEWMODEL` searches the old vectors.
    """
    from veclab.store.store import Store

    if back == (model is not None):
        raise click.UsageError("give either the new model (-m NAME) or --back")
    if bridge and (back or switch is not None):
        raise click.UsageError("--bridge cannot be combined with --back or --switch")
    if questions is not None and (back or bridge):
        raise click.UsageError("--questions cannot be combined with --back or --bridge")
    if not bridge and (min_recall is not None or sample is not None):
        raise click.UsageError("--min-recall and --sample require --bridge")
    with Store.open(store) as opened:
        store = opened.place.name  # an address without its password
        if model is None:
            _go_back(opened, store)
        elif bridge:
            built = _bridge(opened, model, min_recall, sample, loading)
            _show_bridge(built, model, store, as_json)
        else:
            done = _migrate(opened, model, switch, questions, loading)
            _show(done, store, as_json)


def _go_back(opened: Store, store: str) -> None:
    from veclab.store.migrate import go_back

    if go_back(opened) == "bridge":
        told = f"the bridge was removed: the store {store} is searched only with {opened.space}"
    else:
        told = f"the store {store} is searched again with {opened.space}"
    echo(told)


def _loaded(model: str, loading: dict[str, Any]) -> tuple[Model, str | None]:
    """The model, and its path where it is a folder, by which it is found again."""
    from veclab.model import load

    return load(model, **loading), str(Path(model).resolve()) if Path(model).is_dir() else None


def _bridge(
    opened: Store,
    model: str,
    min_recall: float | None,
    sample: int | None,
    loading: dict[str, Any],
) -> Bridging:
    from veclab.store.bridge import MIN_RECALL, SAMPLE, build_bridge

    least = MIN_RECALL if min_recall is None else min_recall
    count = SAMPLE if sample is None else sample
    loaded, folder = _loaded(model, loading)
    with progress("embedding", 3 * min(count, opened.count()), "texts") as advance:
        return build_bridge(opened, loaded, folder, min_recall=least, sample=count, on_done=advance)


def _migrate(
    opened: Store,
    model: str,
    switch: bool | None,
    questions: str | None,
    loading: dict[str, Any],
) -> Migration:
    from veclab.store.migrate import migrate as change

    loaded, folder = _loaded(model, loading)
    asked = None if questions is None else _answered(questions)
    with progress("embedding", opened.count(), "passages") as advance:
        return change(opened, loaded, folder, switch=switch, questions=asked, on_done=advance)


def _show(done: Migration, store: str, as_json: bool) -> None:
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
            ("measured", f"on {done.questions} {done.questions_from}"),
            ("seconds", f"{done.seconds:,.1f}"),
            *[("note", note) for note in group_notes(done.report.notes)],
            ("result", _result(done, store)),
        ]
    )


def _answered(file: str) -> list[Question]:
    """Read the questions of a file that the documents answer."""
    from veclab.rag.questions import read_questions

    return [question for question in read_questions(file) if question.answers]


def _show_bridge(built: Bridging, model: str, store: str, as_json: bool) -> None:
    if as_json:
        print_json(built.to_dict())
    else:
        top = "of the new model's own top 10"
        print_facts(
            [
                ("from", built.new),
                ("to", built.old),
                ("map", built.kind),
                ("keeps", f"{_share(built.old_kept)} of the old model's own top 10 in the store"),
                ("", f"{_share(built.new_kept)} {top} among {built.passages:,} passages"),
                ("", f"(the old model itself {_share(built.old_of_new)} of those)"),
                ("measured", f"on {built.questions} held-out sentences"),
                ("seconds", f"{built.seconds:,.1f}"),
                ("result", _bridge_result(built, model, store)),
            ]
        )
    if not built.saved:
        sys.exit(1)


def _share(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.1%} (95% from {value[1]:.1%} to {value[2]:.1%})"


def _bridge_result(built: Bridging, model: str, store: str) -> str:
    if built.saved:
        return (
            f"queries of the new model search the old vectors, as {built.space}: "
            f"{typed('search', 'your question', '--store', store, '-m', model)}; "
            f"remove: {typed('migrate', '--store', store, '--back')}"
        )
    return (
        f"refused, nothing was saved: it keeps {built.old_kept[0]:.1%}, less than the required "
        f"{built.min_recall:.0%} (--min-recall); try a larger --sample, or re-embed without "
        "--bridge"
    )


def _quality(quality: Quality) -> str:
    return f"recall@10 {quality.found:.1%}, MRR {quality.mrr:.3f}"


def _result(done: Migration, store: str) -> str:
    if done.switched:
        back = typed("migrate", "--store", store, "--back")
        return f"the new vectors are now in use; to go back: {back}"
    return "the old vectors stay in use: the new ones are worse, or --no-switch was given"
