"""Texts into requests, requests into files, within the Batch API's limits.

One text a request is the default, though a request could hold 2,048. Tokens are what is paid
for, so packing saves no money; a batch takes 50,000 texts however they are packed, so it saves no
batch either; and the number of requests is not limited. But a request succeeds or fails as one,
and a failure costs up to a day: alone, a text that is refused takes no other with it, each answer
tells how many tokens of that very text were read, and a batch that expires keeps all that was
done. It costs about 150 bytes a text on the way up, beside vectors of 8,000 on the way down.

The first request of a file is the canary (`veclab.models.openai.canary`): its answer tells which
model made the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from veclab.errors import InputError
from veclab.models.openai.batch.job_folder import Input, JobFolder, Part

# What OpenAI documents: of a batch, of its file, of a request.
BATCH_REQUESTS = 50_000
BATCH_INPUTS = 50_000
BATCH_BYTES = 200_000_000
REQUEST_INPUTS = 2048
REQUEST_TOKENS = 300_000
# Tokens an account of the lowest paid tier may have waiting, in all its batches of one model.
QUEUE_TOKENS = 3_000_000

URL = "/v1/embeddings"


@dataclass(frozen=True, slots=True)
class Packing:
    """How much goes into a request, and into a file.

    Attributes:
        request_inputs: texts (or windows) of one request.
        request_tokens: of one request.
        batch_requests, batch_inputs, batch_bytes: of one file.
        batch_tokens: of one file; a batch over the account's queue would never be taken.
    """

    request_inputs: int = 1
    request_tokens: int = REQUEST_TOKENS
    batch_requests: int = BATCH_REQUESTS
    batch_inputs: int = BATCH_INPUTS
    batch_bytes: int = BATCH_BYTES
    batch_tokens: int = QUEUE_TOKENS

    def __post_init__(self) -> None:
        if not 1 <= self.request_inputs <= REQUEST_INPUTS:
            raise InputError(f"a request holds 1 to {REQUEST_INPUTS:,} texts")
        if self.batch_tokens < 1:
            raise InputError("the queue must hold 1 token or more")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sent for one text or window.

    Attributes:
        value: the entry of the request's `input`.
        digest, tokens, id: as in `folder.Input`.
        billed: tokens the model will read.
        alone: in a request of its own, because it failed in company.
    """

    value: Any
    digest: bytes
    tokens: int
    billed: int
    id: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens every file: texts that tell which model answered, and their tokens."""

    texts: tuple[str, ...] = ()
    tokens: int = 0


@dataclass(slots=True)
class _File:
    """One request file while it is written."""

    name: str
    opening: Opening
    requests: Any
    inputs: Any
    sha256: Any = field(default_factory=hashlib.sha256)
    count: int = 0
    held: int = 0
    tokens: int = 0
    bytes: int = 0


def pack(
    folder: JobFolder,
    asked: Iterable[Asked],
    body: dict[str, Any],
    packing: Packing,
    first: int,
    opening: Opening | None = None,
) -> list[Part]:
    """Write request files, numbered from `first`, for everything asked.

    The parts returned are not in the manifest yet. Files of a run that was killed before they got
    there are written over.

    Args:
        folder: of the job.
        asked: in the order it is to be sent.
        body: of every request, without `input`.
        packing: the limits.
        first: number of the first file.
        opening: the texts of each file's first request; none if None.

    Raises:
        InputError: one text alone is over a limit of the file.
        OutputError: the folder cannot be written.
    """
    parts: list[Part] = []
    with ExitStack() as stack:
        file: _File | None = None
        for members in _requests(asked, packing):
            billed = sum(one.billed for one in members)
            line = b"" if file is None else _line(file, members, body)
            if file is None or not _room(file, members, billed, len(line), packing):
                file = _next(folder, stack, file, parts, first)
                _open(file, opening or Opening(), body)
                line = _line(file, members, body)
            if not _room(file, members, billed, len(line), packing):
                _refuse(members, len(line), billed, packing)
            _write(file, members, line, billed)
        if file is not None:
            _close(stack, file, parts)
    return parts


def _requests(asked: Iterable[Asked], packing: Packing) -> Iterator[list[Asked]]:
    """Fill requests up to their limits, in order."""
    members: list[Asked] = []
    tokens = 0
    for one in asked:
        if members and (
            one.alone
            or members[-1].alone
            or len(members) >= min(packing.request_inputs, packing.batch_inputs)
            or tokens + one.billed > min(packing.request_tokens, packing.batch_tokens)
        ):
            yield members
            members, tokens = [], 0
        members.append(one)
        tokens += one.billed
    if members:
        yield members


def _room(file: _File, members: list[Asked], billed: int, size: int, packing: Packing) -> bool:
    opens = bool(file.opening.texts)
    return (
        file.count + opens < packing.batch_requests
        and file.held + len(members) + len(file.opening.texts) <= packing.batch_inputs
        and file.bytes + size <= packing.batch_bytes
        and file.tokens + billed <= packing.batch_tokens
    )


def _refuse(members: list[Asked], size: int, billed: int, packing: Packing) -> None:
    raise InputError(
        f"a request that begins with text {members[0].id} has {size:,} bytes and {billed:,} "
        f"tokens; a batch takes {packing.batch_bytes:,} bytes and {packing.batch_tokens:,} "
        "tokens: raise --queue-tokens, or put fewer texts into a request"
    )


def _open(file: _File, opening: Opening, body: dict[str, Any]) -> None:
    """Write the first request, which is none of the user's."""
    if not opening.texts:
        return
    line = _request(canary_of(file.name), list(opening.texts), body)
    file.opening = opening
    file.requests.write(line)
    file.sha256.update(line)
    file.tokens += opening.tokens
    file.bytes += len(line)


def canary_of(part: str) -> str:
    """Return the custom_id of the request that tells which model answered a part."""
    return f"{part}-canary"


def _line(file: _File, members: list[Asked], body: dict[str, Any]) -> bytes:
    name = f"{file.name}-{file.count + 1:05d}"
    return _request(name, [one.value for one in members], body)


def _request(name: str, values: list[Any], body: dict[str, Any]) -> bytes:
    request = {
        "custom_id": name,
        "method": "POST",
        "url": URL,
        "body": body | {"input": values},
    }
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _write(file: _File, members: list[Asked], line: bytes, billed: int) -> None:
    file.count += 1
    name = f"{file.name}-{file.count:05d}"
    file.requests.write(line)
    file.sha256.update(line)
    for index, one in enumerate(members):
        row = [name, index, one.digest.hex(), one.tokens, one.id]
        file.inputs.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    file.held += len(members)
    file.tokens += billed
    file.bytes += len(line)


def _next(
    folder: JobFolder, stack: ExitStack, file: _File | None, parts: list[Part], first: int
) -> _File:
    if file is not None:
        _close(stack, file, parts)
    name = f"{first + len(parts):04d}"
    requests = stack.enter_context(folder.writing(folder.file("requests", name).name))
    inputs = stack.enter_context(folder.writing(folder.file("inputs", name).name))
    return _File(name, Opening(), requests, inputs)


def _close(stack: ExitStack, file: _File, parts: list[Part]) -> None:
    stack.pop_all().close()
    parts.append(
        Part(
            name=file.name,
            requests=file.count + bool(file.opening.texts),
            inputs=file.held,
            tokens=file.tokens,
            bytes=file.bytes,
            sha256=file.sha256.hexdigest(),
        )
    )


def unpack(folder: JobFolder, part: Part) -> Iterator[tuple[Input, Any]]:
    """Yield each input of a request file with the value that was sent for it, in order."""
    inputs = folder.inputs(part.name)
    for request in folder.lines("requests", part.name):
        if request["custom_id"] == canary_of(part.name):
            continue
        for value in request["body"]["input"]:
            yield next(inputs), value
