"""The store behind `/v1/search` and `/v1/ask`: one thread asks it, a few requests wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from veclab.errors import InputError, ProviderError
from veclab.model import Model
from veclab.server.problems import Problem
from veclab.server.settings import Settings
from veclab.store.store import Store

if TYPE_CHECKING:
    from veclab.rag.chat import ChatModel

T = TypeVar("T")
_MOST_WAITING = 64


class Turns:
    """Work done one by one in a thread of its own; when too much waits, it is refused."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting = 0

    async def do(self, work: Callable[[], T]) -> T:
        """Do it when its turn comes. Who leaves while it waits is not served.

        Raises:
            Problem: too much waits; or the input cannot be used.
        """
        if self._waiting >= _MOST_WAITING:
            raise Problem(
                429,
                "The server is busy; try again in a moment.",
                kind="rate_limit_error",
                code="rate_limit_exceeded",
                headers={"retry-after": "1"},
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except InputError as error:
            raise Problem(400, str(error)) from None
        except ProviderError:
            raise Problem(502, "The model's endpoint did not answer.", code="bad_gateway") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Do no more; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Documents:
    """A store with what is needed to answer from it."""

    def __init__(self, store: Store, chat: ChatModel | None) -> None:
        self.store, self.chat = store, chat
        self.turns = Turns("veclab-store")

    @classmethod
    def open(cls, settings: Settings, models: Sequence[Model]) -> Self:
        """Open the settings' store with the one of `models` whose vectors it holds.

        Raises:
            StoreError: there is no store.
            SpaceMismatch: none of the models is the store's.
        """
        assert settings.store is not None
        store = Store.open(settings.store)
        if models:
            fitting = [model for model in models if model.space == store.space]
            store = Store.open(settings.store, (fitting or list(models))[0])
        else:
            store = Store.open(settings.store, **settings.loading)
        chat = None
        if settings.llm is not None:
            from veclab.rag.chat import ChatModel

            chat = ChatModel(settings.llm, base_url=settings.llm_url)
        return cls(store, chat)

    @property
    def model(self) -> Model:
        """The model that embeds questions."""
        return self.store.query_model

    def search(self, **options: Any) -> list[dict[str, Any]]:
        """Return hits as plain values; call it through `turns`."""
        query = options.pop("query")
        return [hit.to_dict() for hit in self.store.search(query, **options)]

    def ask(self, on_line: Callable[[Any], None] | None, **options: Any) -> dict[str, Any]:
        """Return the answer as plain values; call it through `turns`."""
        question = options.pop("question")
        answer = self.store.ask(question, llm=self.chat, on_line=on_line, **options)
        return answer.to_dict()

    def close(self) -> None:
        """Let go of the store."""
        self.turns.close()
        self.store.close()
