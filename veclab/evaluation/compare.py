"""Which model is best on your data: a bake-off.

For each model: load it once, embed every data set once (vectors come from the cache), put the
question to its vectors and to those truncated or quantized, and take its time. What was found
is kept, one file per model and data set: a run that was stopped goes on, and one more model
computes only that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veclab.errors import BadVectors, InputError, OutputError, VeclabError
from veclab.evaluation.datasets import Dataset, RetrievalData
from veclab.evaluation.leaderboard import Board, Comparison, Outcome, make_board, make_comparison
from veclab.evaluation.recognize import Choice, read_dataset
from veclab.evaluation.results import Result, Results
from veclab.evaluation.scoring import examine
from veclab.evaluation.timing import (
    ColdStart,
    measure_cold_start,
    measure_speed,
    speed_sample,
    this_machine,
)
from veclab.evaluation.variants import Variant
from veclab.model import Model, load
from veclab.models.providers import is_prefixed
from veclab.provider import role_of
from veclab.report import Report, group_notes
from veclab.space import OnLong, Role
from veclab.vectors import Vectors


@dataclass(slots=True)
class Settings:
    """How models are run (see `compare`), and the dollars spent so far."""

    on_long: OnLong = "truncate"
    role: Role | None = None
    timing: bool = True
    loading: Mapping[str, Any] = field(default_factory=dict)
    on_done: Callable[[int], None] = lambda texts: None
    max_cost: float | None = None
    spent: float = 0.0


@dataclass(slots=True)
class Entry:
    """One model with its rows: a name to load, or a model at hand."""

    name: str
    model: Model | None
    variants: list[Variant]
    cold_start: ColdStart | str | None = None


def compare(
    models: str | Model | Sequence[str | Model],
    data: str | Path | Dataset | Sequence[str | Path | Dataset],
    *,
    choice: Choice | None = None,
    results: str | Path | None = None,
    on_long: OnLong = "truncate",
    role: Role | None = None,
    timing: bool = True,
    loading: Mapping[str, Any] | None = None,
    on_done: Callable[[int], None] | None = None,
    max_cost: float | None = None,
) -> Comparison:
    """Compare models on data sets.

    Args:
        models: names or folders, each with what shall be done to its vectors: `name@128` (cut),
            `name+int8`, `name+binary`, `name@128+binary`; or models that are loaded.
        data: files, folders, or data sets of `veclab.evaluation.recognize.read_dataset`.
        choice: what the shape of files and folders does not tell.
        results: folder of the result files; by default `compare` in the user's veclab directory.
        on_long: what to do with texts over the limit, `truncate` or `split`.
        role: prompt for texts that are compared as equals. Queries and documents have theirs.
        timing: measure speed, cold start and peak memory.
        loading: further arguments of `veclab.load`.
        on_done: called with the number of texts finished since the last call.
        max_cost: dollars for all models together; one that would go beyond fails.

    Returns:
        A Comparison. A model that fails has rows that say why; the others finish.

    Raises:
        InputError: no models, no data, or data whose task cannot be told.
        OutputError: a result cannot be kept.
    """
    models = [models] if isinstance(models, (str, Model)) else models
    data = [data] if isinstance(data, (str, Path, Dataset)) else data
    if not models or not data:
        raise InputError("give at least one model and one data set")
    if on_long == "error":
        raise InputError("on_long='error' would stop at the first long text; truncate or split")
    entries = _entries(models)
    datasets = [d if isinstance(d, Dataset) else read_dataset(d, choice) for d in data]
    done = on_done or (lambda texts: None)
    settings = Settings(on_long, role, timing, loading or {}, done, max_cost)
    kept = Results(results)
    outcomes: list[list[Outcome]] = [[] for _ in datasets]
    for entry in entries:
        for place, found in enumerate(_run(entry, datasets, kept, settings)):
            outcomes[place] += found
    order = {label: n for n, label in enumerate(_labels(models))}
    boards: list[Board] = []
    for dataset, rows in zip(datasets, outcomes, strict=True):
        boards.append(make_board(dataset, sorted(rows, key=lambda row: order[row.label])))
    return make_comparison(boards)


def _labels(models: Sequence[str | Model]) -> list[str]:
    return [model if isinstance(model, str) else model.space.model for model in models]


def _entries(models: Sequence[str | Model]) -> list[Entry]:
    """Return one entry for each model, with all its variants, in order of first appearance."""
    labels = _labels(models)
    if repeated := {label for label in labels if labels.count(label) > 1}:
        raise InputError(f"named more than once: {', '.join(sorted(repeated))}")
    entries: dict[str, Entry] = {}
    for model in models:
        if isinstance(model, Model):
            entries[model.space.model] = Entry(model.space.model, model, [Variant()])
            continue
        name, variant = Variant.parse(model)
        entries.setdefault(name, Entry(name, None, [])).variants.append(variant)
    return list(entries.values())


def _run(
    entry: Entry, datasets: Sequence[Dataset], results: Results, settings: Settings
) -> list[list[Outcome]]:
    """Run one model on every data set; for each, return the outcomes of its variants."""
    try:
        model = entry.model or load(entry.name, **_loading(entry.name, settings))
    except Exception as error:
        failed = [
            Outcome(entry.name + str(v), str(v), error=_reason(error)) for v in entry.variants
        ]
        settings.on_done(sum(len(side) for d in datasets for side in d.sides))
        return [failed for _ in datasets]
    return [_measure(entry, model, dataset, results, settings) for dataset in datasets]


def _loading(name: str, settings: Settings) -> dict[str, Any]:
    """Return the arguments for `load`; a device is for the models that run here."""
    remote = is_prefixed(name)
    return {key: v for key, v in settings.loading.items() if not (remote and key == "device")}


def _measure(
    entry: Entry, model: Model, dataset: Dataset, results: Results, settings: Settings
) -> list[Outcome]:
    """Measure one model on one data set; what is known already is not computed again."""
    errors: dict[str, str] = {}
    roles = _roles(model, dataset, settings.role)
    result = Result(entry.name, model.space.to_dict(), dataset.name, dataset.digest, dataset.task)
    try:
        runs = [model.start(role=role, on_long=settings.on_long) for role in roles]
        recipes = [run.recipe.id for run in runs]
        path = results.path(entry.name, dataset.name, recipes, dataset.digest)
        result = results.load(path) or result
        missing = [variant for variant in entry.variants if str(variant) not in result.rows]
        if missing:
            sides = embed_sides(model, dataset, roles, result, settings)
            errors = _examine(dataset, sides, missing, result)
        else:
            settings.on_done(sum(map(len, dataset.sides)))
        timed = settings.timing and _time(entry, model, dataset, roles, settings, result)
        if result.rows and (missing or timed):
            results.save(path, result)
    except OutputError:
        raise
    except Exception as error:  # a provider may raise anything; its row says what
        reason = _reason(error)
        errors = {str(v): reason for v in entry.variants if str(v) not in result.rows} or errors
        if not errors:  # only the timing failed: the figures stand
            result.notes.append(f"timing failed: {reason}")
    return [_outcome(entry, v, result, errors.get(str(v)), model) for v in entry.variants]


def _roles(model: Model, dataset: Dataset, role: Role | None) -> list[Role | None]:
    """Return the role of each side: a role matters only where the model has a prompt for it."""
    if not isinstance(dataset, RetrievalData):
        return [role for _ in dataset.sides]
    return [role_of(model.space, "query"), role_of(model.space, "document")]


def embed_sides(
    model: Model,
    dataset: Dataset,
    roles: Sequence[Role | None],
    result: Result,
    settings: Settings | None = None,
) -> list[Vectors]:
    """Embed all sides; what happened to the texts goes into the result.

    Sides of one role go together, so that a text on both is computed (and paid for) once.

    Args:
        model: that embeds.
        dataset: whose sides they are.
        roles: of the sides.
        result: whose counts and notes are filled.
        settings: how it is run, and the dollars spent so far.

    Raises:
        BadVectors: a text was refused.
        And what `Model.embed` raises.
    """
    settings = settings or Settings()
    places: dict[Role | None, list[int]] = {}
    for place, role in enumerate(roles):
        places.setdefault(role, []).append(place)
    sides: dict[int, Vectors] = {}
    total = Report()
    for role, together in places.items():
        texts = [text for place in together for text in dataset.sides[place]]
        vectors = _bought(model, texts, role, settings)
        report = vectors.report or Report()
        if len(vectors) != len(texts):
            raise BadVectors(
                f"{len(texts) - len(vectors):,} text(s) were refused, and without them the figures "
                f"would not be comparable: {'; '.join(group_notes(report.notes))}"
            )
        total.texts += report.texts
        total.tokens += report.tokens
        total.truncated += report.truncated
        total.tokens_lost += report.tokens_lost
        total.note(*report.notes)
        start = 0
        for place in together:
            stop = start + len(dataset.sides[place])
            sides[place] = vectors[start:stop]
            start = stop
    result.texts, result.tokens = total.texts, total.tokens
    result.truncated, result.tokens_lost = total.truncated, total.tokens_lost
    result.notes = list(total.notes)
    price = model.provider.limits.price
    if price and total.texts:
        result.dollars = price * total.tokens / total.texts
    return [sides[place] for place in range(len(roles))]


def _bought(model: Model, texts: list[str], role: Role | None, settings: Settings) -> Vectors:
    """Call `Model.embed` within what is left of the dollars."""
    limit, left = settings.max_cost, None
    if limit is not None:
        left = max(0.0, limit - settings.spent)
        if model.provider.limits.paid:
            # What a run that fails has spent, nobody knows: then nothing more is bought.
            settings.spent = limit
    vectors = model.embed(
        texts,
        role=role,
        on_long=settings.on_long,
        on_empty="error",
        on_done=settings.on_done,
        max_cost=left,
    )
    if limit is not None and left is not None and model.provider.limits.paid:
        spent = 0.0 if vectors.report is None else vectors.report.dollars or 0.0
        settings.spent = limit - left + spent
    return vectors


def _examine(
    dataset: Dataset, sides: Sequence[Vectors], variants: Sequence[Variant], result: Result
) -> dict[str, str]:
    """Put the question to each variant; gives the reasons of those that fail."""
    errors: dict[str, str] = {}
    stored = 1 if isinstance(dataset, RetrievalData) else None
    for variant in variants:
        try:
            result.rows[str(variant)] = examine(dataset, variant.apply(sides, stored))
        except VeclabError as error:
            errors[str(variant)] = _reason(error)
    return errors


def _time(
    entry: Entry,
    model: Model,
    dataset: Dataset,
    roles: Sequence[Role | None],
    settings: Settings,
    result: Result,
) -> bool:
    """Take the timings that are not there yet for this machine; says whether there are new ones."""
    machine = this_machine()
    if result.speed is not None and result.timed_on(machine):
        return False
    if model.provider.limits.paid:
        result.notes.append("speed not measured: it would cost money")
        return False
    texts = speed_sample(max(dataset.sides, key=len))
    role = roles[dataset.sides.index(max(dataset.sides, key=len))]
    result.speed = measure_speed(model, texts, role=role, on_long=settings.on_long)
    result.machine = machine.to_dict()
    if entry.model is None:
        options = (
            [f"--device={settings.loading['device']}"] if settings.loading.get("device") else []
        )
        entry.cold_start = entry.cold_start or measure_cold_start(entry.name, options)
        if isinstance(entry.cold_start, str):
            result.notes.append(entry.cold_start)
        else:
            result.cold_start = entry.cold_start
    return True


def _outcome(
    entry: Entry, variant: Variant, result: Result, error: str | None, model: Model
) -> Outcome:
    label = entry.name + str(variant)
    if error is not None:
        return Outcome(label, str(variant), error=error)
    dimensions = model.space.dimensions
    return Outcome(
        label,
        str(variant),
        result=result,
        dimensions=variant.cut or dimensions,
        bytes_per_vector=variant.bytes_per_vector(dimensions),
    )


def _reason(error: Exception) -> str:
    """Return an error in one line."""
    text = " ".join(str(error).split()) or "no reason given"
    return text if isinstance(error, VeclabError) else f"{type(error).__name__}: {text}"
