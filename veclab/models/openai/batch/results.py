"""Reading what a batch answered, and believing nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.jsontext import parse_json
from veclab.models.openai.batch.job_folder import Failure, Input
from veclab.models.openai.responses import Fault, check_answer, in_order
from veclab.report import shorten


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What became of one request.

    Attributes:
        request: its custom_id.
        good: those of its inputs that have a sound vector, in the order asked.
        vectors: float32 (good, dim), as they came; None when there are none.
        failures: one for each of the others.
        tokens: that the answer says were read, 0 when it does not say.
    """

    request: str
    good: list[Input]
    vectors: NDArray[np.float32] | None
    failures: list[Failure]
    tokens: int


def read_answers(
    path: Path, asked: Mapping[str, Sequence[Input]], dim: int, notes: list[str]
) -> Iterator[RequestResult]:
    """Read the lines of an output or error file, in whatever order they come.

    Lines that are no answer to what was asked are skipped, with a note: the others were paid
    for, and a request without a line is asked again.

    Args:
        path: of the file.
        asked: the inputs of each request, by custom_id.
        dim: numbers a vector must have.
        notes: where notes are added.
    """
    seen: set[str] = set()
    faults: list[str] = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = parse_json(raw)
                name = line["custom_id"]
                inputs = asked[name]
            except (ValueError, KeyError, TypeError):
                faults.append(str(number))
                continue
            if name in seen:
                faults.append(str(number))
                continue
            seen.add(name)
            yield _read(name, line, inputs, dim)
    if faults:
        notes.append(
            f"{len(faults):,} line(s) of {path.name} answer no request, or a request that was "
            f"answered before, and were skipped: {shorten(faults)}"
        )


def _read(name: str, line: Mapping[str, Any], inputs: Sequence[Input], dim: int) -> RequestResult:
    response = _object(line.get("response"))
    body = _object(response.get("body"))
    if response.get("status_code") != 200:
        error = _object(line.get("error")) or _object(body.get("error"))
        code = str(response.get("status_code") or error.get("code") or "unknown")
        reason = str(error.get("message") or "no reason given")
        return RequestResult(name, [], None, failed(inputs, code, reason), 0)
    try:
        vectors, tokens = check_answer(body, len(inputs), dim)
        return RequestResult(name, list(inputs), vectors, [], tokens or 0)
    except Fault as fault:
        bad = set(fault.rows) or set(range(len(inputs)))
        reason, tokens = str(fault), fault.tokens or 0
    failures = failed([inputs[i] for i in sorted(bad)], "bad_vectors", reason)
    good = [i for i in range(len(inputs)) if i not in bad]
    if not good:
        return RequestResult(name, [], None, failures, tokens)
    # The others were paid for and are sound.
    items = in_order(body, len(inputs))
    rest = [items[i] | {"index": place} for place, i in enumerate(good)]
    vectors, _ = check_answer(body | {"data": rest}, len(good), dim)
    return RequestResult(name, [inputs[i] for i in good], vectors, failures, tokens)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def failed(inputs: Sequence[Input], code: str, message: str) -> list[Failure]:
    """Return the same failure for each of some inputs."""
    alone = len(inputs) == 1
    return [Failure(one.digest, one.id, code, message, alone) for one in inputs]
