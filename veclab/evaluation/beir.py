"""Retrieval data in BEIR layout: corpus.jsonl, queries.jsonl, and qrels.tsv or qrels/test.tsv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from veclab.corpus.column_roles import listed
from veclab.corpus.find import Reading, find
from veclab.corpus.scan import SCAN_CHARS, SCAN_ROWS
from veclab.errors import InputError
from veclab.evaluation.datasets import Head, RetrievalData, retrieval_data, sampled

_ENDINGS = (".jsonl", ".jsonl.gz")
_JUDGMENTS = ("qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv", "qrels/train.tsv")
# What is trained on leaves the test part alone where there is another.
TRAINING_JUDGMENTS = ("qrels.tsv", "qrels/train.tsv", "qrels/dev.tsv", "qrels/test.tsv")


def is_beir(path: Path) -> bool:
    """Return whether a path is a folder with a corpus and queries."""
    return path.is_dir() and all(_part(path, name) is not None for name in ("corpus", "queries"))


def read_beir(
    path: Path, sample: int | None = None, judgments: Sequence[str] = _JUDGMENTS
) -> RetrievalData:
    """Read a folder in BEIR layout; documents are read as "title text".

    Args:
        path: the folder.
        sample: keep this many queries (all documents stay, or the task would get easier).
        judgments: files that may hold them; the first that is there is read.

    Raises:
        InputError: a file is missing or damaged, or no query has a relevant document.
    """
    judged = next((path / name for name in judgments if (path / name).is_file()), None)
    if judged is None:
        raise InputError(f"{path} has no judgments: {' or '.join(judgments)} is needed")
    queries = _texts(path, "queries")
    documents = _texts(path, "corpus")
    degrees, notes = _judgments(judged)
    reason = "a folder with corpus.jsonl, queries.jsonl and "
    reason += judged.relative_to(path).as_posix()
    if sample is not None and sample < len(queries):
        names = [name for name in queries if name in degrees]
        kept = [names[i] for i in sampled(len(names), sample)]
        reason += f"; a sample of {len(kept):,} of {len(names):,} judged queries"
        queries = {name: queries[name] for name in kept}
        degrees = {name: degrees[name] for name in kept}
    head = Head(path.resolve().name, "retrieval", reason)
    data = retrieval_data(head, queries, documents, degrees)
    return replace(data, notes=(*data.notes, *notes))


def _part(folder: Path, name: str) -> Path | None:
    return next((folder / (name + e) for e in _ENDINGS if (folder / (name + e)).is_file()), None)


def _texts(folder: Path, name: str) -> dict[str, str | None]:
    """Return the id to text; a title goes in front."""
    path = _part(folder, name)
    assert path is not None
    texts: dict[str, str | None] = {}
    for line, record in _records(path):
        key = record.get("_id", record.get("id"))
        if key is None or not isinstance(record.get("text"), str):
            raise InputError(f"{path}, line {line}: a record needs an _id and a text")
        if str(key) in texts:
            raise InputError(f"{path}, line {line}: the id {str(key)!r} occurs a second time")
        title = record.get("title")
        parts = [title, record["text"]] if isinstance(title, str) and title else [record["text"]]
        texts[str(key)] = " ".join(parts)
    return texts


def _judgments(path: Path) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Read query id -> document id -> degree, from `query-id corpus-id score`, header or not.

    Also return what the user must know: of a pair that is judged twice the last degree counts.
    """
    found: dict[str, dict[str, int]] = {}
    twice: list[tuple[str, str, int, int]] = []
    for line, record in _records(path, header=False):
        cells = [str(cell) for cell in record.values()]
        if line == 1 and not _is_degree(cells[-1]):
            continue
        if len(cells) == 4:  # trec_eval's own: query, iteration, document, degree
            del cells[1]
        if len(cells) != 3 or not _is_degree(cells[2]):
            raise InputError(
                f"{path}, line {line}: a judgment is query id, document id and a whole number, "
                f"set off by tabs, not {listed(cells)}"
            )
        query, document, degree = cells
        of_query = found.setdefault(query, {})
        if document in of_query:
            twice.append((query, document, of_query[document], int(float(degree))))
        of_query[document] = int(float(degree))
    if not found:
        raise InputError(f"{path} holds no judgments")
    return found, _twice(path, twice)


def _twice(path: Path, pairs: list[tuple[str, str, int, int]]) -> list[str]:
    if not pairs:
        return []
    query, document, first, last = next((p for p in pairs if p[2] != p[3]), pairs[0])
    differ = sum(one != other for *_, one, other in pairs)
    return [
        f"{path.name}: {len(pairs):,} pair(s) are judged more than once, {differ:,} of them "
        f"differently; the last judgment counts. For one: query {query!r} and document "
        f"{document!r}, {first} and then {last}"
    ]


def _is_degree(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def _records(path: Path, header: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, record) of a file."""
    for chunk in find(path, Reading(header=header)).chunks(SCAN_ROWS, SCAN_CHARS):
        columns = {name: list(values) for name, values in chunk.columns.items()}
        for row, line in enumerate(chunk.lines):
            yield line, {name: values[row] for name, values in columns.items()}
