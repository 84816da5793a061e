"""Index: bring a store up to date with a folder of documents, a file of texts or of vectors.

A document is its path below the folder, or the user's id. What has not changed is not embedded
again, what is gone from the input goes from the store, and all of one run is seen at once. A run
that was killed has changed nothing; the next finds what it embedded in the cache.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError
from veclab.report import Report, group_notes
from veclab.space import require_same
from veclab.store.adopted import adopted_intake, is_foreign
from veclab.store.exported import export_intake, is_export
from veclab.store.fields import Field
from veclab.store.intake import (
    Block,
    Intake,
    Reading,
    documents_intake,
    lists_intake,
    texts_intake,
    vectors_intake,
)
from veclab.store.language import find_language, stemmer
from veclab.store.rows import own_fields, to_rows
from veclab.store.tuning import TOP, Tuning

if TYPE_CHECKING:
    from veclab.model import Model
    from veclab.pipeline.run import Run
    from veclab.store.store import Store
    from veclab.vectors import Vectors


@dataclass(slots=True)
class Indexed:
    """What one run changed.

    Attributes:
        added, changed, unchanged, removed: documents.
        passages: in the store afterwards.
        skipped: files that were left out, with the reason.
        report: of embedding; None where nothing had to be embedded.
        notes: what else the user should know.
        seconds: wall time.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    report: Report | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "documents": {
                "added": self.added,
                "changed": self.changed,
                "unchanged": self.unchanged,
                "removed": self.removed,
            },
            "passages": self.passages,
            "skipped": [{"file": file, "reason": reason} for file, reason in self.skipped],
            "report": None if self.report is None else self.report.to_dict(),
            "notes": self.notes,
            "seconds": self.seconds,
        }

    def lines(self) -> list[tuple[str, str]]:
        """(label, value) pairs for people."""
        documents = (
            f"{self.added:,} added, {self.changed:,} changed, {self.removed:,} removed, "
            f"{self.unchanged:,} unchanged"
        )
        rows = [("documents", documents), ("passages", f"{self.passages:,}")]
        if self.report is not None:
            told = ("texts", "seconds", "note")
            rows += [line for line in self.report.lines() if line[0] not in told]
        skipped = [f"{file}: {reason}" for file, reason in self.skipped]
        rows += [("skipped", line) for line in group_notes(skipped)]
        rows.append(("seconds", f"{self.seconds:,.2f}"))
        notes = [*self.notes, *(self.report.notes if self.report is not None else ())]
        return rows + [("note", note) for note in group_notes(list(dict.fromkeys(notes)))]


def index(
    store: Store,
    path: str | Path,
    *,
    language: str | None = None,
    chunk_size: int | None = None,
    overlap: int | None = None,
    heading_in_text: bool | None = None,
    reading: Mapping[str, Any] | None = None,
    max_cost: float | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Indexed:
    """Bring a store up to date with an input.

    Args:
        store: of `Store.open(path, create=True)`.
        path: a folder of documents or one document; a file of texts, or its address (https://,
            hf://); a file of vectors that veclab wrote, an exported store among them, of which
            nothing is embedded again.
        language: for stemming words, by name or code; by default found from the texts. It is
            settled when the store is made.
        chunk_size: tokens of a chunk at most; by default what the store was made with, at first
            256 or what the model reads.
        overlap: tokens that a chunk shares with the one before; by default as before, at first 0.
        heading_in_text: embed chunks with the headings they stand under; at first yes.
        reading: how a file of texts is read: arguments of `veclab.open_source`.
        max_cost: dollars; the run stops before a request that would cost more in sum.
        on_done: called with the number of texts finished since the last call.

    Raises:
        InputError: the input cannot be used, or its fields clash with the store's.
        SpaceMismatch: the model, or the file's vectors, are not of the store's Space.
        StoreError: another process writes, or the store cannot be written.
        And what `Model.embed` raises.
    """
    chosen = {"chunk_size": chunk_size, "overlap": overlap, "heading_in_text": heading_in_text}
    with store.writing():
        settings = _settings(store, chosen)
        opened = _open(store, path, settings, reading or {})
        return run(store, opened, settings, language, max_cost=max_cost, on_done=on_done)


# Files whose records are documents each.
_RECORDS: tuple[str, ...] = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt")
_RECORDS += (".gz", ".arrow", ".feather", ".ipc", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def _open(
    store: Store, given: str | Path, settings: dict[str, Any], reading: Mapping[str, Any]
) -> Intake:
    from veclab.corpus.find import existing
    from veclab.corpus.remote import is_remote
    from veclab.vectorfiles.files import holds_vectors

    if is_remote(str(given)):
        return texts_intake(str(given), reading)
    if is_foreign(str(given), reading):
        _refuse_reading(Path(given), {**reading, "column": ()}, "its vectors are taken as they are")
        return adopted_intake(store, str(given), reading)
    path = existing(Path(given))
    if path.is_file() and holds_vectors(path):
        _refuse_reading(path, reading, "it holds vectors, which have their texts already")
        if path.suffix == ".parquet" and is_export(path):
            return export_intake(path)
        return vectors_intake(path)
    if path.is_file() and (path.suffix.lower() in _RECORDS or reading.get("format")):
        return texts_intake(path, reading)
    _refuse_reading(path, reading, "they are for files of texts, and documents are read whole")
    return documents_intake(path, store, settings)


def _refuse_reading(path: Path, reading: Mapping[str, Any], why: str) -> None:
    """Raise InputError for options of reading that would do nothing."""
    given = [name for name, value in reading.items() if value not in (None, ())]
    if given:
        words = ", ".join("--" + name.replace("_", "-") for name in given)
        raise InputError(f"{path}: leave {words} out; {why}")


_DEFAULTS = {"chunk_size": 256, "overlap": 0, "heading_in_text": True}


def _settings(store: Store, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """How documents are cut: as asked, else as the store was made."""
    before = store.state.settings if store.exists else {}
    given = {name: value for name, value in chosen.items() if value is not None}
    return _DEFAULTS | before | given


def run(
    store: Store,
    intake: Intake,
    settings: dict[str, Any],
    language: str | None,
    *,
    max_cost: float | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Indexed:
    """Take an opened input in, in one commit. Call it inside `Store.writing`."""
    start = time.perf_counter()
    if intake.space is not None and store.exists:
        require_same(store.space, intake.space, names=("store", intake.name))
    done = Indexed(notes=list(intake.notes))
    known = _known(store)
    first_run = not store.exists
    reading = Reading(
        {d: digest for d, (digest, source) in known.items() if source == intake.source}
    )
    blocks = iter(intake.blocks(reading))
    head = next(blocks, None)
    embedding = _Embedding(store, max_cost, on_done) if intake.needs_model else None
    if first_run:
        if head is None:
            reasons = "".join(f"\n  {file}: {reason}" for file, reason in reading.skipped[:5])
            raise InputError(f"{intake.name} holds nothing to index{reasons}")
        _begin(store, intake, head, language, done)
    elif language is not None and stemmer(language) != store.state.live.language:
        raise InputError(
            f"this store's words are stemmed as {store.state.live.language}, which was settled "
            "when it was made; make a new store for another language"
        )
    else:
        _add_fields(store, intake.own)
    gone: set[str] = set()

    def rows() -> Iterator[Any]:
        for block in itertools.chain([] if head is None else [head], blocks):
            yield _block_rows(store, intake, block, embedding)
        new, same = reading.seen - reading.unchanged, reading.unchanged
        moved = {d for d in new & known.keys() if known[d][1] != intake.source}
        mine = {d for d, (_, source) in known.items() if source == intake.source}
        left = mine - reading.seen if intake.complete else set()
        gone.update((new & known.keys()) | left)
        done.added, done.changed = len(new - known.keys()), len(new & known.keys())
        done.unchanged, done.removed = len(same), len(left)
        if moved and intake.source:
            done.notes.append(
                f"{len(moved):,} documents were in the store from another input and are now this "
                f"one's, for instance {min(moved)}"
            )

    store.commit(gone, rows())
    done.skipped = reading.skipped
    done.notes = list(dict.fromkeys([*done.notes, *reading.notes]))
    if embedding is not None:
        done.report = embedding.finish()
    tuned = store.tune()
    if tuned is not None:
        done.notes.append(_told(tuned))
    if first_run or tuned is not None or store.state.settings != settings:
        changes: dict[str, Any] = {"settings": settings}
        if first_run and embedding is not None and embedding.model is not None:
            # As it is known now that the model was asked.
            live = replace(store.state.live, space=embedding.model.space)
            changes["live"] = live
        store.publish(**changes)
    done.passages = store.table.count()
    done.seconds = round(time.perf_counter() - start, 3)
    return done


def _told(tuned: Tuning) -> str:
    short = "" if tuned.recall >= tuned.target else f", under the {tuned.target} asked for"
    return (
        f"vector index: recall@{TOP} {tuned.recall:.3f}{short} against exact search, measured on "
        f"{tuned.queries} queries ({tuned.queries_from}); {tuned.median_ms} ms a search"
    )


def _known(store: Store) -> dict[str, tuple[str, str]]:
    """Digest and source of each document in the store."""
    known: dict[str, tuple[str, str]] = {}
    if store.exists:
        for rows in store.table.scan(["document", "digest", "source"]):
            names, digests, sources = (rows[c].to_pylist() for c in rows.column_names)
            known.update(zip(names, zip(digests, sources, strict=True), strict=True))
    return known


def _begin(store: Store, intake: Intake, head: Block, language: str | None, done: Indexed) -> None:
    """Make the store's table, now that the first texts tell their language."""
    if language is None:
        name, note = find_language([p.text for p in head.passages])
        done.notes.append(note)
    else:
        name = stemmer(language)
    space = intake.space or store.model.space
    store.begin(space, intake.own, store.model_name, name)


def _add_fields(store: Store, own: Sequence[Field]) -> None:
    """Make room for fields that this input has and the store has not."""
    known = {f.name: f for f in own_fields(store.table.schema)}
    for new in own:
        there = known.get(new.name)
        if there is not None and there.kind != new.kind:
            raise InputError(
                f"the field {new.name!r} is of kind {there.kind} in this store and of kind "
                f"{new.kind} in the input; rename it, or drop it (--drop {new.name})"
            )
    store.add_fields([new for new in own if new.name not in known])


class _Embedding:
    """One run of the store's model over many blocks."""

    def __init__(
        self, store: Store, max_cost: float | None, on_done: Callable[[int], None] | None
    ) -> None:
        self.store, self.max_cost, self.on_done = store, max_cost, on_done
        self.run: Run | None = None
        self.model: Model | None = None

    def embed(self, ids: list[str], texts: list[str]) -> Any:
        from veclab.pipeline.embed import embed_block

        if self.run is None:  # the model is loaded when there is something to embed
            self.model = self.store.model
            self.run = self.model.start(
                role=self.store.role("document"),
                on_empty="skip",
                max_cost=self.max_cost,
                on_done=self.on_done,
            )
        part = embed_block(self.run, ids, texts)
        self.model = self.store.model  # raises where its answer has shown that it is another one
        return part

    def finish(self) -> Report | None:
        if self.run is None or self.model is None:
            return None
        return self.model.finish(self.run)


def _block_rows(store: Store, intake: Intake, block: Block, embedding: _Embedding | None) -> Any:
    passages, digests, embedded = block.passages, block.digests, block.embedded
    vectors = block.vectors
    if vectors is None:
        assert embedding is not None
        texts = [e or p.text for e, p in zip(embedded, passages, strict=True)]
        part = embedding.embed([p.id for p in passages], texts)
        kept, vectors = part.kept.tolist(), part.vectors
        if len(kept) < len(passages):
            passages = [passages[i] for i in kept]
            digests, embedded = [digests[i] for i in kept], [embedded[i] for i in kept]
    return to_rows(
        store.table.schema,
        passages,
        vectors,
        source=intake.source,
        digests=digests,
        embedded=embedded,
    )


def index_intake(store: Store, intake: Intake, language: str | None = None) -> Indexed:
    """Bring a store up to date with an input that was opened; see `index`."""
    with store.writing():
        return run(store, intake, _settings(store, {}), language)


def add_texts(
    store: Store, texts: Sequence[str], ids: Sequence[str], fields: Mapping[str, Sequence[Any]]
) -> Indexed:
    """Add texts from memory; see `Store.add`."""
    return index_intake(store, lists_intake(texts, ids, fields))


def add_vectors(store: Store, vectors: Vectors, source: str = "") -> Indexed:
    """Add vectors from memory; see `Store.add_vectors`."""
    return index_intake(store, vectors_intake(vectors, source))
