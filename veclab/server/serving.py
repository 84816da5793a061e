"""What is being served: models, store and cross-encoders, and in which phase of its life."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from veclab.model import Model
from veclab.server.batcher import Batcher
from veclab.server.log import Log
from veclab.server.metrics import Metrics, ModelMetrics
from veclab.server.problems import Problem, unknown_model
from veclab.server.settings import Settings
from veclab.space import Space

if TYPE_CHECKING:
    from veclab.server.documents import Documents
    from veclab.server.reranking import Reranker

Phase = Literal["loading", "ready", "draining"]


@dataclass(slots=True)
class ServedModel:
    """A model under the name that clients use.

    Attributes:
        name: for clients.
        model: what computes.
        batcher: that its jobs go through.
        metrics: its counters.
        shortens: whether it was trained for shorter vectors.
        space_ids: of its vectors, by their length.
    """

    name: str
    model: Model
    batcher: Batcher
    metrics: ModelMetrics
    shortens: bool
    space_ids: dict[int, str] = field(default_factory=dict)

    def dimensions(self, asked: int | None) -> int:
        """Return the length of vectors to give.

        Raises:
            Problem: the model has no such vectors.
        """
        whole = self.model.space.dimensions
        if asked is None or asked == whole:
            return whole
        if asked > whole:
            said = f"must be at most {whole:,} for {self.name}"
        elif not self.shortens:
            said = (
                f"can only be {whole:,}: {self.name} was not trained for shorter vectors, which "
                "would lose their quality"
            )
        else:
            return asked
        raise Problem(400, f"'dimensions' {said}.", param="dimensions")

    def space(self, dimensions: int) -> Space:
        """Return the Space of its vectors, cut to so many numbers."""
        space = self.model.space
        return space if space.dimensions == dimensions else replace(space, dimensions=dimensions)


class Serving:
    """The state that all requests share.

    Attributes:
        settings: of the operator.
        phase: `loading`, `ready` or `draining`.
        models, rerankers: by the name that clients use.
        documents: the store; None where there is none.
        spaces: by id, those of vectors that were given out.
        in_flight: requests that are being answered.
        started: seconds since the epoch.
    """

    def __init__(self, settings: Settings, log: Log | None = None) -> None:
        self.settings = settings
        self.phase: Phase = "loading"
        self.models: dict[str, ServedModel] = {}
        self.rerankers: dict[str, Reranker] = {}
        self.documents: Documents | None = None
        self.spaces: dict[str, Space] = {}
        self.metrics = Metrics()
        self.log = log or Log()
        self.started = int(time.time())
        self.in_flight = 0
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self.metrics.in_flight.set_function(lambda: self.in_flight)

    def add(self, name: str, model: Model) -> ServedModel:
        """Serve a model under a name."""
        metrics = self.metrics.of_model(name, model.provider.limits.padded)
        batcher = Batcher(
            model,
            on_long=self.settings.on_long,
            max_wait=self.settings.max_wait,
            metrics=metrics,
            on_fault=self.log.fault,
        )
        self.metrics.watch_queue(name, lambda: batcher.admission.backlog)
        shortens = self.settings.matryoshka or was_trained_for_shorter(model)
        served = ServedModel(name, model, batcher, metrics, shortens)
        self.models[name] = served
        self.remember(model.space)
        return served

    def find(self, name: str) -> ServedModel:
        """Return the model of a name; raises Problem (404)."""
        self.require_ready()
        served = self.models.get(name)
        if served is None:
            raise unknown_model(name, list(self.models))
        return served

    def space_of(self, served: ServedModel, dimensions: int) -> str:
        """Return the id of the Space of a model's vectors; from then on it can be asked for."""
        found = served.space_ids.get(dimensions)
        if found is None:
            found = served.space_ids[dimensions] = self.remember(served.space(dimensions))
        return found

    def remember(self, space: Space) -> str:
        """Let a Space be asked for by its id, and return the id."""
        found = space.id
        self.spaces.setdefault(found, space)
        return found

    def require_ready(self) -> None:
        """Raise Problem (503) while the models are loaded, and at the end."""
        if self.phase == "ready":
            return
        if self.phase == "loading":
            raise Problem(
                503,
                "The models are being loaded; try again in a moment.",
                code="loading",
                headers={"retry-after": "1", "retry-after-ms": "1000"},
            )
        raise Problem(
            503,
            "This server is shutting down.",
            code="shutting_down",
            headers={"retry-after": "1", "retry-after-ms": "500", "connection": "close"},
        )

    def enter(self) -> None:
        """Count a request in."""
        self.in_flight += 1
        self._at_rest.clear()

    def leave(self) -> None:
        """Count a request out."""
        self.in_flight -= 1
        if not self.in_flight:
            self._at_rest.set()

    async def rest(self) -> None:
        """Wait until no request is being answered."""
        await self._at_rest.wait()

    def close(self) -> None:
        """End the batchers; what was computed is in the cache."""
        for served in self.models.values():
            served.batcher.close()
        if self.documents is not None:
            self.documents.close()


def was_trained_for_shorter(model: Model) -> bool:
    """Return whether the model's maker says that its vectors may be cut (Matryoshka).

    OpenAI's third generation, and models whose `config.json` says so, as vLLM reads it.
    """
    provider: Any = model.provider
    known = getattr(provider, "known", None)
    if known is not None:
        return bool(known.shortens)
    folder = getattr(provider, "folder", None)
    if folder is None:
        return False
    with suppress(OSError, ValueError):
        config = json.loads((Path(folder.transformer) / "config.json").read_bytes())
        return bool(config.get("is_matryoshka") or config.get("matryoshka_dimensions"))
    return False


def load_all(
    serving: Serving, on_model: Callable[[ServedModel], None] = lambda served: None
) -> None:
    """Load what the settings name; raises what `veclab.load` and `Store.open` raise."""
    from veclab.model import load

    settings = serving.settings
    loaded = {name: load(given, **settings.loading) for name, given in settings.models.items()}
    if settings.store is not None:
        from veclab.server.documents import Documents

        serving.documents = Documents.open(settings, list(loaded.values()))
        if not loaded:
            model = serving.documents.model
            loaded[Path(model.space.model).name] = model
    for name, given in settings.rerankers.items():
        from veclab.server.reranking import Reranker

        serving.rerankers[name] = Reranker(given)
    for name, model in loaded.items():
        on_model(serving.add(name, model))
