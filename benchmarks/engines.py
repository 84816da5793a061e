"""How fast, how exact, how heavy: veclab beside its peers, in one run.

    python -m benchmarks.engines                 # all of it, about 15 minutes on 2 cores
    python -m benchmarks.engines --quick         # does it run? a minute, no figures to quote
    python -m benchmarks.engines --engines veclab,fastembed --rounds 9

Every engine is a child process (`benchmarks.peers`) with the same threads, the same model and the
same texts. README.md beside this file says what is measured and how.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import facts, table
from benchmarks.peers import ENGINES, REFERENCE, Task
from benchmarks.processes import ENVIRONMENT
from veclab.models.catalog import find_model

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
# No command to a child takes longer, unless it hangs.
PATIENCE = 600.0
# What an engine's round lasts, as far as there are texts: in a shorter one the last batch, for
# which a core may wait, counts too much.
ROUND_S = 3.0
# Times as many texts as the first pass has are there to fill a round with.
MOST = 10


class Child:
    """An engine in its own process. `error` says why it cannot be used (any more)."""

    def __init__(self, name: str, bench: Bench) -> None:
        self.name = name
        self.error: str | None = None
        self.rows: dict[str, list[dict[str, float]]] = {}
        self.texts: dict[str, int] = {}
        self.peak_mb: float | None = None
        self._log = bench.work / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                bench.command(name),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=bench.environment,
                cwd=ROOT,
            )
        self._answer()

    def run(self, **command: Any) -> dict[str, float] | None:
        """Wall and CPU seconds of one command; None when the engine has failed."""
        if self.error is not None:
            return None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            self.error = f"ended: {_last_line(self._log)}"
            return None
        return self._answer()

    def _answer(self) -> dict[str, float] | None:
        assert self._process.stdout is not None
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "error" in answer or not line:
            self.error = answer.get("error") or f"ended: {_last_line(self._log)}"
            return None
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


class Bench:
    """What the whole run shares."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.work = Path(options.work).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        threads = str(options.threads)
        self.environment = ENVIRONMENT | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "RAYON_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "VECLAB_HOME": str(self.work / "home"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        self.task = _task(options, self.work)
        self.task_file = self.work / "task.json"
        self.task_file.write_text(json.dumps(asdict(self.task)), encoding="utf-8")

    def command(self, name: str, *mode: str) -> list[str]:
        """The command line of a child."""
        return [sys.executable, "-m", "benchmarks.peers", name, str(self.task_file), *mode]

    def prepare(self, names: list[str]) -> dict[str, str]:
        """Convert, export and distil; the reasons of those that failed."""
        failed: dict[str, str] = {}
        done: dict[object, str | None] = {}
        for name in names:
            work = ENGINES[name].prepare
            if work is None:
                continue
            if work not in done:
                say(f"preparing {ENGINES[name].label}")
                child = subprocess.run(
                    self.command(name, "prepare"),
                    env=self.environment,
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    stdin=subprocess.DEVNULL,
                )
                line = child.stdout.strip().splitlines()[-1:] or ['{"error": "it ended"}']
                done[work] = json.loads(line[0]).get("error")
            if (error := done[work]) is not None:
                failed[name] = error
        return failed


def main() -> None:
    options = _options()
    names = _chosen(options)
    start = time.monotonic()
    machine = facts.machine()
    for warning in facts.warnings(machine):
        say(f"note: {warning}")
    bench = Bench(options)
    failed = bench.prepare(names)
    began = time.monotonic()  # preparing is done once; the budget is for measuring
    children = {name: _start(name, bench) for name in names if name not in failed}
    try:
        _first_pass(children, bench)
        rounds = _rounds(children, bench, began + options.budget)
        quality = _quality(children, bench)
        similarity = _stsb(children, bench)
    finally:
        for child in children.values():
            child.close()
    starts = _cold_starts(children, bench)
    sizes = table.tokens_of(bench.task)
    result = {
        "machine": machine | {"load_after": facts.load()},
        "model": {"name": find_model(options.model).name}
        | {k: v for k, v in asdict(bench.task).items() if isinstance(v, int)},
        "texts": {
            kind: {"texts": len(tokens) - 1, "tokens": tokens[-1]} for kind, tokens in sizes.items()
        },
        "round_s": 0 if options.quick else ROUND_S,
        "rounds": rounds,
        "quick": options.quick,
        "seconds": round(time.monotonic() - start, 1),
        "versions": facts.versions(names),
        "engines": {
            name: table.summary(
                ENGINES[name].label,
                failed.get(name) or children[name].error,
                {n: c.rows for n, c in children.items()},
                name,
                sizes,
            )
            | ({"peak_mb": children[name].peak_mb} if name in children else {})
            | {"cosine": quality.get(name), "stsb": similarity.get(name)}
            | {"cold_start": starts.get(name)}
            for name in names
        },
    }
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "engines.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    markdown = table.markdown(result)
    (output / "engines.md").write_text(markdown, encoding="utf-8")
    print(markdown)
    say(f"written: {output / 'engines.json'} and engines.md")


def say(message: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    every = ", ".join(ENGINES)
    parser.add_argument("--engines", metavar="A,B", help=f"which of: {every}")
    parser.add_argument("--rounds", type=int, help="timed rounds (default 7, --quick 1)")
    parser.add_argument("--budget", type=float, default=480, help="seconds for rounds at most")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="name or folder")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--work", default=str(ROOT / "build" / "bench"), help="for converted models"
    )
    parser.add_argument("--output", default=str(ROOT / "benchmarks" / "results"))
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[str]:
    if options.engines is None:
        return [name for name, engine in ENGINES.items() if engine.default]
    names: list[str] = options.engines.split(",")
    if unknown := set(names) - set(ENGINES):
        sys.exit(f"unknown engines: {', '.join(sorted(unknown))}; there are {', '.join(ENGINES)}")
    # Cosines and ratios are to the reference.
    return names if REFERENCE in names else [*names, REFERENCE]


def _task(options: argparse.Namespace, work: Path) -> Task:
    folder = find_model(options.model)
    config = json.loads((folder.transformer / "config.json").read_text(encoding="utf-8"))
    more = 1 if options.quick else MOST
    sizes = [size * more for size in _sizes(options)]
    return Task(
        model=options.model,
        folder=str(folder.path),
        name=folder.path.name if folder.name == "model" else folder.name.replace("/", "--"),
        max_tokens=folder.max_tokens or 512,
        dimensions=folder.dimensions or config["hidden_size"],
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        inner=config["intermediate_size"],
        threads=options.threads,
        work=str(work),
        sets=draw_texts(*sizes),
    )


def _sizes(options: argparse.Namespace) -> tuple[int, int, int]:
    """Long, short and many texts of the first pass, on which vectors are compared."""
    return (8, 24, 200) if options.quick else (192, 960, 20_000)


def draw_texts(long: int, short: int, many: int) -> dict[str, list[str]]:
    """Package descriptions (long) and one-line summaries (short, many), drawn with a fixed seed."""
    packages = SHARED / "packages" / "descriptions.jsonl.gz"
    own = ROOT / "examples" / "packages.jsonl.gz"
    with gzip.open(packages if packages.exists() else own, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in itertools.islice(file, 60_000)]
    descriptions = sorted({row["description"] for row in rows if row["description"].strip()})
    lines = {row["summary"] for row in rows if row.get("summary", "").strip()}
    summaries = SHARED / "packages" / "summaries.tsv.gz"
    if summaries.exists():
        with gzip.open(summaries, "rt", encoding="utf-8") as file:
            parts = (line.rstrip("\n").partition("\t")[2] for line in file)
            lines = {text for text in itertools.islice(parts, 0, None, 7) if text.strip()}
    shortest = sorted(lines)
    draw = random.Random(0)
    return {
        "long": draw.sample(descriptions, min(long, len(descriptions))),
        "short": draw.sample(shortest, min(short, len(shortest))),
        "many": draw.sample(shortest, min(many, len(shortest))),
    }


def _start(name: str, bench: Bench) -> Child:
    say(f"starting {ENGINES[name].label}")
    child = Child(name, bench)
    if child.error:
        say(f"  not measured: {child.error}")
    return child


def _file(bench: Bench, name: str, kind: str) -> Path:
    return bench.work / f"{name}-{kind}.npy"


def _first_pass(children: dict[str, Child], bench: Bench) -> None:
    """Warm up, keep the vectors of the first texts, and size the rounds: they take a like time."""
    first = dict(zip(("long", "short", "many"), _sizes(bench.options), strict=True))
    for name, child in children.items():
        for kind in ENGINES[name].sets:
            keep = {"save": str(_file(bench, name, kind))} if ENGINES[name].same else {}
            child.run(set=kind, texts=first[kind], **keep)
            answer = child.run(set=kind, texts=first[kind])
            if answer is not None:
                wanted = first[kind] * max(1.0, ROUND_S / answer["wall"])
                whole = len(bench.task.sets[kind])
                child.texts[kind] = first[kind] if bench.options.quick else min(int(wanted), whole)


def _rounds(children: dict[str, Child], bench: Bench, until: float) -> int:
    """Time all engines in turn, again and again, until the rounds or the time are used up."""
    wanted = bench.options.rounds or (1 if bench.options.quick else 7)
    order = list(children)
    for number in range(wanted):
        say(f"round {number + 1} of {wanted}, load {facts.load()}")
        for kind in ("long", "short", "many"):
            for name in order:
                if kind not in ENGINES[name].sets:
                    continue
                time.sleep(0.2)  # threads of the last engine that spin come to rest
                count = children[name].texts.get(kind)
                answer = children[name].run(set=kind, texts=count)
                if answer is not None:
                    children[name].rows.setdefault(kind, []).append(answer)
                    children[name].peak_mb = round(answer["peak_mb"])
        order = order[1:] + order[:1]
        if time.monotonic() > until:
            if number + 1 < wanted:
                say(f"the time is up after {number + 1} of {wanted} rounds")
            return number + 1
    return wanted


def _quality(children: dict[str, Child], bench: Bench) -> dict[str, dict[str, float]]:
    """Cosine to the reference's vectors of the same texts, smallest and mean."""
    found = {}
    for name, child in children.items():
        if not ENGINES[name].same or child.error or children[REFERENCE].error:
            continue
        cosines = np.concatenate(
            [_cosines(_file(bench, name, k), _file(bench, REFERENCE, k)) for k in ("long", "short")]
        )
        found[name] = {"min": float(cosines.min()), "mean": float(cosines.mean())}
    return found


def _cosines(one: Path, other: Path) -> Any:
    a, b = (np.load(file).astype(np.float64) for file in (one, other))
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)


def _stsb(children: dict[str, Child], bench: Bench) -> dict[str, float]:
    """Spearman's rank correlation x 100 with the scores of the STS Benchmark's test split."""
    file = SHARED / "stsb" / "stsb-en-test.csv"
    if bench.options.quick or not file.exists():
        return {}
    from scipy.stats import spearmanr

    with file.open(encoding="utf-8", newline="") as rows:
        pairs = list(csv.reader(rows))
    texts = [row[0] for row in pairs] + [row[1] for row in pairs]
    found = {}
    for name, child in children.items():
        if name.startswith("products") or name.endswith("cache") or child.error:
            continue
        say(f"STS Benchmark: {ENGINES[name].label}")
        keep = _file(bench, name, "stsb")
        if child.run(given=texts, save=str(keep)) is not None:
            vectors = np.load(keep).astype(np.float64)
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            scores = (vectors[: len(pairs)] * vectors[len(pairs) :]).sum(1)
            result = spearmanr(scores, [float(row[2]) for row in pairs])
            found[name] = round(100 * float(result.statistic), 2)
    return found


def _cold_starts(children: dict[str, Child], bench: Bench) -> dict[str, dict[str, float]]:
    """Whole processes that embed one word: median seconds and largest memory."""
    found = {}
    names = [
        name
        for name, child in children.items()
        if child.error is None and not name.startswith("products") and not name.endswith("cache")
    ]
    for name in [] if bench.options.quick else names:
        say(f"cold start: {ENGINES[name].label}")
        hello = ENGINES[name].hello
        command = bench.command(name, "hello")
        if hello is not None:
            command = [sys.executable, *hello(bench.task)]
        runs = list(itertools.islice(_hellos(command, bench), 4))
        if all(code == 0 for code, _, _ in runs):
            # The first one reads files that are in the page cache afterwards.
            found[name] = {
                "seconds": round(float(np.median([seconds for _, seconds, _ in runs[1:]])), 2),
                "peak_mb": round(max(memory for _, _, memory in runs)),
            }
    return found


def _hellos(command: list[str], bench: Bench) -> Iterator[tuple[int, float, float]]:
    while True:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=bench.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1e6 if sys.platform == "darwin" else 1e3
        yield process.returncode, time.perf_counter() - start, usage.ru_maxrss / unit


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "without a word"


if __name__ == "__main__":
    main()
