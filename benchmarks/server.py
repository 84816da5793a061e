"""The server under load: rate, latency, processor time a text, memory; beside other servers.

    python -m benchmarks.server                           # 5 minutes, on an idle Linux machine
    python -m benchmarks.server --soak 300                # 1,000 clients for the whole 5 minutes
    python -m benchmarks.server --quick                   # whether it runs
    python -m benchmarks.server --peer NAME MODEL PORT COMMAND

Server and clients run on the same cores, as processes of their own; clients are raw sockets that
send what was encoded before, and their processor time is told beside the server's. Every server has
the same model, no cache, and answers in base64 where it can. A peer is any server of OpenAI's
interface, in a virtual environment of its own, for instance

    --peer infinity minilm 7997 'peers/infinity/bin/infinity_emb v2 --model-id FOLDER
        --served-model-name minilm --port 7997 --url-prefix /v1 --no-bettertransformer'
    --peer vllm minilm 8100 'peers/vllm/bin/python -m vllm.entrypoints.openai.api_server
        --model FOLDER --served-model-name minilm --port 8100 --runner pooling'

with INFINITY_ANONYMOUS_USAGE_STATS=0, VLLM_NO_USAGE_STATS=1, VLLM_CPU_OMP_THREADS_BIND=nobind.
Writes `benchmarks/results/server.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.facts import machine, warnings

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results") / "server.json"
MODEL = "all-MiniLM-L6-v2"
_TICK = os.sysconf("SC_CLK_TCK")


def short_texts() -> list[str]:
    """Distinct summaries of packages, 16 tokens on average."""
    with gzip.open(ROOT / "examples" / "packages.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    field = "summary" if "summary" in rows[0] else "description"
    texts = (" ".join(row[field].split()[:12]) for row in rows)
    return list(dict.fromkeys(text for text in texts if text))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all below it, those that ended included."""
    total = 0.0
    for one in [pid, *_below(pid)]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / _TICK
    return total


def memory_mb(pid: int) -> float:
    """Resident memory of a process and all below it."""
    total = 0
    for one in [pid, *_below(pid)]:
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total / 1024


def _below(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *_below(child)]
    return found


class Client(asyncio.Protocol):
    """One connection that asks one request after the other, as fast as it is answered."""

    def __init__(self, load: Load) -> None:
        self._load, self._buffer, self._missing = load, b"", -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        request = self._load.next_request()
        if request is None:
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._missing < 0:
            head, end, _ = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._status = int(head[9:12])
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            self._missing = len(head) + 4 + int(length)
            self._wait = _retry_after(head) if self._status == 429 else 0.0
        if len(self._buffer) < self._missing:
            return
        self._load.answered(self._status, time.perf_counter() - self._started)
        self._buffer, self._missing = b"", -1
        if self._wait:
            asyncio.get_running_loop().call_later(self._wait, self._ask)
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.closed()


def _retry_after(head: bytes) -> float:
    found = head.lower().partition(b"retry-after-ms:")[2].split(b"\r\n")[0]
    return int(found or 1000) / 1000


class Load:
    """Clients at one server, until so many texts are answered or the time is over."""

    def __init__(
        self, port: int, model: str, clients: int, texts: int | None, seconds: float | None
    ) -> None:
        head = (
            f"POST /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            "content-type: application/json\r\nauthorization: Bearer none\r\n"
        )
        self._requests = []
        for text in short_texts():
            asked = {"model": model, "input": text, "encoding_format": "base64"}
            body = json.dumps(asked).encode()
            self._requests.append(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self._port, self._clients, self._texts = port, clients, texts
        self._end = None if seconds is None else time.perf_counter() + seconds
        self._asked, self._open = 0, clients
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []

    def next_request(self) -> bytes | None:
        over = self._asked == self._texts
        if over or (self._end is not None and time.perf_counter() > self._end):
            return None
        self._asked += 1
        return self._requests[self._asked % len(self._requests)]

    def answered(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.latencies.append(seconds)

    def closed(self) -> None:
        self._open -= 1
        if not self._open:
            self._done.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        for _ in range(self._clients):
            await loop.create_connection(lambda: Client(self), "127.0.0.1", self._port)
        await self._done.wait()


def ask(arguments: argparse.Namespace) -> None:
    """Be the clients: run a load and print what came of it."""
    import uvloop

    load = Load(
        arguments.port, arguments.model, arguments.clients, arguments.texts, arguments.seconds
    )
    start, cpu = time.perf_counter(), time.process_time()
    uvloop.run(load.run())
    seconds = time.perf_counter() - start
    ordered = sorted(load.latencies)
    print(
        json.dumps(
            {
                "texts": len(ordered),
                "texts_per_s": round(len(ordered) / seconds, 1),
                "median_ms": round(1000 * median(ordered), 2),
                "p99_ms": round(1000 * ordered[int(0.99 * (len(ordered) - 1))], 2),
                "client_cpu_ms": round(1000 * (time.process_time() - cpu) / len(ordered), 3),
                "statuses": {str(status): n for status, n in sorted(load.statuses.items())},
            }
        )
    )


def load_of(pid: int, port: int, model: str, clients: int, **until: float) -> dict[str, Any]:
    """Run clients in a process of their own; what came of it, and what the server spent."""
    command = [sys.executable, "-m", "benchmarks.server", "ask", "--port", str(port)]
    command += ["--model", model, "--clients", str(clients)]
    command += [word for name, value in until.items() for word in (f"--{name}", str(value))]
    before = cpu_seconds(pid)
    peak = memory_mb(pid)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        peak = max(peak, memory_mb(pid))
        time.sleep(0.5)
    found: dict[str, Any] = json.loads(process.stdout.read())
    spent = cpu_seconds(pid) - before
    return found | {
        "server_cpu_ms": round(1000 * spent / found["texts"], 3),
        "peak_mb": round(peak, 1),
    }


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Start a server and wait until its port answers; its process id."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise SystemExit(f"it ended with {process.returncode}: {shlex.join(command)}")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    """Whether models are listed there: loaded, and not only listening."""
    import httpx

    try:
        return httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 200
    except httpx.TransportError:
        return False


def offline(texts: int) -> dict[str, float]:
    """The same engine without a server: short texts a second."""
    code = (
        "import json, sys, time, veclab; from benchmarks.server import short_texts\n"
        f"n = {texts}; given = short_texts(); model = veclab.load({MODEL!r}, cache=False)\n"
        "model.embed(given[:64]); given = [given[i % len(given)] for i in range(n)]\n"
        "given = [f'{t} {i}' for i, t in enumerate(given)]\n"
        "a, c = time.perf_counter(), time.process_time(); model.embed(given)\n"
        "s, c = time.perf_counter() - a, time.process_time() - c\n"
        "print(json.dumps({'texts_per_s': round(n / s, 1), 'cpu_ms': round(1000 * c / n, 3)}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(pid: int, port: int, model: str, texts: int) -> dict[str, Any]:
    """What every server is asked."""
    load_of(pid, port, model, 64, texts=min(texts, 256))  # what is done once is done now
    return {
        "one_client": load_of(pid, port, model, 1, texts=max(50, texts // 20)),
        "64_clients": load_of(pid, port, model, 64, texts=texts),
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and write."""
    texts = 400 if arguments.quick else 10_000
    facts = machine()
    result: dict[str, Any] = {"machine": facts, "warnings": warnings(facts), "model": MODEL}
    result["offline"] = offline(texts)
    port = free_port()
    command = [sys.executable, "-m", "veclab", "serve", "-m", MODEL, "--port", str(port)]
    with running([*command, "--no-cache", "--no-access-log"], port) as pid:
        result["veclab"] = measure(pid, port, MODEL, texts)
        before = memory_mb(pid)
        soak = load_of(pid, port, MODEL, 1000, seconds=3 if arguments.quick else arguments.soak)
        result["1000_clients"] = soak | {"before_mb": round(before, 1)}
    rate = result["veclab"]["64_clients"]["texts_per_s"] / result["offline"]["texts_per_s"]
    result["share_of_offline"] = round(rate, 3)
    for name, model, peer_port, words in arguments.peer:
        with running(shlex.split(words), int(peer_port)) as pid:
            result[name] = measure(pid, int(peer_port), model, texts)
    print(json.dumps(result, indent=2))
    if not arguments.quick:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=["run", "ask"], default="run")
    parser.add_argument("--quick", action="store_true", help="whether it runs; writes nothing")
    parser.add_argument("--soak", type=float, default=60.0, help="seconds of 1,000 clients")
    parser.add_argument(
        "--peer", nargs=4, action="append", default=[], metavar=("NAME", "MODEL", "PORT", "COMMAND")
    )
    parser.add_argument("--port", type=int, help="of `ask`, as those below")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--texts", type=int)
    parser.add_argument("--seconds", type=float)
    arguments = parser.parse_args()
    (ask if arguments.part == "ask" else run)(arguments)


if __name__ == "__main__":
    main()
