"""Reading training data: what the user has, in whatever of these forms.

| given | a query | its documents |
| --- | --- | --- |
| a file with two or more columns of texts | by the columns' names, else the shorter | the other |
| a folder in BEIR layout | a query | those judged relevant |
| a store, or a folder of documents | a heading, else a passage | its passages, else the next one |
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from veclab.corpus.column_roles import listed
from veclab.errors import InputError
from veclab.evaluation.beir import TRAINING_JUDGMENTS, is_beir, read_beir
from veclab.evaluation.datasets import halves
from veclab.evaluation.recognize import YES, Choice, Column, is_yes_no, read_columns
from veclab.store.lance_location import STATE_FILE
from veclab.tuning.data import Gathering, TrainingData, from_retrieval

CountTokens = Callable[[list[str]], Sequence[int]]

_QUERY = {"query", "question", "anchor", "title", "summary", "sentence1", "text1", "short", "q"}
_POSITIVE = {
    "positive", "document", "passage", "answer", "body", "description", "abstract", "text",
    "context", "sentence2", "text2", "long", "content", "pos",
}  # fmt: skip
_NEGATIVE = ("negative", "neg", "hard_negative")
_CHUNK = 256


class Part(NamedTuple):
    """A passage of a document, in order, with the headings that it stands under."""

    document: str
    headings: tuple[str, ...]
    text: str


def read_training(
    source: str | Path,
    *,
    columns: Sequence[str] = (),
    count_tokens: CountTokens | None = None,
    chunk_size: int = _CHUNK,
) -> TrainingData:
    """Read training data.

    Args:
        source: a file, a folder in BEIR layout, a store, or a folder of documents.
        columns: of a file: the query, the document, and any that hold wrong documents.
        count_tokens: of texts, for a folder of documents, which is cut into passages; by default
            a token is taken for four characters.
        chunk_size: the most tokens of such a passage.

    Raises:
        InputError: it cannot be read, or what is a query and what a document cannot be told.
    """
    path = Path(source)
    if columns and (path.is_dir() or "://" in str(source)):
        raise InputError(f"{source} has no columns: --column goes with a file")
    if is_beir(path):
        return from_retrieval(read_beir(path, judgments=TRAINING_JUDGMENTS), {})
    if _is_store(source) or path.is_dir():
        parts, notes = read_parts(source, count_tokens, chunk_size)
        return from_parts(str(source), parts).plus(*notes)
    read, _ = read_columns(path, Choice(columns=tuple(columns)))
    return from_columns(path.name, read, columns)


def read_parts(
    source: str | Path, count_tokens: CountTokens | None = None, chunk_size: int = _CHUNK
) -> tuple[list[Part], list[str]]:
    """Read the passages of a store, or of a folder of documents; see `read_training`.

    Returns:
        The passages, in order, and what the user should know of the reading.

    Raises:
        InputError: it is neither.
    """
    if _is_store(source):
        return list(_stored(source)), []
    if not Path(source).is_dir():
        raise InputError(f"{source} holds no passages: give a store, or a folder of documents")
    return _documents(Path(source), count_tokens or _characters, chunk_size)


def from_columns(
    name: str, columns: dict[str, Column], chosen: Sequence[str] = ()
) -> TrainingData:  # fmt: skip
    """Make training data of a file's columns; see `read_training`."""
    if len(chosen) == 1:
        raise InputError(f"{name}: one column is no pair; name the query and the document")
    texts = [column for column in columns.values() if column.text]
    label = None if chosen else _label(columns)
    if chosen:
        query, positive, *negatives = (columns[wanted] for wanted in chosen)
        why = "as named"
    elif len(texts) == 1 and label is None:
        return _halved(name, texts[0])
    else:
        query, positive, negatives, why = _recognized(name, columns, texts)
    read = {query.name, positive.name, *(n.name for n in negatives)} | (
        {label.name} if label else set()
    )
    unread = [other for other in columns if other not in read]
    made = Gathering()
    for i in range(len(query.values)):
        wrong = [column.values[i] for column in negatives]
        if label is not None and not _is_yes(label.values[i]):
            made.add_wrong(query.values[i], positive.values[i])
            continue
        made.add(query.values[i], positive.values[i], wrong)
    more = f", wrong documents {listed([n.name for n in negatives])}" if negatives else ""
    more += f", right where {label.name!r} says yes" if label is not None else ""
    return made.finish(
        name,
        f"query {query.name!r}, document {positive.name!r} ({why}){more}",
        f"columns not read: {listed(unread)}" if unread else "",
    )


def from_parts(name: str, parts: Iterable[Part]) -> TrainingData:
    """Make training data of passages: headings find what stands under them.

    Where fewer than half have a heading, each passage finds the next one of its document instead.
    """
    known = list(parts)
    titled = sum(bool(part.headings) for part in known)
    made = Gathering()
    if 2 * titled >= len(known) and known:
        for part in known:
            if part.headings:
                made.add(part.headings[-1], _body(part), ())
        return made.finish(
            name, f"each heading shall find what stands under it: {titled:,} passages"
        )
    for part, following in itertools.pairwise(known):
        if part.document == following.document:
            made.add(part.text, following.text, ())
    if not made.queries:
        raise InputError(
            f"{name}: its passages stand under no headings and alone in their documents, so "
            "nothing tells what should find them; have a chat model write queries "
            "(--questions-by openai:MODEL), or give a file of pairs"
        )
    return made.finish(
        name, "there are hardly any headings: each passage shall find the next of its document"
    )


def _body(part: Part) -> str:
    """Return a passage without its own heading, which would give the answer away."""
    heading = part.headings[-1]
    text = part.text.lstrip()
    return text.removeprefix(heading).lstrip(" \n:.-") or part.text


def _recognized(
    name: str, columns: dict[str, Column], texts: list[Column]
) -> tuple[Column, Column, list[Column], str]:
    """Return query, positive and negatives by their names, else by their lengths; and which."""
    plain = {column.name.lower(): column for column in columns.values()}
    negatives = [c for key, c in plain.items() if key.startswith(_NEGATIVE)]
    others = [c for c in texts if c not in negatives]
    queries = [c for key, c in plain.items() if key in _QUERY]
    positives = [c for key, c in plain.items() if key in _POSITIVE]
    if len(queries) == len(positives) == 1:
        return queries[0], positives[0], negatives, "by their names"
    if len(others) == 2:
        short, long = sorted(others, key=lambda column: column.length)
        return short, long, negatives, "the shorter finds the longer"
    raise InputError(
        f"{name}: which columns hold queries and documents is not clear. Its columns: "
        f"{listed(list(columns)) or 'none'}. Name them: --column QUERY --column DOCUMENT, and any "
        "of wrong documents after them"
    )


def _label(columns: dict[str, Column]) -> Column | None:
    """Return the column that says yes or no to a pair, if there is one."""
    for column in columns.values():
        known = {v.strip().lower() for v in column.values if v is not None and v.strip()}
        if not column.text and len(known) == 2 and is_yes_no(known):
            return column
    return None


def _is_yes(value: str | None) -> bool:
    return value is not None and value.strip().lower() in YES


def _halved(name: str, column: Column) -> TrainingData:
    made = Gathering()
    for text in column.values:
        first, second = halves(text)
        made.add(first, second, ())
    return made.finish(name, f"each first half of {column.name!r} shall find its second half")


def _is_store(source: str | Path) -> bool:
    return "://" in str(source) or (Path(source) / STATE_FILE).is_file()


def _stored(source: str | Path) -> Iterator[Part]:
    from veclab.store.rows import to_passages
    from veclab.store.store import Store

    with Store.open(source) as store:
        for rows in store.table.scan(["id", "document", "heading", "text"]):
            for passage in to_passages(rows):
                yield Part(passage.document, passage.heading, passage.text)


def _documents(path: Path, count: CountTokens, size: int) -> tuple[list[Part], list[str]]:
    from veclab.documents.chunks import chunk_document
    from veclab.documents.document import Document, Skipped
    from veclab.documents.reading import read_documents

    parts: list[Part] = []
    notes = []
    for document in read_documents(path):
        if isinstance(document, Document):
            chunks = chunk_document(document, count, chunk_size=size)
            parts += [Part(document.id, chunk.headings, chunk.text) for chunk in chunks]
        elif isinstance(document, Skipped):
            notes.append(f"left out {document.path}: {document.reason}")
    return parts, notes


def _characters(texts: list[str]) -> list[int]:
    return [len(text) // 4 + 2 for text in texts]
