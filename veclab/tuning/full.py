"""Full training: every weight of a transformer, by sentence-transformers' own trainer.

The loss is MultipleNegativesRankingLoss (Henderson et al. 2017, arXiv:1705.00652): a query shall be
nearer to its document than to its hard negatives and to all other documents of the batch. Where a
batch does not fit into memory, it is computed in parts by gradient caching (Gao et al. 2021,
arXiv:2101.06983), at the same gradients; shorter lengths are trained beside the whole by
MatryoshkaLoss (Kusupati et al. 2022, arXiv:2205.13147).

Nothing is reported to anyone and nothing is fetched. Checkpoints lie beside the output until the
run is over. Weights in them are safetensors; the states of optimizer and random numbers are
torch's files, which are read with `weights_only=True` (tensors and plain values, no code).
"""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from veclab.errors import InputError, MissingExtra, ModelUnavailable, OutputError, first_line
from veclab.models.local.cores import usable_cores
from veclab.models.local.folder import ModelFolder
from veclab.tuning.batches import Batches, plan_batches
from veclab.tuning.computing import choose_device, has_bf16, leave_out_dropout, texts_at_once
from veclab.tuning.data import TrainingData
from veclab.tuning.method import OnStep, Settings, Trained
from veclab.tuning.split import split

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH = 64
LEARNING_RATE = 2e-5
WARM_UP = 0.1
# Wrong documents beside each pair; a query's hard negatives take turns, epoch by epoch.
NEGATIVES = 1
# A run has so many steps or more, as long as no pair is seen more than `EPOCHS` times.
STEPS, EPOCHS = 60, 10
# Tokens of a text that are read in training; the trained model reads as many as its base.
TOKENS = 512
# Queries that choose the best checkpoint: this share of them, within these bounds.
ASIDE, FEWEST_ASIDE, MOST_ASIDE = 0.1, 20, 300

# A disk with fewer free bytes is full.
_LITTLE = 2**24


@dataclass(frozen=True, slots=True)
class Course:
    """All that a run follows.

    Attributes:
        data: what is learned.
        aside: what chooses the best checkpoint; None where there are too few queries for it.
        batches: what each step sees.
        size: pairs in a batch.
        together: pairs that are computed at once; `size` where memory allows.
        device: `cpu`, `cuda`, `mps`.
        bf16: whether matrix products are in bf16.
        limit: tokens of a text that are read.
        truncated: texts that have more.
    """

    data: TrainingData
    aside: TrainingData | None
    batches: Batches
    size: int
    together: int
    device: str
    bf16: bool
    limit: int
    truncated: int


def train(
    base: ModelFolder, data: TrainingData, folder: Path, settings: Settings, on_step: OnStep
) -> Trained:
    """Train all weights of a transformer; see `veclab.tuning.method.Method`."""
    start = time.perf_counter()
    _check(base, settings)
    torch = _libraries()
    torch.manual_seed(settings.seed)
    model = _open(base.path, base.name)
    leave_out_dropout(model)
    limit = model.max_seq_length
    course = _plan(model, base, data, settings)
    from veclab.tuning.trainer_parts import last_checkpoint, make_trainer

    work = folder.parent
    resumed = last_checkpoint(work)
    with _failures(folder, course):
        trainer = make_trainer(model, base, course, settings, work, on_step)
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
        best = trainer.state.best_global_step
        trained = _open(work / f"checkpoint-{best}", base.name) if best else model
        _check_finite(trained)
        trained.max_seq_length = limit
        trained.save_pretrained(str(folder), create_model_card=False)
    facts = _facts(course, settings, trainer.state, time.perf_counter() - start)
    return Trained("full", facts, _notes(course, trainer.state, resumed))


def _check(base: ModelFolder, settings: Settings) -> None:
    """Refuse what cannot be trained so, before anything is loaded."""
    if base.static is not None:
        raise InputError(
            f"{base.name} is a static model; --method full trains transformers, --method adapter "
            "goes with any model"
        )
    for name, least in (("epochs", 1), ("batch", 2)):
        value = getattr(settings, name)
        if value is not None and value < least:
            raise InputError(f"{name} must be {least} or more, not {value}")
    rate = settings.learning_rate
    if rate is not None and not 0 < rate < 1:
        raise InputError(f"the learning rate must be over 0 and under 1, not {rate:g}")
    for length in settings.matryoshka:
        if not 0 < length < (base.dimensions or math.inf):
            raise InputError(
                f"--matryoshka {length}: lengths are below the model's {base.dimensions} dimensions"
            )


def _libraries() -> Any:
    """Import all that training needs, quietly, and return torch."""
    try:
        import accelerate  # noqa: F401
        import datasets
        import torch
        import transformers
    except ImportError:
        raise MissingExtra("tune", "training") from None
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    return torch


def _open(path: Path, name: str) -> SentenceTransformer:
    """Load a model in f32, which is what is trained whatever the products are computed in."""
    import torch
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(
            str(path),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )
    except Exception as error:  # whatever is wrong in a folder comes up as any kind of exception
        reason = first_line(error)
        raise ModelUnavailable(f"{name} in {path} cannot be loaded: {reason}") from error
    model.model_card_data.local_files_only = True  # a card comes with each checkpoint
    return model


def _plan(
    model: SentenceTransformer, base: ModelFolder, data: TrainingData, settings: Settings
) -> Course:
    """Decide everything before the first step."""
    device = choose_device(settings.device)
    limit = min(base.max_tokens or TOKENS, TOKENS)
    model.max_seq_length = limit
    aside = None
    share = min(ASIDE, MOST_ASIDE / max(1, len(data)))
    if share * len(data) >= FEWEST_ASIDE:
        parts = split(data, share, seed=settings.seed)
        data, aside = parts.train, parts.held_out
    queries = token_counts(model, data.queries, base.prompt("query"))
    documents = token_counts(model, data.documents, base.prompt("document"))
    size = min(settings.batch or BATCH, max(2, data.pairs))
    steps = max(1, data.pairs // size)
    mined = max(map(len, data.negatives), default=0)
    batches = plan_batches(
        data,
        np.minimum(documents, limit),
        size=size,
        epochs=settings.epochs or min(EPOCHS, math.ceil(STEPS / steps)),
        negatives=min(mined, NEGATIVES),
        seed=settings.seed,
    )
    if not batches.order:
        raise InputError(
            f"{data.name}: no two pairs fit into one batch, so there is nothing to tell apart"
        )
    bf16, columns = has_bf16(device), batches.rows.shape[1]
    longest = int(min(limit, max(documents.max(), queries.max())))
    at_once = texts_at_once(model, longest, device, bf16) // columns
    return Course(
        data=data,
        aside=aside,
        batches=batches,
        size=size,
        together=max(1, min(size, at_once)),
        device=device,
        bf16=bf16,
        limit=limit,
        truncated=int((queries > limit).sum() + (documents > limit).sum()),
    )


def token_counts(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> Any:
    """Return how many tokens the model makes of each text: intp (n,)."""
    counts: list[int] = []
    for start in range(0, len(texts), 1000):
        some = [prompt + text for text in texts[start : start + 1000]]
        ids = model.tokenizer(some, truncation=False, verbose=False)["input_ids"]
        counts += map(len, ids)
    return np.array(counts, dtype=np.intp)


@contextmanager
def _failures(folder: Path, course: Course) -> Iterator[None]:
    """Say what went wrong, and that the checkpoints are kept."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError, SafetensorError) as error:
        reason = first_line(error)
        if isinstance(error, MemoryError) or re.search("(out of|enough) memory", reason.lower()):
            raise InputError(
                f"a batch of {course.size} pairs does not fit into the memory of {course.device}: "
                f"--batch {max(2, course.size // 2)}"
            ) from error
        # torch and safetensors have their own words for it.
        full = shutil.disk_usage(folder.parent).free < _LITTLE
        if full or isinstance(error, OSError):
            raise OutputError(
                f"training cannot write to {folder.parent}: "
                f"{'the disk is full' if full else reason}. Mend that and run the same command "
                "again: it goes on from the last checkpoint"
            ) from error
        raise


def _check_finite(model: SentenceTransformer) -> None:
    """Raise InputError where training ran away."""
    if not all(bool(weights.isfinite().all()) for weights in model.parameters()):
        raise InputError(
            "training ended in weights that are not finite numbers: are texts and pairs in order?"
        )


def _facts(
    course: Course, settings: Settings, state: Any, seconds: float
) -> dict[str, str | int | float]:
    """Tell the model card how it was made."""
    batches = course.batches
    facts: dict[str, str | int | float] = {
        "loss": "MultipleNegativesRankingLoss"
        + (", gradients cached" if course.together < course.size else ""),
        "pairs": course.data.pairs,
        "epochs": batches.epochs,
        "steps": len(batches.order),
        "batch": course.size,
        "hard negatives": batches.rows.shape[1] - 2,
        "learning rate": settings.learning_rate or LEARNING_RATE,
        "device": course.device,
        "precision": "bf16" if course.bf16 else "f32",
        "seed": settings.seed,
        "seconds": round(seconds, 1),
    }
    if settings.matryoshka:
        facts["matryoshka"] = ", ".join(map(str, sorted(settings.matryoshka, reverse=True)))
    if course.aside is not None and state.best_metric is not None:
        facts["checkpoint chosen by"] = (
            f"nDCG@10 of {len(course.aside):,} training queries set aside"
        )
        facts["its nDCG@10"] = round(state.best_metric, 4)
        facts["its step"] = state.best_global_step
    return facts


def _notes(course: Course, state: Any, resumed: Path | None) -> list[str]:
    """Tell the user what else there is to know."""
    batches = course.batches
    notes = []
    if resumed is not None:
        notes.append(f"went on from step {resumed.name.removeprefix('checkpoint-')}")
    if course.truncated:
        notes.append(
            f"{course.truncated:,} texts have more than {course.limit:,} tokens: what is beyond "
            "was not read in training"
        )
    if batches.drawn:
        pairs = batches.drawn // batches.epochs
        notes.append(f"{pairs:,} pairs had too few hard negatives: others were drawn")
    if batches.alone:
        notes.append(f"{batches.alone:,} pairs fit into no batch and were left out")
    if course.aside is None:
        notes.append(
            f"{len(course.data):,} queries are too few to choose a checkpoint by: the last is kept"
        )
    return notes
