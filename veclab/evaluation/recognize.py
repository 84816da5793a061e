"""Reading a data set: what the columns of a file hold, and so which task it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from veclab.corpus.column_roles import listed
from veclab.corpus.find import Reading, find
from veclab.corpus.scan import SCAN_CHARS, SCAN_ROWS
from veclab.errors import InputError
from veclab.evaluation.beir import is_beir, read_beir
from veclab.evaluation.datasets import (
    TASKS,
    Dataset,
    Head,
    Task,
    halves,
    label_data,
    pair_data,
    sampled,
    self_retrieval_data,
)
from veclab.vectorfiles.joined import BLANK_LINE, join_texts, named_columns

_IDS = {"id", "_id", "row_id", "pair_id", "index", "idx", "qid", "docid"}
_GOLD = {"score", "similarity", "label", "labels", "gold", "is_duplicate", "duplicate", "match"}
_GOLD |= {"class", "category", "section", "topic", "intent", "target", "relevance", "sentiment"}
YES = {"1", "yes", "true", "duplicate", "match", "same", "paraphrase", "similar", "positive"}
_NO = {"0", "no", "false", "not", "not_duplicate", "not duplicate", "non-duplicate", "different"}
_NO |= {
    "no match",
    "no_match",
    "other",
    "not_paraphrase",
    "dissimilar",
    "negative",
    "not-duplicate",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user says of a data set; None for what its shape shall tell.

    Attributes:
        task: one of `TASKS`.
        columns: of texts: two are compared with each other (`sts`, `pairs`, and `self-retrieval`
            unless `join` is given); those of `labels` are joined.
        gold: the column of scores, yes or no, or classes.
        header: False where a .csv or .tsv has no column names; None to look.
        format: of the file, where its name does not tell.
        sample: measure this many units (pairs, queries, texts), always the same ones.
        join: join the columns of texts to one, with this between them; None for a blank line
            where they are joined anyway.
    """

    task: Task | None = None
    columns: tuple[str, ...] = ()
    gold: str | None = None
    header: bool | None = None
    format: str | None = None
    sample: int | None = None
    join: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one column as strings, and what they look like."""

    name: str
    values: Sequence[str | None]
    number: bool
    label: bool
    length: float  # mean number of characters

    @property
    def text(self) -> bool:
        """Whether it holds prose, as far as one can tell."""
        return not self.number and not self.label


def read_dataset(path: str | Path, choice: Choice | None = None) -> Dataset:
    """Read a file (.csv, .tsv, .jsonl, .parquet, .txt, each but .parquet also .gz) or a folder.

    A folder that holds corpus.jsonl and queries.jsonl is taken for BEIR layout; any other for a
    folder of text files.

    Raises:
        InputError: it cannot be read, or its shape fits no task (or not the one chosen).
    """
    choice = choice or Choice()
    if choice.task is not None and choice.task not in TASKS:
        raise InputError(f"unknown task {choice.task!r}; known are {listed(TASKS)}")
    named_columns(choice.columns)
    if choice.join is not None and len(choice.columns) < 2:
        raise InputError("several columns can be joined: name them (--column), or omit --join")
    if choice.sample is not None and choice.sample < 1:
        raise InputError("a sample needs 1 or more")
    target = Path(path)
    if is_beir(target):
        if choice.task not in (None, "retrieval"):
            raise InputError(f"{path} is in BEIR layout, which is for retrieval")
        return read_beir(target, choice.sample)
    if choice.task == "retrieval":
        raise InputError(
            f"{path} is not in BEIR layout: a folder with corpus.jsonl, queries.jsonl and "
            "qrels.tsv (or qrels/test.tsv)"
        )
    columns, reason = read_columns(target, choice)
    return _choose(target.name, columns, choice, reason)


def read_columns(path: Path, choice: Choice) -> tuple[dict[str, Column], str]:
    """Read all columns of a file; also return what was found out about its header.

    Raises:
        InputError: it cannot be read, holds no rows, or lacks a column that was named.
    """
    rows, said = _rows(path, choice, choice.header is not False), ""
    if choice.header is None and any(_is_number(name) for name in rows):
        named = next(name for name in rows if _is_number(name))
        rows = _rows(path, choice, False)
        said = f"no header, as the first row holds a number ({named}); "
    n = len(next(iter(rows.values()), []))
    if n == 0:
        raise InputError(f"{path} holds no rows")
    # A retrieval sample would have to keep all documents; with rows, fewer rows are all there is.
    kept = sampled(n, choice.sample)
    columns = {}
    for name, values in rows.items():
        strings = [None if values[i] is None else str(values[i]) for i in kept]
        if (column := _column(name, strings)) is not None:
            columns[name] = column
    for wanted in (*choice.columns, *([choice.gold] if choice.gold else [])):
        if wanted not in columns:
            raise InputError(f"{path} has no column {wanted!r}; its columns are {listed(columns)}")
    if len(kept) < n:
        said += f"a sample of {len(kept):,} of {n:,} rows; "
    return columns, said


def _rows(path: Path, choice: Choice, header: bool) -> dict[str, list[Any]]:
    file = find(path, Reading(choice.format, header))
    columns: dict[str, list[Any]] = {}
    done = 0
    for chunk in file.chunks(SCAN_ROWS, SCAN_CHARS):
        for name, values in chunk.columns.items():
            plain = values if isinstance(values, list) else values.to_pylist()
            column = columns.setdefault(name, [])
            column += [None] * (done - len(column)) + plain
        done += len(chunk.lines)
    for column in columns.values():
        column += [None] * (done - len(column))
    return columns


def _column(name: str, values: list[str | None]) -> Column | None:
    """Return what a column holds; None for ids and for nothing at all."""
    known = [value for value in values if value is not None and value.strip()]
    if not known or name.lower() in _IDS:
        return None
    distinct = len(set(known))
    number = all(map(_is_number, known))
    longest = max(map(len, known))
    few = distinct <= max(2, len(known) // 5)
    label = not number and longest <= 60 and distinct < len(known)
    label = label and (few or name.lower() in _GOLD)
    return Column(name, values, number, label, sum(map(len, known)) / len(known))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choose(name: str, columns: dict[str, Column], choice: Choice, said: str) -> Dataset:
    """Choose the task, by the user's word or by the columns."""
    texts = [columns[n] for n in choice.columns] or [c for c in columns.values() if c.text]
    if choice.join is not None:
        texts = [_joined(texts, choice.join)]
    gold = columns[choice.gold] if choice.gold else _gold(columns, texts, choice)
    task = choice.task or _task(len(texts), gold, name, columns)
    if task == "labels" and len(choice.columns) > 1 and len(texts) > 1:
        texts = [_joined(texts, BLANK_LINE)]
    if len(texts) > 2 and choice.columns:
        raise _unclear(name, columns, "a task compares two columns of texts, or joins them: --join")
    needs_two = task in ("sts", "pairs")
    if needs_two and len(texts) != 2:
        raise _unclear(name, columns, f"{task} needs two columns of texts, and {len(texts)} fit")
    if task != "self-retrieval" and gold is None:
        raise _unclear(name, columns, f"{task} needs a column of {_WANTED[task]}, and none fits")
    if task == "self-retrieval" and not choice.columns:
        texts = texts[:2] if len(texts) == 2 else [max(texts, key=_length)] if texts else []
    if not texts:
        raise _unclear(name, columns, "none of them holds texts")
    if needs_two:
        assert gold is not None
        reason = f"{said}two texts ({texts[0].name}, {texts[1].name}) and {_described(gold, task)}"
        numbers = _numbers(gold, task, name)
        return pair_data(Head(name, task, reason), texts[0].values, texts[1].values, numbers)
    if task == "labels":
        assert gold is not None
        text = max(texts, key=_length)
        reason = f"{said}a text ({text.name}) and {_described(gold, task)}"
        return label_data(Head(name, task, reason), text.values, gold.values)
    return _self_retrieval(name, texts, said)


def _joined(texts: list[Column], join: str) -> Column:
    """Return several columns of texts as one."""
    rows = zip(*(column.values for column in texts), strict=True)
    name = " + ".join(column.name for column in texts)
    column = _column(name, [join_texts(row, join) for row in rows])
    return column or Column(name, [], False, False, 0.0)


_WANTED = {"sts": "numbers", "pairs": "yes and no (or 1 and 0)", "labels": "classes"}


def _self_retrieval(name: str, texts: list[Column], said: str) -> Dataset:
    if len(texts) == 2:
        short, long = sorted(texts, key=_length)
        reason = f"{said}no labels: each {short.name!r} must find its {long.name!r}"
        return self_retrieval_data(Head(name, "self-retrieval", reason), short.values, long.values)
    column = texts[0].name
    reason = f"{said}no labels: each first half of {column!r} must find its second half"
    parts = [halves(text) for text in texts[0].values]
    head = Head(name, "self-retrieval", reason)
    return self_retrieval_data(head, [a for a, _ in parts], [b for _, b in parts])


def _gold(columns: dict[str, Column], texts: list[Column], choice: Choice) -> Column | None:
    """Return the column that holds what is known, if there is one, or one is named like it."""
    if choice.task == "self-retrieval":
        return None
    fit = [c for c in columns.values() if c not in texts and (c.number or c.label)]
    if choice.task == "sts":
        fit = [c for c in fit if c.number]
    named = [c for c in fit if c.name.lower() in _GOLD]
    # A lone text with a lone number is a text with a measure of something; it may be no class.
    fit = named or [c for c in fit if c.label or len(texts) == 2 or choice.task]
    return fit[0] if len(fit) == 1 or named else None


def _task(texts: int, gold: Column | None, name: str, columns: dict[str, Column]) -> Task:
    if gold is None and texts in (1, 2):
        return "self-retrieval"
    if gold is None or texts == 0:
        raise _unclear(name, columns, "which hold the texts is not clear")
    known = {v.strip().lower() for v in gold.values if v is not None and v.strip()}
    if texts == 2 and (gold.number or is_yes_no(known)):
        numbers = {float(v) for v in known} if gold.number else {0.0, 1.0}
        return "pairs" if numbers <= {0.0, 1.0} else "sts"
    if gold.number and len(known) > 100:
        raise _unclear(name, columns, f"{gold.name!r} has too many values to be classes")
    return "labels"


def is_yes_no(values: set[str]) -> bool:
    """Return whether values, in lower case, are a yes and a no, or one of the two."""
    return len(values) <= 2 and values <= YES | _NO and len(values & YES) <= 1


def _numbers(gold: Column, task: Task, name: str) -> list[float]:
    """Return the gold column as numbers: NaN where there is none."""
    values = [None if v is None or not v.strip() else v.strip().lower() for v in gold.values]
    if gold.number:
        return [float("nan") if v is None else float(v) for v in values]
    if task == "sts" or not is_yes_no({v for v in values if v is not None}):
        raise InputError(
            f"{name}: column {gold.name!r} holds neither numbers nor yes and no; "
            "name another with --gold"
        )
    return [float("nan") if v is None else float(v in YES) for v in values]


def _described(gold: Column, task: Task) -> str:
    known = [v for v in gold.values if v is not None and v.strip()]
    if task == "sts":
        numbers = [float(v) for v in known if _is_number(v)]
        return f"a number ({gold.name}, {min(numbers):g} to {max(numbers):g})" if numbers else ""
    if task == "pairs":
        return f"yes or no ({gold.name})"
    return f"a class ({gold.name}, {len(set(known)):,} different)"


def _length(column: Column) -> float:
    return column.length


def _unclear(name: str, columns: dict[str, Column], why: str) -> InputError:
    kinds = ", ".join(
        f"{c.name} ({'number' if c.number else 'class' if c.label else 'text'})"
        for c in columns.values()
    )
    return InputError(
        f"{name}: {why}. Its columns: {kinds or 'none'}. Say which are which: --task "
        f"({', '.join(cast(Sequence[str], TASKS))}), --column NAME for each text, --gold NAME"
    )
