"""Store: passages with their vectors, kept where they can be searched."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, StoreError
from veclab.hints import typed
from veclab.provider import role_of
from veclab.space import Role, Space
from veclab.store.fields import Field, fields_of
from veclab.store.fusion import Fusion
from veclab.store.location import open_place, table_name
from veclab.store.model_choice import load_model, require_model
from veclab.store.passage import Hit
from veclab.store.rows import table_schema
from veclab.store.search import Mode, Request, given_vector, run_search
from veclab.store.state import State, TableInfo
from veclab.store.tuning import Tuning, tune
from veclab.store.where import Where, parse_where

if TYPE_CHECKING:
    from veclab.model import Model
    from veclab.rag.answer import Answer
    from veclab.store.backend import Place, Table
    from veclab.store.index import Indexed
    from veclab.vectors import Vectors

_WAIT = 600.0  # seconds for another writer; the command line says that it waits


class Store:
    """Passages and their vectors of one Space. `Store.open` makes one; use it with `with`.

    A reader sees the store as it was after some whole run of a writer: every search looks for a
    newer state first, and none sees half of one.
    """

    def __init__(
        self,
        place: Place,
        model: Model | str | None = None,
        loading: Mapping[str, Any] | None = None,
    ) -> None:
        self.place = place
        self._loading = dict(loading or {})
        self._given = model
        self._model: Model | None = None
        self._state: State | None = None
        self._table: Table | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        model: Model | str | None = None,
        *,
        create: bool = False,
        **loading: Any,
    ) -> Self:
        """Open a store.

        Args:
            path: of its folder, or `postgresql://...`.
            model: that embeds queries and documents: a Model, or a name for `veclab.load`. By
                default the store's own, loaded when it is first needed.
            create: begin a new store where there is none; it appears with its first passages.
            loading: further arguments of `veclab.load`.

        Raises:
            StoreError: there is no store, or it is damaged or of a newer version.
            SpaceMismatch: the model's vectors are not of the store's Space.
            MissingExtra: what reads it is not installed.
        """
        self = cls(open_place(path), model, loading)
        self.refresh()
        if self._state is None and not create:
            make = typed("index", "INPUT", "--store", self.place.name)
            raise StoreError(f"there is no store {self.place.name}; make one: {make}")
        if self._state is not None and model is not None and not isinstance(model, str):
            self._require(model.space, to_search=True)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what it holds; a store that was closed can be used again."""
        self._table = None

    def __repr__(self) -> str:
        return f"<Store {self.place.name}, {self.count():,} passages, {self.space}>"

    # -- what it is ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """See the newest state."""
        state = self.place.read()
        if state is None:
            self._state = self._table = None
            return
        if self._table is None or self._state is None or self._state.live.name != state.live.name:
            self._table = self.place.open(state.live.name)
        else:
            self._table = self._table.latest()
        self._state = state

    @property
    def state(self) -> State:
        """Which table is live, and what goes with it; raises StoreError before the first run."""
        if self._state is None:
            raise StoreError(f"the store {self.place.name} is empty: nothing was indexed yet")
        return self._state

    @property
    def table(self) -> Table:
        """The snapshot in use."""
        if self._table is None:
            self.refresh()
        if self._table is None:
            raise StoreError(f"the store {self.place.name} is empty: nothing was indexed yet")
        return self._table

    @property
    def exists(self) -> bool:
        """Whether anything was ever put in."""
        return self._state is not None

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""
        return self.state.live.space

    @property
    def fields(self) -> dict[str, Field]:
        """What a filter may name."""
        return fields_of(self.table.schema)

    @property
    def model(self) -> Model:
        """The model in use, loaded now if it was not yet; its Space is the store's.

        Raises:
            SpaceMismatch: a model was named whose Space is another. Nothing was embedded.
        """
        self._require(self.query_model.space)
        return self.query_model

    @property
    def query_model(self) -> Model:
        """The model that embeds queries: as `model`, or one with a bridge to the store's Space."""
        if self._model is None:
            self._model = load_model(self._given, self._state, self._loading)
        self._require(self._model.space, to_search=True)
        return self._model

    @property
    def model_name(self) -> str | None:
        """How the model was named, where its Space does not tell: a folder's path."""
        name = self._given
        return str(Path(name).resolve()) if isinstance(name, str) and Path(name).is_dir() else None

    def _require(self, space: Space, to_search: bool = False) -> None:
        if self._state is not None:
            require_model(self.place.name, self._state, space, to_search=to_search)

    def use(self, model: Model | None) -> None:
        """Go on with another model, after the store's was changed; None for the store's own."""
        self._given, self._model = model, None
        self.refresh()

    def role(self, role: Role) -> Role | None:
        """The role to embed with: none for a model that knows no roles."""
        return role_of(self.model.space, role)

    def count(self, where: str | None = None) -> int:
        """Passages, or those that a filter lets through."""
        self.refresh()
        if self._state is None:
            return 0
        return self.table.count(self.where(where))

    def where(self, text: str | None) -> Where | None:
        """Read a filter and check it against this store's fields."""
        return None if text is None else parse_where(text, self.fields)

    # -- search --------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        where: str | None = None,
        min_score: float | None = None,
        mmr: float | None = None,
        fusion: Fusion = "minmax",
        weight: float = 0.5,
        rerank: str | None = None,
        vector: Any = None,
    ) -> list[Hit]:
        """Find passages, best first.

        Args:
            query: what to look for, in words.
            top: how many passages.
            mode: `hybrid` (default), `vector` or `keyword`.
            where: a filter, for instance `year >= 2020 and lang = 'en'`; see `store.where`.
            min_score: leave out what scores lower. It is compared with the cosine where vectors
                are asked, else with BM25: fused scores are relative to their query.
            mmr: from 0 to 1: choose passages that are unlike each other (maximal marginal
                relevance); 1 is by score alone.
            fusion: of `hybrid`: `minmax` (default) or `rrf`.
            weight: of the vectors in `hybrid`, from 0 to 1.
            rerank: the name of a cross-encoder for Sentence Transformers, which reads the best 50
                together with the query.
            vector: (dim,) the query's vector, where it is known already; it must be of this
                store's Space. With it `query` is only read for its words.

        Raises:
            InputError: the query is empty, an option or the filter cannot be used.
            SpaceMismatch: the model is not the store's; nothing was embedded.
            StoreError: the store is missing or damaged.
        """
        request = Request(query, top, mode, min_score, mmr, fusion, weight, rerank)
        self.refresh()
        if self._state is None:
            self.state  # noqa: B018  # raises
        filter_ = self.where(where)
        embedded = None
        if request.needs_vector:
            given = None if vector is None else given_vector(vector, self.space)
            embedded = self.embed_query(query) if given is None else given
        tuning = self.state.live.tuning
        try:
            return run_search(self.table, request, embedded, filter_, tuning)
        except StoreError:
            # A version that was cleaned away while this reader held it: once more on the newest.
            self._table = None
            self.refresh()
            return run_search(self.table, request, embedded, filter_, tuning)

    def embed_query(self, query: str) -> NDArray[np.float32]:
        """The vector of a question: float32 (dim,). The Space is checked before."""
        return np.asarray(self.embed_queries([query])[0])

    def embed_queries(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of questions: float32 (n, dim)."""
        model, role = self.query_model, role_of(self.query_model.space, "query")
        embedded = model.embed(queries, role=role, on_long="split", on_empty="error")
        self._require(embedded.space, to_search=True)  # its answer may show that it was changed
        if self._state is not None and self._state.bridge is not None:
            from veclab.store.bridge_map import carry_over

            embedded = carry_over(self.place, self._state, embedded)
        return np.asarray(embedded.array)

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer a question with checked citations; see `veclab.rag.ask.ask`."""
        from veclab.rag.ask import ask

        return ask(self, question, **options)

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def writing(self, wait: float = _WAIT) -> Iterator[None]:
        """Be the only writer meanwhile, on the newest state."""
        with self.place.lock(wait):
            self.refresh()
            yield

    def add(
        self,
        texts: Iterable[str],
        *,
        ids: Sequence[str] | None = None,
        fields: Mapping[str, Sequence[Any]] | None = None,
    ) -> Indexed:
        """Add texts, each a document of its own; those of known ids replace what was there.

        Args:
            texts: n texts.
            ids: n names; by default new ones, never seen before.
            fields: the user's own, name -> n values.

        Returns:
            What became of them, with the report of embedding.
        """
        from veclab.store.index import add_texts

        listed = list(texts)
        names = [uuid.uuid4().hex for _ in listed] if ids is None else [str(name) for name in ids]
        return add_texts(self, listed, names, fields or {})

    def add_vectors(self, vectors: Vectors, source: str = "") -> Indexed:
        """Add vectors that were computed before; nothing is embedded.

        Args:
            vectors: with their texts; each is a document, named by its id.
            source: what they are called together: what is no longer among them the next time is
                gone. By default they are only added.

        Raises:
            SpaceMismatch: they are not of this store's Space.
            InputError: they came without texts.
        """
        from veclab.store.index import add_vectors

        return add_vectors(self, vectors, source)

    def delete(
        self, documents: str | Collection[str] | None = None, *, where: str | None = None
    ) -> int:
        """Remove documents by their names, or all that hold a passage a filter lets through.

        Returns:
            The number of passages that are gone.
        """
        if (documents is None) == (where is None):
            raise InputError("give the documents to delete, or a filter, and not both")
        with self.writing():
            self.state  # noqa: B018  # raises where there is nothing
            names = {documents} if isinstance(documents, str) else set(documents or ())
            if where is not None:
                for rows in self.table.scan(["document"], self.where(where)):
                    names.update(rows["document"].to_pylist())
            before = self.table.count()
            self.commit(names, [])
            return before - self.table.count()

    def commit(self, gone: Collection[str], rows: Iterable[Any]) -> None:
        """Change the live table in one step; see `Table.commit`. Call it inside `writing`."""
        self.table.commit(gone, rows)
        self._table = self.table.latest()

    def add_fields(self, own: Iterable[Field]) -> None:
        """Make room for more fields of the user's. Call it inside `writing`."""
        self._table = self.table.add_fields(own)

    def tune(
        self, questions: Sequence[str] | None = None, recall: float | None = None
    ) -> Tuning | None:
        """Build a large table's vector index, and find how thoroughly to look through it.

        It is done anew when the table has grown by a quarter, or when it is asked for. Call it
        inside `writing`; nothing is published.

        Args:
            questions: of users, to measure on; by default sentences of passages.
            recall: the share of the true first ten that a search should find; by default as
                before, at first 0.99.

        Returns:
            What was found; None where the table is small and search is exact.
        """
        if not self.table.index_vectors():
            self._state = self.state.with_tuning(None)
            return None
        self._table = self.table.latest()

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            role = self.role("query")
            done = self.model.embed(texts, role=role, on_long="split", on_empty="skip")
            self._require(done.space)
            return done.array

        found = tune(self.table, self.state.live.tuning, embed, questions, recall)
        if found is not None:
            self._state = self.state.with_tuning(found.to_dict())
        return found

    def begin(self, space: Space, own: Iterable[Field], model: str | None, language: str) -> None:
        """Make the first table, which nobody sees before `publish`. Call it inside `writing`."""
        info = TableInfo(table_name(space), space, model, language)
        self._table = self.place.create(info.name, table_schema(space, own), language)
        self._state = State(info)

    def publish(self, **changes: Any) -> None:
        """Write the state. Call it inside `writing`."""
        self._state = replace(self.state, **changes)
        self.place.write(self._state)
        self._table = self.place.open(self._state.live.name)
