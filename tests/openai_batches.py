"""The files and batches of an OpenAI-compatible server, with its limits, and faults on request.

`BatchServer` holds the state and runs on a real socket.
A batch moves on by one status each time it is looked at, so that no test waits for a clock.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.loopback import LoopbackServer
from tests.openai_server import without_canary

MAX_REQUESTS = 50_000
MAX_INPUTS = 50_000
MAX_BYTES = 200_000_000
REQUEST_INPUTS = 2048
REQUEST_TOKENS = 300_000
INPUT_TOKENS = 8191
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
FINAL = ("completed", "failed", "expired", "cancelled")


def hashed_vector(model: str, text: str, dimensions: int) -> np.ndarray:
    """A unit vector that is a pure function of model, text and dimensions."""
    seed = hashlib.blake2b(f"{model}|{text}".encode(), digest_size=8).digest()
    values = np.random.default_rng(int.from_bytes(seed, "big")).normal(size=dimensions)
    return (values / np.linalg.norm(values)).astype(np.float32)


@dataclass
class StoredFile:
    id: str
    name: str
    purpose: str
    data: bytes
    created_at: int

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass
class Faults:
    """What is to go wrong; counters go down to zero as they are used.

    Attributes:
        answers: (method, path part, status) of the next calls to be refused, each once.
        drop_uploads: uploads cut in the middle.
        lose_created: batches that are created without the client hearing of it.
        refuse: a request with an input that contains one of these gets a 400.
        fail: a request with an input that contains one of these gets a 500.
        poison: input part -> what is wrong with its answer: nan, zeros, dimension, index, short,
            twice, model.
        expire_after: batches expire when this share of their requests is done.
        shuffle: output lines come in another order.
        cut_downloads: downloads that end half-way.
        hide_lists: listings that show nothing, as a store that is late would.
        late_output: looks at a finished batch that do not tell of its output file yet.
        stay: batches do not move on from `in_progress`.
    """

    answers: list[tuple[str, str, int]] = field(default_factory=list)
    drop_uploads: int = 0
    lose_created: int = 0
    refuse: tuple[str, ...] = ()
    fail: tuple[str, ...] = ()
    poison: dict[str, str] = field(default_factory=dict)
    expire_after: float | None = None
    shuffle: bool = False
    cut_downloads: int = 0
    hide_lists: int = 0
    late_output: int = 0
    stay: bool = False


class BatchServer(LoopbackServer):
    """A server of files and batches, and their state.

    Attributes:
        faults: what is to go wrong.
        bought: every input that was embedded, in order, repeats included.
        calls: (method, path) of every call.
    """

    def __init__(
        self,
        *,
        key: str = "sk-test",
        vector: Callable[[str, str, int], np.ndarray] = hashed_vector,
        count: Callable[[str], int] = lambda text: len(text.split()),
        max_inputs: int = MAX_INPUTS,
        max_bytes: int = MAX_BYTES,
        queue_tokens: int | None = None,
    ) -> None:
        self.key, self.vector, self.count = key, vector, count
        self.max_inputs, self.max_bytes = max_inputs, max_bytes
        self.queue_tokens = queue_tokens
        self.faults = Faults()
        self.files: dict[str, StoredFile] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.bought: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.tokens = 0
        self.port = 0
        self._lock = threading.RLock()
        self._number = 0

    @property
    def uploads(self) -> list[StoredFile]:
        """Request files, as they came."""
        return [file for file in self.files.values() if file.purpose == "batch"]

    def app(self) -> Starlette:
        prefix = "/v1"
        routes = [
            Route(f"{prefix}/embeddings", self._guard(self._embed), methods=["POST"]),
            Route(f"{prefix}/files", self._guard(self._upload), methods=["POST"]),
            Route(f"{prefix}/files", self._guard(self._list_files), methods=["GET"]),
            Route(f"{prefix}/files/{{id}}", self._guard(self._file), methods=["GET", "DELETE"]),
            Route(f"{prefix}/files/{{id}}/content", self._guard(self._content), methods=["GET"]),
            Route(f"{prefix}/batches", self._guard(self._create), methods=["POST"]),
            Route(f"{prefix}/batches", self._guard(self._list_batches), methods=["GET"]),
            Route(f"{prefix}/batches/{{id}}", self._guard(self._batch), methods=["GET"]),
            Route(f"{prefix}/batches/{{id}}/cancel", self._guard(self._cancel), methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def _guard(self, handler: Any) -> Any:
        """Check the key and give the faults their turn."""

        async def endpoint(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            if request.headers.get("authorization") != f"Bearer {self.key}":
                return error(401, "Incorrect API key provided.", "invalid_api_key")
            for fault in self.faults.answers:
                method, part, status = fault
                if request.method == method and part in request.url.path:
                    self.faults.answers.remove(fault)
                    return error(status, f"fault {status}", headers={"retry-after-ms": "20"})
            return await handler(request)

        return endpoint

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number:06d}"

    def _store(self, name: str, purpose: str, data: bytes) -> StoredFile:
        file = StoredFile(self._id("file"), name, purpose, data, int(time.time()))
        self.files[file.id] = file
        return file

    async def _upload(self, request: Request) -> Response:
        if self.faults.drop_uploads:
            self.faults.drop_uploads -= 1
            async for _ in request.stream():
                break
            request.receive.__self__.transport.abort()
            return Response()
        form = await request.form(max_part_size=2 * self.max_bytes)
        file, purpose = form.get("file"), form.get("purpose")
        if purpose != "batch" or file is None or isinstance(file, str):
            return error(400, f"Invalid purpose {purpose!r} or file")
        data = await file.read()
        if not (file.filename or "").endswith(".jsonl"):
            return error(400, f"Invalid file format for Batch API: {file.filename}")
        if len(data) > self.max_bytes:
            return error(413, f"File of {len(data)} bytes is over {self.max_bytes}")
        with self._lock:
            return JSONResponse(self._store(file.filename or "", "batch", data).to_json())

    async def _list_files(self, request: Request) -> Response:
        purpose = request.query_params.get("purpose")
        with self._lock:
            files = [f for f in self.files.values() if purpose in (None, f.purpose)]
        return self._page(request, [file.to_json() for file in files])

    async def _list_batches(self, request: Request) -> Response:
        with self._lock:
            return self._page(request, [public(batch) for batch in self.batches.values()])

    def _page(self, request: Request, items: list[dict[str, Any]]) -> Response:
        if self.faults.hide_lists:
            self.faults.hide_lists -= 1
            items = []
        items = items[::-1]  # newest first
        after = request.query_params.get("after")
        if after is not None:
            items = items[[item["id"] for item in items].index(after) + 1 :]
        limit = int(request.query_params.get("limit", 20))
        page = items[:limit]
        return JSONResponse(
            {
                "object": "list",
                "data": page,
                "has_more": len(items) > limit,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
            }
        )

    async def _file(self, request: Request) -> Response:
        file = self.files.get(request.path_params["id"])
        if file is None:
            return error(404, f"No such File object: {request.path_params['id']}")
        if request.method == "DELETE":
            del self.files[file.id]
            return JSONResponse({"id": file.id, "object": "file", "deleted": True})
        return JSONResponse(file.to_json())

    async def _content(self, request: Request) -> Response:
        file = self.files.get(request.path_params["id"])
        if file is None:
            return error(404, f"No such File object: {request.path_params['id']}")
        if self.faults.cut_downloads:
            # Silently: a whole answer with half of the file in it.
            self.faults.cut_downloads -= 1
            return Response(file.data[: len(file.data) // 2])
        return Response(file.data, media_type="application/octet-stream")

    async def _create(self, request: Request) -> Response:
        body = await request.json()
        file = self.files.get(body.get("input_file_id", ""))
        if file is None or file.purpose != "batch":
            return error(400, f"No such input file: {body.get('input_file_id')}")
        if body.get("completion_window") != "24h" or body.get("endpoint") != "/v1/embeddings":
            return error(400, "Unknown endpoint or completion window")
        metadata = body.get("metadata") or {}
        if len(metadata) > 16 or any(
            not isinstance(v, str) or len(k) > 64 or len(v) > 512 for k, v in metadata.items()
        ):
            return error(400, "metadata is limited to 16 pairs of 64 and 512 characters")
        with self._lock:
            batch = {
                "id": self._id("batch"),
                "object": "batch",
                "endpoint": body["endpoint"],
                "input_file_id": file.id,
                "completion_window": "24h",
                "status": "validating",
                "created_at": int(time.time()),
                "metadata": metadata,
                "request_counts": {"total": 0, "completed": 0, "failed": 0},
                "output_file_id": None,
                "error_file_id": None,
                "errors": None,
                "_tokens": 0,
            }
            self.batches[batch["id"]] = batch
        if self.faults.lose_created:
            self.faults.lose_created -= 1
            request.receive.__self__.transport.abort()
        return JSONResponse(public(batch))

    async def _batch(self, request: Request) -> Response:
        with self._lock:
            batch = self.batches.get(request.path_params["id"])
            if batch is None:
                return error(404, f"No batch found with id '{request.path_params['id']}'.")
            self.step(batch)
            if batch["status"] in FINAL and self.faults.late_output:
                self.faults.late_output -= 1
                return JSONResponse(public(batch) | {"output_file_id": None})
            return JSONResponse(public(batch))

    async def _cancel(self, request: Request) -> Response:
        with self._lock:
            batch = self.batches[request.path_params["id"]]
            if batch["status"] in FINAL:
                return error(409, f"Cannot cancel a batch with status '{batch['status']}'.")
            batch["status"] = "cancelled"
            return JSONResponse(public(batch))

    def finish(self) -> None:
        """Move all batches on to their end."""
        with self._lock:
            for batch in self.batches.values():
                while batch["status"] not in FINAL:
                    self.step(batch)

    def step(self, batch: dict[str, Any]) -> None:
        """Move a batch on by one status."""
        if batch["status"] == "validating":
            self._validate(batch)
        elif batch["status"] == "in_progress" and not self.faults.stay:
            batch["status"] = "finalizing"
        elif batch["status"] == "finalizing":
            self._run(batch)

    def _validate(self, batch: dict[str, Any]) -> None:
        requests, problem = read_requests(self.files[batch["input_file_id"]].data)
        inputs = [text for line in requests for text in as_list(line["body"].get("input"))]
        if problem is None and len(inputs) > self.max_inputs:
            problem = ("too_many_inputs", f"{len(inputs)} inputs are over {self.max_inputs}", None)
        batch["_tokens"] = sum(self.count(text) for text in inputs)
        if problem is None and self.queue_tokens is not None:
            queued = sum(b["_tokens"] for b in self.batches.values() if b["status"] not in FINAL)
            if queued > self.queue_tokens:
                problem = (
                    "token_limit_exceeded",
                    f"Enqueued token limit reached. Limit: {self.queue_tokens:,} enqueued tokens. "
                    "Please try again once some in_progress batches have been completed.",
                    None,
                )
        if problem is not None:
            code, message, line = problem
            batch["status"] = "failed"
            data = [{"code": code, "message": message, "line": line, "param": None}]
            batch["errors"] = {"object": "list", "data": data}
            return
        batch["status"] = "in_progress"
        batch["request_counts"]["total"] = len(requests)

    def _run(self, batch: dict[str, Any]) -> None:
        requests, _ = read_requests(self.files[batch["input_file_id"]].data)
        output, errors = [], []
        expire = self.faults.expire_after
        last = len(requests) if expire is None else int(len(requests) * expire)
        for number, line in enumerate(requests):
            if number >= last:
                reason = "This request could not be executed before the completion window expired."
                expired = {"code": "batch_expired", "message": reason}
                errors.append(line_of(line, None, expired))
                continue
            status, body = self._answer(line["body"])
            response = {"status_code": status, "request_id": self._id("req"), "body": body}
            (output if status == 200 else errors).append(line_of(line, response, None))
        if self.faults.shuffle:
            random.Random(len(output)).shuffle(output)
        name = batch["id"]
        if output:
            file = self._store(f"{name}_output.jsonl", "batch_output", jsonl(output))
            batch["output_file_id"] = file.id
        if errors:
            file = self._store(f"{name}_error.jsonl", "batch_output", jsonl(errors))
            batch["error_file_id"] = file.id
        batch["request_counts"] |= {"completed": len(output), "failed": len(errors)}
        batch["status"] = "completed" if expire is None else "expired"

    async def _embed(self, request: Request) -> Response:
        status, answer = self._answer(await request.json())
        return JSONResponse(answer, status)

    def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        model, inputs = body.get("model"), as_list(body.get("input"))
        if model not in DIMENSIONS:
            return 404, message(f"The model `{model}` does not exist")
        dimensions = body.get("dimensions", DIMENSIONS[model])
        counts = [self.count(text) for text in inputs]
        if not inputs or len(inputs) > REQUEST_INPUTS or sum(counts) > REQUEST_TOKENS:
            return 400, message("too many inputs or tokens in one request")
        if any(not text for text in inputs) or max(counts) > INPUT_TOKENS:
            return 400, message("an input is empty or over 8191 tokens")
        if any(part in str(text) for text in inputs for part in self.faults.refuse):
            return 400, message("'$.input' is invalid.")
        if any(part in str(text) for text in inputs for part in self.faults.fail):
            return 500, message("The server had an error while processing your request.")
        self.bought += without_canary(inputs)
        self.tokens += sum(counts)
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": encode(self.vector(model, text, dimensions), body),
            }
            for index, text in enumerate(inputs)
        ]
        answer = {
            "object": "list",
            "model": model,
            "data": data,
            "usage": {"prompt_tokens": sum(counts), "total_tokens": sum(counts)},
        }
        for index, text in enumerate(inputs):
            for part, fault in self.faults.poison.items():
                if part in str(text):
                    poison(answer, index, fault, dimensions, body)
        return 200, answer


def poison(answer: Any, index: int, fault: str, dimensions: int, body: Any) -> None:
    """Spoil one vector of an answer."""
    entry = answer["data"][index]
    if fault == "nan":
        entry["embedding"] = encode(np.full(dimensions, np.nan, np.float32), body)
    elif fault == "zeros":
        entry["embedding"] = encode(np.zeros(dimensions, np.float32), body)
    elif fault == "dimension":
        entry["embedding"] = encode(np.ones(dimensions - 1, np.float32), body)
    elif fault == "index":
        entry["index"] = 7000
    elif fault == "short":
        del answer["data"][index]
    elif fault == "twice":
        answer["data"].append(dict(entry))
    elif fault == "model":
        answer["model"] = "some-other-model"
    else:
        raise ValueError(fault)


def encode(vector: np.ndarray, body: dict[str, Any]) -> Any:
    vector = vector.astype("<f4")
    if body.get("encoding_format") == "base64":
        return base64.b64encode(vector.tobytes()).decode()
    return vector.tolist()


def as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value or [])


def read_requests(
    data: bytes,
) -> tuple[list[dict[str, Any]], tuple[str, str, int | None] | None]:
    """The lines of a request file, or what is wrong with it."""
    lines: list[dict[str, Any]] = []
    seen = set()
    for number, raw in enumerate(data.splitlines(), start=1):
        try:
            line = json.loads(raw)
            name = line["custom_id"]
        except (ValueError, KeyError, TypeError):
            return [], ("invalid_json_line", "This line is not parseable as valid JSON.", number)
        if name in seen or not isinstance(name, str) or not 0 < len(name) <= 64:
            return [], ("duplicate_custom_id", f"The custom_id {name} is not unique.", number)
        seen.add(name)
        if line.get("method") != "POST" or line.get("url") != "/v1/embeddings":
            return [], ("mismatched_endpoint", f"{line.get('url')} is not the batch's.", number)
        if lines and line["body"].get("model") != lines[0]["body"].get("model"):
            return [], ("mismatched_model", "All requests must have one model.", number)
        lines.append(line)
    if not lines:
        return [], ("empty_file", "The input file is empty.", None)
    if len(lines) > MAX_REQUESTS:
        return [], ("too_many_tasks", f"{len(lines)} requests are over {MAX_REQUESTS}.", None)
    return lines, None


def line_of(request: Any, response: Any, fault: Any) -> dict[str, Any]:
    return {
        "id": f"batch_req_{request['custom_id']}",
        "custom_id": request["custom_id"],
        "response": response,
        "error": fault,
    }


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def public(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if not name.startswith("_")}


def message(text: str, code: str | None = None) -> dict[str, Any]:
    kind = "invalid_request_error"
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


def error(
    status: int, text: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse(message(text, code), status_code=status, headers=headers)
