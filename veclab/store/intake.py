"""Intake: inputs of every kind as one stream of blocks of passages."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.corpus.passages import SPAN_COLUMNS
from veclab.errors import InputError
from veclab.pipeline.prepare import repair_surrogates
from veclab.space import Space
from veclab.store.fields import Field, own_field
from veclab.store.passage import Passage
from veclab.store.passage_files import Part, has_spans, passage_blocks
from veclab.vectorfiles.schema import OWN_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.store.store import Store
    from veclab.vectors import Vectors

_ROWS = 8192
_CHUNKS = 1024


@dataclass(slots=True)
class Block:
    """A run of n passages that are new or changed.

    Attributes:
        passages, digests: n of each; a digest is that of the passage's document.
        embedded: n texts to embed, None where that is the passage's text.
        vectors: float32 (n, dim), or None where they are still to be computed.
    """

    passages: list[Passage]
    digests: list[str]
    embedded: list[str | None]
    vectors: NDArray[np.float32] | None = None


@dataclass(slots=True)
class Reading:
    """What reading an input has shown so far.

    Attributes:
        known: digests by document, of what the store holds from this input.
        seen: documents that the input has.
        unchanged: those of them whose digest is the known one.
        skipped: files that were left out, and why.
        notes: what the user should know.
    """

    known: Mapping[str, str]
    seen: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, name: str) -> int:
        """Let stand what is known of a document, of a file's records or of a folder's documents.

        Returns:
            How many documents that is.
        """
        inside = (f"{name}#", f"{name}/")
        kept = {one for one in self.known if one == name or one.startswith(inside)} - self.seen
        self.seen |= kept
        self.unchanged |= kept
        return len(kept)

    def is_new(self, document: str, digest: str) -> bool:
        """Take note of a document; whether it has to be taken in."""
        self.seen.add(document)
        if self.known.get(document) == digest:
            self.unchanged.add(document)
            return False
        return True


@dataclass(frozen=True, slots=True)
class Intake:
    """An input that was opened.

    Attributes:
        name: as the user gave it.
        source: what it is called in the store; what is gone from a source goes from the store.
        own: the user's fields.
        blocks: reads it.
        complete: whether documents of this source that are not in it are gone.
        needs_model: whether it has to be embedded.
        space: of its vectors, where it has some.
        notes: what the user should know before.
    """

    name: str
    source: str
    own: Sequence[Field]
    blocks: Callable[[Reading], Iterator[Block]]
    complete: bool = True
    needs_model: bool = True
    space: Space | None = None
    notes: Sequence[str] = ()


def texts_intake(path: str | Path, reading: Mapping[str, Any]) -> Intake:
    """A file of texts: each is a document, named by its id, or by file and line."""
    from veclab.corpus import open_source

    source = open_source(path, **reading)
    place = source.name if isinstance(path, str) else str(path.resolve())
    prefix = "" if source.id_column is not None else f"{Path(place).name}:"
    own = [own_field(column) for column in source.schema]

    def blocks(state: Reading) -> Iterator[Block]:
        for part in source.blocks(_ROWS):
            names = [prefix + name for name in part.ids]
            yield from text_block(state, names, part.texts, own, part.columns, file=place)

    return Intake(source.name, place, own, blocks, notes=source.notes)


def lists_intake(
    texts: Sequence[str], ids: Sequence[str], fields: Mapping[str, Sequence[Any]]
) -> Intake:
    """Texts from memory. What is not among them stays in the store."""
    import pyarrow as pa

    if len(texts) != len(ids):
        raise InputError(f"there are {len(texts):,} texts and {len(ids):,} ids")
    if len(set(ids)) < len(ids):
        raise InputError("some ids occur twice")
    for name, values in fields.items():
        if len(values) != len(texts):
            raise InputError(
                f"the field {name!r} has {len(values):,} values for {len(texts):,} texts"
            )
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"text {position} ({ids[position]!r}) is empty or not a string")
    try:
        columns = pa.table({name: list(values) for name, values in fields.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"the fields hold values of several types: {error}") from None
    own = [own_field(column) for column in columns.schema]

    def blocks(state: Reading) -> Iterator[Block]:
        for start in range(0, len(texts), _ROWS):
            part = slice(start, start + _ROWS)
            rows = columns.slice(start, _ROWS) if own else None
            yield from text_block(state, ids[part], texts[part], own, rows)

    return Intake("the texts", "", own, blocks, complete=False)


def text_block(
    state: Reading,
    names: Sequence[str],
    texts: Sequence[str | None],
    own: Sequence[Field],
    columns: pa.Table | None,
    *,
    file: str | None = None,
    vectors: NDArray[np.float32] | None = None,
) -> Iterator[Block]:
    """Texts that are each a document; nothing where none is new."""
    values = [{}] * len(names) if columns is None else _values(own, columns)
    passages, digests, kept = [], [], []
    for i, (name, text) in enumerate(zip(names, texts, strict=True)):
        if text is None or not text.strip():
            state.skipped.append((name, "it holds no text"))
            continue
        text = repair_surrogates(text)
        digest = _digest(text, values[i], None if vectors is None else vectors[i])
        if state.is_new(name, digest):
            passages.append(Passage(name, name, text, file, fields=values[i]))
            digests.append(digest)
            kept.append(i)
    if passages:
        part = None if vectors is None else vectors[kept]
        yield Block(passages, digests, [None] * len(passages), part)


def _values(own: Sequence[Field], columns: pa.Table) -> list[dict[str, Any]]:
    """The user's fields of each row."""
    lists = [column.to_pylist() for column in columns.columns]
    return [
        {f.name: value for f, value in zip(own, row, strict=True)}
        for row in zip(*lists, strict=True)
    ]


def _digest(text: str, values: Mapping[str, Any], vector: NDArray[np.float32] | None) -> str:
    """Of all that a document of one text is."""
    digest = blake2b(text.encode(), digest_size=16)
    if values:
        digest.update(json.dumps(values, sort_keys=True, default=str).encode())
    if vector is not None:
        digest.update(vector.tobytes())
    return digest.hexdigest()


def vectors_intake(given: Path | Vectors, source: str = "") -> Intake:
    """Vectors that were computed before, with their texts; Parquet is read in flat memory."""
    from veclab.vectorfiles.files import open_parquet, read, space_of

    if isinstance(given, Path):
        name, source = str(given), str(given.resolve())
    else:
        name = "the vectors"
    if isinstance(given, Path) and given.suffix == ".parquet":
        with open_parquet(given) as file:
            schema, space = file.schema_arrow, space_of(file, given)
        columns = [column for column in schema if column.name not in OWN_COLUMNS]
        names = [column.name for column in columns]
        parts = functools.partial(_parquet_parts, given, names, space.dimensions)
    else:
        vectors = read(given) if isinstance(given, Path) else given
        if vectors.texts is None:
            raise InputError(f"{name}: a store needs the texts of its vectors; they were not kept")
        space = vectors.space
        columns = list(vectors.columns.schema) if vectors.columns else []
        parts = functools.partial(_vector_parts, vectors)
    spans = has_spans(columns)
    own = [own_field(column) for column in columns if not spans or column.name not in SPAN_COLUMNS]
    if space.quantization is not None:
        raise InputError(
            f"{name} holds vectors rounded to {space.quantization}; a store rounds for its index "
            "itself: give it a file of floats (veclab embed without --quantize)"
        )

    def sound() -> Iterator[Part]:
        for part in parts():
            if not np.isfinite(part[3]).all() or not part[3].any(axis=1).all():
                raise InputError(
                    f"{name} holds vectors that are zero or not finite: veclab audit shows them"
                )
            yield part

    def blocks(state: Reading) -> Iterator[Block]:
        if spans:
            yield from passage_blocks(state, sound(), own, name)
            return
        for ids, texts, columns, array in sound():
            if not state.seen.isdisjoint(ids) or len(set(ids)) < len(ids):
                raise InputError(f"{name}: some ids occur twice")
            yield from text_block(state, ids, texts, own, columns, vectors=array)

    return Intake(name, source, own, blocks, complete=bool(source), needs_model=False, space=space)


def _parquet_parts(path: Path, own: Sequence[str], dimensions: int) -> Iterator[Part]:
    """Ids, texts, own columns and vectors, some thousand rows at a time."""
    import pyarrow as pa

    from veclab.vectorfiles.checked import as_strings
    from veclab.vectorfiles.files import open_parquet, vector_blocks

    with open_parquet(path) as file:
        also = [name for name in file.schema_arrow.names if name != "embedding"]
        for array, batch in vector_blocks(file, path, dimensions, also, _ROWS):
            table = pa.Table.from_batches([batch])
            columns = table.select(list(own)) if own else None
            ids = as_strings(table["id"], f"{path}: the column of ids")
            texts = as_strings(table["text"], f"{path}: the column of texts")
            if None in ids:
                raise InputError(f"{path}: a row has no id")
            yield [name or "" for name in ids], texts, columns, array


def _vector_parts(vectors: Vectors) -> Iterator[Part]:
    for start in range(0, len(vectors), _ROWS):
        part = vectors[start : start + _ROWS]
        yield part.ids, part.texts or [], part.columns, part.array


_CUTTING = ("chunk_size", "heading_in_text", "overlap")  # settings that change chunks
_DOCUMENT_FIELDS = ("title", "kind", "author", "language", "date")


def documents_intake(path: Path, store: Store, settings: dict[str, Any]) -> Intake:
    """A folder of documents, cut into chunks that the store's model can read."""
    from veclab.documents import Document, Skipped, chunk_document, read_documents

    own_folder = Path(store.place.name)
    if path.resolve().is_relative_to(own_folder.resolve()):
        raise InputError(f"{path} is the store itself, not documents to put into it")
    cut = "/".join(str(settings[name]) for name in _CUTTING)

    def blocks(state: Reading) -> Iterator[Block]:
        waiting = Block([], [], [])
        same = {d: k.rsplit("|", 1)[0] for d, k in state.known.items() if k.endswith(f"|{cut}")}
        for found in read_documents(path, known=same, leave_out=own_folder):
            if isinstance(found, Skipped):
                kept = 0 if found.id is None else state.keep(found.id)
                stays = "; what the store has of it stays" if kept else ""
                state.skipped.append((found.path, found.reason + stays))
                continue
            digest = f"{found.fingerprint}|{cut}"
            if not state.is_new(found.id, digest):
                continue
            assert isinstance(found, Document)
            state.notes += [f"{found.id}: {note}" for note in found.notes]
            limit = store.model.max_tokens or settings["chunk_size"]
            chunks = chunk_document(
                found,
                lambda texts: store.model.count_tokens(texts, role=store.role("document")),
                chunk_size=min(settings["chunk_size"], limit),
                overlap=settings["overlap"],
                heading_in_text=settings["heading_in_text"],
            )
            for number, chunk in enumerate(chunks):
                waiting.passages.append(_passage(found, chunk, number))
                waiting.digests.append(digest)
                waiting.embedded.append(chunk.to_embed if chunk.prefix else None)
            if len(waiting.passages) >= _CHUNKS:
                yield waiting
                waiting = Block([], [], [])
        if waiting.passages:
            yield waiting

    own = [Field(name, "text", name) for name in _DOCUMENT_FIELDS]
    return Intake(str(path), str(path.resolve()), own, blocks)


def _passage(document: Any, chunk: Any, number: int) -> Passage:
    facts = {"title": document.title, "kind": document.kind} | dict(document.metadata)
    return Passage(
        id=f"{document.id}#{number}",
        document=document.id,
        text=chunk.text,
        file=document.path,
        page=chunk.page,
        heading=tuple(chunk.headings),
        anchor=chunk.anchor or None,
        start=chunk.start,
        end=chunk.end,
        boxes=chunk.boxes,
        fields={n: None if facts.get(n) is None else str(facts[n]) for n in _DOCUMENT_FIELDS},
    )


__all__ = [
    "Block",
    "Intake",
    "Reading",
    "documents_intake",
    "lists_intake",
    "text_block",
    "texts_intake",
    "vectors_intake",
]
