"""Tune a model for one's own domain: read, split, train, prove, save. One way, from top to bottom.

Nothing lies at the output before all of it is done: the model is made in a hidden folder beside
it, `.NAME.veclab-tune`, and moved into place in one step, or removed with a reason. What a killed
run leaves there is what the next run of the same base, data and settings goes on from.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError, OutputError
from veclab.evaluation.datasets import PairData
from veclab.evaluation.leaderboard import Comparison
from veclab.evaluation.timing import this_machine
from veclab.home import home
from veclab.model import Model, load
from veclab.models.catalog import find_transformer
from veclab.provider import role_of
from veclab.tuning.alike import COMPARED, alike
from veclab.tuning.card import NO_LICENSE, write_card
from veclab.tuning.data import TrainingData
from veclab.tuning.method import MethodName, Settings, Trained, find_method, work_key
from veclab.tuning.mining import NEGATIVES, mine
from veclab.tuning.proof import Proof, doubt_of, general_pairs, prove
from veclab.tuning.questions import plan_questions, write_questions
from veclab.tuning.sources import read_parts, read_training
from veclab.tuning.split import HELD_OUT, Split, split

if TYPE_CHECKING:
    from veclab.rag.chat import Chat

# Answers of chat models, in veclab's own directory.
QUESTIONS = "questions.jsonl"

# Called with what is being done, the steps done of it, and their number.
OnStage = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, repr=False)
class Tuned:
    """What became of it.

    Attributes:
        base: name of the model that was tuned.
        method: by which.
        data: what it was tuned on, in words.
        split: how the held-out part was set apart, in words.
        proof: what was measured.
        trained: what the method has to say.
        path: of the new model; None where nothing was saved.
        notes: what the user should know.
        seconds: wall time.
    """

    base: str
    method: MethodName
    data: str
    split: str
    proof: Proof
    trained: Trained
    path: Path | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def saved(self) -> bool:
        """Whether there is a new model."""
        return self.path is not None

    @property
    def verdict(self) -> str:
        """What was found, and what was done about it."""
        if self.path is None:
            done = "Nothing was saved (--anyway saves it all the same)."
        elif self.proof.proven:
            done = f"Saved: {self.path}."
        else:
            done = f"Saved all the same, as asked: {self.path}."
        return f"{self.proof.verdict} {done}"

    def __repr__(self) -> str:
        return f"<Tuned {self.base} by {self.method}: {self.verdict}>"

    @property
    def comparison(self) -> Comparison:
        """The two models side by side, for `veclab.evaluation.page.write_page`."""
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return Comparison(self.proof.boards, None, self.verdict, this_machine(), when)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "base": self.base,
            "method": self.method,
            "data": self.data,
            "split": self.split,
            **self.proof.to_dict(),
            "facts": dict(self.trained.facts),
            "saved": self.saved,
            "path": None if self.path is None else str(self.path),
            "verdict": self.verdict,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def tune(
    model: str,
    data: str | Path | TrainingData,
    output: str | Path,
    *,
    method: MethodName = "adapter",
    columns: Sequence[str] = (),
    held_out: float = HELD_OUT,
    settings: Settings | None = None,
    general: PairData | None = None,
    questions_by: Chat | None = None,
    max_cost: float | None = None,
    anyway: bool = False,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Tuned:
    """Make a model better on your own data, and save it if the gain is proven.

    Args:
        model: name or folder of a Sentence Transformers model.
        data: a file of pairs or triples, a folder in BEIR layout, a store, a folder of documents,
            or `veclab.tuning.data.TrainingData`.
        output: folder to make; must not exist yet.
        method: `adapter` (a map on the side of the queries), `full` (all weights) or `static`
            (distilled with the domain's words).
        columns: of a file: the query, the document, and any of wrong documents.
        held_out: share of the queries to prove the gain on, which training never sees.
        settings: of the method; see `veclab.tuning.method.Settings`.
        general: pairs to see by what was forgotten; by default those that come with veclab.
        questions_by: a chat model that writes the queries, for the passages of a store or a folder
            of documents; what it wrote is kept in veclab's own directory and not bought again.
        max_cost: dollars for it; a plan over it is refused before anything is sent.
        anyway: save the model without a proven gain, too.
        on_stage: told of the progress.

    Returns:
        What was measured, and where the new model is, if it was saved.

    Raises:
        InputError: the data are too few or cannot be read, or the model cannot be tuned.
        OutputError: the output exists, or cannot be written.
        CostTooHigh, ProviderError: of the chat model.
        ModelUnavailable, MissingExtra: as `veclab.load`.
    """
    start = time.perf_counter()
    settings = settings or Settings()
    output = Path(output)
    train = find_method(method)
    if output.exists():
        raise OutputError(f"{output} exists already: name another folder (-o), or remove it first")
    base = find_transformer(model, "be tuned")
    loaded = load(model, device=settings.device)
    known = _read(data, columns, loaded, questions_by, max_cost, on_stage)
    parts = _split(known, loaded, held_out, settings.seed, on_stage)
    doubt = doubt_of(loaded, parts.held_out)
    training = parts.train
    if method == "full":
        on_stage("mining", 0, 1)
        training = mine(loaded, training, settings.negatives or NEGATIVES)
    notes = list(training.notes)
    if len(known.documents) > COMPARED:
        notes.append(
            f"with more than {COMPARED:,} documents only equal ones are looked for, not nearly "
            "equal ones: such pairs may lie on both sides of the split"
        )
    with _working(output, work_key(base, training, method, settings)) as work:
        folder = work / output.name
        trained = train(base, training, folder, settings, partial(on_stage, "training"))
        on_stage("proving", 0, 1)
        tuned = load(str(folder), device=settings.device)
        untuned = loaded
        if trained.untuned is not None:
            untuned = load(str(trained.untuned), device=settings.device)
        asked = parts.held_out.to_retrieval(str(parts))
        proof = prove(untuned, tuned, asked, general or general_pairs(), doubt)
        on_stage("proving", 1, 1)
        saved = proof.proven or anyway
        if saved:
            write_card(folder, output.name, base, training, parts, trained, proof)
            _move(folder, output)
    if base.license is None:
        notes.append(f"the license of {base.name} is {NO_LICENSE}")
    return Tuned(
        base=base.name,
        method=method,
        data=f"{known.name}: {len(known):,} queries, {len(known.documents):,} documents",
        split=str(parts),
        proof=proof,
        trained=trained,
        path=output if saved else None,
        notes=(*notes, *trained.notes),
        seconds=round(time.perf_counter() - start, 1),
    )


def _read(
    data: str | Path | TrainingData,
    columns: Sequence[str],
    model: Model,
    chat: Chat | None,
    max_cost: float | None,
    on_stage: OnStage,
) -> TrainingData:
    if isinstance(data, TrainingData):
        if columns or chat is not None:
            raise InputError(
                "columns and questions are of a source, and the data were read already"
            )
        return data

    def count(texts: list[str]) -> list[int]:
        return model.count_tokens(texts, role=role_of(model.space, "document"))

    size = min(256, model.max_tokens or 256)
    if chat is None:
        return read_training(data, columns=columns, count_tokens=count, chunk_size=size)
    if columns:
        raise InputError("--column names a query of the file's own; --questions-by writes them")
    parts, notes = read_parts(data, count, size)
    passages = list(dict.fromkeys(part.text for part in parts))
    kept = home() / QUESTIONS
    plan = plan_questions(passages, chat, kept=kept)
    cost = "" if plan.dollars is None else f" (at most {plan.dollars:.2f} dollars)"
    written = write_questions(
        passages,
        chat,
        name=str(data),
        max_cost=max_cost,
        kept=kept,
        on_passage=partial(on_stage, "asking" + cost),
    )
    return written.plus(str(plan) if plan.passages else "", *notes)


def _split(
    data: TrainingData, model: Model, share: float, seed: int, on_stage: OnStage
) -> Split:  # fmt: skip
    """Split by document; nearly equal ones, by the base model's own vectors, are one."""
    plain = split(data, share, seed=seed)  # raises, before anything is embedded, for too little
    if len(data.documents) > COMPARED:
        return plain
    done = 0

    def counted(texts: int) -> None:
        nonlocal done
        done += texts
        on_stage("embedding", done, len(data.documents))

    documents = model.embed(
        data.documents, role=role_of(model.space, "document"), on_empty="error", on_done=counted
    )
    return split(data, share, seed=seed, alike=alike(documents))


@contextmanager
def _working(output: Path, key: str) -> Iterator[Path]:
    """Give the folder for a run's files; it goes when the run is done, and stays when it is killed.

    An error keeps it too: what was trained so far is there for the next run. Folders of other
    runs, with other data or settings, are removed.
    """
    place = output.parent / f".{output.name}.veclab-tune"
    work = place / key
    try:
        for other in place.glob("*"):
            if other != work:
                shutil.rmtree(other, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work / output.name, ignore_errors=True)  # half of a model, of a killed run
    except OSError as error:
        raise OutputError(
            f"{place} cannot be written: {error.strerror or error}; name a folder elsewhere (-o)"
        ) from error
    try:
        yield work
    except BaseException:
        shutil.rmtree(work / output.name, ignore_errors=True)
        if not any(work.iterdir()):  # nothing to go on from
            shutil.rmtree(place, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)


def _move(folder: Path, output: Path) -> None:
    try:
        folder.rename(output)
    except OSError as error:
        raise OutputError(
            f"the model cannot be moved to {output}: {error.strerror or error}"
        ) from error
