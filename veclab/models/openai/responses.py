"""Reading what an embeddings endpoint answered, trusting none of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.jsontext import parse_json


class Fault(Exception):
    """An answer that cannot be used.

    Attributes:
        rows: positions of bad vectors, where the rest of the answer is sound.
        dimensions: what all its vectors have, where that is what is wrong.
        tokens: what it cost all the same; None where it does not say.
    """

    def __init__(
        self,
        reason: str,
        *,
        rows: Sequence[int] = (),
        dimensions: int | None = None,
        tokens: int | None = 0,
    ) -> None:
        super().__init__(reason)
        self.rows = tuple(rows)
        self.dimensions = dimensions
        self.tokens = tokens


def read_answer(
    body: bytes, n: int, dim: int | None, content_type: str = "application/json"
) -> tuple[NDArray[np.float32], int | None]:
    """Read the vectors and the tokens of an answer.

    Args:
        body: as it came; vectors in base64 (little-endian float32) or as lists of numbers.
        n: how many texts were sent.
        dim: how long a vector must be; None where that is what is asked.
        content_type: of the answer, for the complaint.

    Returns:
        float32 (n, dim), and the tokens the server counted, None when it does not say.

    Raises:
        Fault: it is something else; says what.
    """
    try:
        answer = parse_json(body)
    except ValueError:
        raise Fault(_not_json(body, content_type), tokens=None) from None
    return check_answer(answer, n, dim)


def check_answer(answer: Any, n: int, dim: int | None) -> tuple[NDArray[np.float32], int | None]:
    """Check an answer that is parsed already, as `read_answer` does."""
    if isinstance(answer, dict) and "data" not in answer and answer.get("error"):
        # LM Studio answers so, with status 200, where the path is wrong.
        raise Fault(f"the answer is an error instead of vectors: {_start(answer['error'])}")
    tokens = _tokens(answer)
    data = in_order(answer, n, tokens)
    cost = tokens
    rows = [_vector(item.get("embedding"), cost) for item in data]
    sizes = {len(row) for row in rows}
    if len(sizes) > 1:
        raise Fault(f"vectors of {sorted(sizes)} dimensions came in one answer", tokens=cost)
    (size,) = sizes or {dim or 0}
    if size == 0 or (dim is not None and size != dim):
        raise Fault(
            f"vectors of {size} dimensions came instead of {dim}", dimensions=size, tokens=cost
        )
    vectors = np.stack(rows).astype(np.float32, copy=False)
    bad = ~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)
    if bad.any():
        where = [int(i) for i in np.flatnonzero(bad)]
        raise Fault(f"{len(where)} vector(s) of NaN or zeros came", rows=where, tokens=cost)
    return vectors, tokens


def in_order(answer: Any, n: int, cost: int | None = None) -> list[dict[str, Any]]:
    """Return the items of an answer in the order of the n texts, by their `index`.

    An answer without any index is in order. One index may lack: Gemini leaves out a 0.

    Raises:
        Fault: there are more or fewer items, or an index is there twice or stands for no text.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise Fault(f"the answer has no list `data` of vectors: {_start(answer)}", tokens=cost)
    if len(data) != n:
        raise Fault(f"{len(data)} vectors came for {n} texts", tokens=cost)
    told = [item.get("index") for item in data]
    places = [index for index in told if index is not None]
    if not places:
        return data
    if any(type(index) is not int for index in places):
        raise Fault("an index of the vectors is not a whole number", tokens=cost)
    if len(places) == n - 1 and len(lacking := set(range(n)) - set(places)) == 1:
        told[told.index(None)] = lacking.pop()
    if set(told) != set(range(n)):
        raise Fault(f"the vectors' indices are not those of {n} texts", tokens=cost)
    ordered: list[dict[str, Any]] = [{}] * n
    for index, item in zip(told, data, strict=True):
        ordered[index] = item
    return ordered


def _vector(value: Any, cost: int | None) -> NDArray[np.float32]:
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
        row: NDArray[np.float32] = np.asarray(value, dtype=np.float32)
    except (OverflowError, TypeError, ValueError):
        raise Fault("a vector is neither base64 nor a list of numbers", tokens=cost) from None
    if row.ndim == 2:  # llama.cpp without pooling, by its older route
        raise Fault(
            "a list of vectors came for one text: the server does not pool them (llama.cpp: "
            "--pooling mean)",
            tokens=cost,
        )
    if row.ndim != 1:
        raise Fault("a vector is neither base64 nor a list of numbers", tokens=cost)
    return row


def _tokens(answer: Any) -> int | None:
    usage = answer.get("usage") if isinstance(answer, dict) else None
    found = usage.get("total_tokens") if isinstance(usage, dict) else None
    return found if type(found) is int and found >= 0 else None


def _not_json(body: bytes, content_type: str) -> str:
    if "html" in content_type.lower() or body.lstrip()[:1] == b"<":
        return "a web page came instead of vectors"
    return "the answer is cut short or not JSON" if body else "an empty answer came"


def _start(answer: Any) -> str:
    return json.dumps(answer, ensure_ascii=False)[:80]
