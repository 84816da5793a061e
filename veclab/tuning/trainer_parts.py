"""The parts that sentence-transformers' trainer is put together from; imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from transformers import PrinterCallback, TrainerCallback

from veclab.tuning.data import TrainingData
from veclab.tuning.full import LEARNING_RATE, WARM_UP, Course
from veclab.tuning.method import OnStep, Settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from veclab.models.local.folder import ModelFolder

# Checkpoints of a run, and the most steps between two.
CHECKPOINTS, APART = 8, 200
METRIC = "eval_cosine_ndcg@10"


def make_trainer(
    model: SentenceTransformer,
    base: ModelFolder,
    course: Course,
    settings: Settings,
    work: Path,
    on_step: OnStep,
) -> SentenceTransformerTrainer:
    """Put the trainer together; it writes checkpoints to `work` and nothing anywhere else."""
    trainer = _Trainer(
        course.batches.order,
        model=model,
        args=_arguments(base, course, settings, work),
        train_dataset=_dataset(course),
        loss=_loss(model, course, settings),
        evaluator=None if course.aside is None else _judge(course.aside, course.together),
        callbacks=[_Progress(on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """Goes by a plan of batches, and gathers nothing for a model card, which would ask the hub."""

    def __init__(self, order: Sequence[Sequence[int]], **options: Any) -> None:
        self._order = order
        super().__init__(**options)

    def get_batch_sampler(self, dataset: Any, **options: Any) -> DefaultBatchSampler:
        """Return the batches that were laid down before."""
        return _Planned(self._order, dataset, **options)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add none."""


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Tells of the progress, and sees to the last checkpoint."""

    def __init__(self, on_step: OnStep) -> None:
        self.on_step = on_step

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell where the run begins; one that was killed has steps behind it."""
        self.on_step(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of a step; after the last one, measure and save whatever their rhythm."""
        self.on_step(state.global_step, state.max_steps)
        if state.global_step >= state.max_steps:
            control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Remove the pickle of arguments, which nobody reads."""
        for file in Path(args.output_dir).glob("checkpoint-*/training_args.bin"):
            file.unlink()


def _arguments(
    base: ModelFolder, course: Course, settings: Settings, work: Path
) -> SentenceTransformerTrainingArguments:
    columns = _columns(course)
    roles = {name: "query" if name == "query" else "document" for name in columns}
    steps = len(course.batches.order)
    every = min(APART, math.ceil(steps / CHECKPOINTS))
    args = SentenceTransformerTrainingArguments(
        output_dir=str(work),
        num_train_epochs=1,  # all epochs are in the plan of batches
        per_device_train_batch_size=course.size,
        prompts={name: prompt for name, role in roles.items() if (prompt := base.prompt(role))},  # type: ignore[arg-type]
        router_mapping=roles if base.routed else {},
        learning_rate=settings.learning_rate or LEARNING_RATE,
        warmup_steps=math.ceil(WARM_UP * steps),
        seed=settings.seed,
        bf16=course.bf16,
        use_cpu=course.device == "cpu",
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        eval_strategy="no" if course.aside is None else "steps",
        eval_steps=every,
        metric_for_best_model=None if course.aside is None else METRIC,
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=every,
        report_to=[],
        push_to_hub=False,
        disable_tqdm=True,
        dataloader_pin_memory=course.device == "cuda",
    )
    if args.n_gpu > 1:
        args._n_gpu = 1  # else torch's DataParallel, which is slower than one
    return args


class _Planned(DefaultBatchSampler):  # type: ignore[misc]
    """The batches that were laid down before."""

    def __init__(self, order: Sequence[Sequence[int]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.order = order

    def __iter__(self) -> Iterator[Sequence[int]]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def _columns(course: Course) -> list[str]:
    wrong = course.batches.rows.shape[1] - 2
    return ["query", "positive", *(f"negative_{i + 1}" for i in range(wrong))]


def _dataset(course: Course) -> Any:
    from datasets import Dataset

    texts = [course.data.queries, *[course.data.documents] * (course.batches.rows.shape[1] - 1)]
    return Dataset.from_dict(
        {
            name: [text[i] for i in places]
            for name, text, places in zip(
                _columns(course), texts, course.batches.rows.T.tolist(), strict=True
            )
        }
    )


def _loss(model: SentenceTransformer, course: Course, settings: Settings) -> Any:
    loss: Any = MultipleNegativesRankingLoss(model)
    if course.together < course.size:
        loss = CachedMultipleNegativesRankingLoss(model, mini_batch_size=course.together)
    if settings.matryoshka:
        lengths = {model.get_embedding_dimension(), *settings.matryoshka}
        loss = MatryoshkaLoss(model, loss, sorted(lengths, reverse=True))
    return loss


def _judge(aside: TrainingData, batch: int) -> InformationRetrievalEvaluator:
    """Measure nDCG@10 of the queries set aside among their documents, right and wrong."""
    pool = sorted({d for found in (*aside.positives, *aside.negatives) for d in found})
    return InformationRetrievalEvaluator(
        {f"q{i}": text for i, text in enumerate(aside.queries)},
        {f"d{d}": aside.documents[d] for d in pool},
        {f"q{i}": {f"d{d}" for d in found} for i, found in enumerate(aside.positives)},
        ndcg_at_k=[10],
        batch_size=max(1, min(32, batch)),
        write_csv=False,
    )


def last_checkpoint(work: Path) -> Path | None:
    """Return the last checkpoint that was written whole; None where there is none.

    The state of the trainer is written after all else.
    """
    whole = {}
    for state in work.glob("checkpoint-*/trainer_state.json"):
        with suppress(ValueError):
            whole[int(state.parent.name.removeprefix("checkpoint-"))] = state.parent
    return whole[max(whole)] if whole else None
