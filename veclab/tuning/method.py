"""What a method of training is: from a base model and data to a folder of Sentence Transformers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from veclab.errors import InputError

if TYPE_CHECKING:
    from veclab.models.local.folder import ModelFolder
    from veclab.tuning.data import TrainingData

MethodName = Literal["adapter", "full", "static"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)

# Called with the steps done so far and their number.
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a method trains; None leaves it to the method.

    Attributes:
        seed: of all that is drawn.
        device: `cpu`, `cuda`, `mps`; by default the best there is.
        epochs: how often the data is gone through.
        batch: pairs in a batch.
        learning_rate: of the optimizer, at its highest.
        matryoshka: shorter lengths at which the vectors shall be good, too.
        dimensions: of a static model's vectors.
        negatives: hard negatives to mine for each query.
    """

    seed: int = 0
    device: str | None = None
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    matryoshka: tuple[int, ...] = ()
    dimensions: int | None = None
    negatives: int | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a method has to say of what it made.

    Attributes:
        method: its name.
        facts: for the model card: what was trained, how long, on how much.
        notes: what the user should know.
        untuned: the model to measure against, where that is not the base: what the method makes
            of the base without the data.
    """

    method: MethodName
    facts: Mapping[str, str | int | float]
    notes: Sequence[str] = ()
    untuned: Path | None = None


class Method(Protocol):
    """Trains a model."""

    def __call__(
        self,
        base: ModelFolder,
        data: TrainingData,
        folder: Path,
        settings: Settings,
        on_step: OnStep,
    ) -> Trained:
        """Train, and write a folder of Sentence Transformers.

        Args:
            base: the model to start from.
            data: the part that may be seen.
            folder: to be written; does not exist yet. Its parent does, belongs to this base, data
                and settings alone, is kept when the process is killed, and removed in the end:
                what a run goes on from (checkpoints) lies there.
            settings: of the user.
            on_step: told of the progress.

        Raises:
            InputError: the base or the data do not go with the method.
            MissingExtra: the part that trains is not installed.
            OutputError: the folder cannot be written.
        """


def find_method(name: str) -> Method:
    """Return the method of that name, loaded now; raises InputError for an unknown one."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}; choose from {', '.join(METHODS)}")
    method: Method = import_module(f"veclab.tuning.{name}").train
    return method


def work_key(base: ModelFolder, data: TrainingData, method: str, settings: Settings) -> str:
    """Return 16 hex digits that name the working files of a run, so that it goes on with its own.

    In it are the base's weights and configuration, the data, the method and its settings.
    """
    facts = [base.weights, base.configuration, data.digest, method, asdict(settings)]
    plain = json.dumps(facts, sort_keys=True)
    return hashlib.blake2b(plain.encode("ascii"), digest_size=8).hexdigest()
