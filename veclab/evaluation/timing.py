"""How fast a model is and what it takes, measured here and now."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from veclab.model import Model
from veclab.processes import import_path, python_command
from veclab.space import OnLong, Role

SAMPLE_TEXTS = 128
WARM_UP_TEXTS = 16
PASSES = 3
# A slow model gets fewer passes rather than minutes.
ENOUGH_SECONDS = 8.0

# Runs the real command in the child and adds the child's own peak memory to what it prints. The
# parent cannot ask for it: on Linux a child starts with its parent's peak as its own.
_CHILD = """
import sys
from veclab.cli.app import _run
code = _run(sys.argv[1:])
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
except (OSError, StopIteration):
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
print(f"\\npeak {peak}", flush=True)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """Throughput on a fixed sample of the data, without the cache, after a warm-up.

    Attributes:
        texts, tokens: of the sample; tokens are those the model reads.
        seconds: of one pass, the median of `passes`.
    """

    texts: int
    tokens: int
    seconds: float
    passes: int

    @property
    def texts_per_second(self) -> float:
        """Texts a second."""
        return self.texts / self.seconds

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class ColdStart:
    """One text embedded by a new process: seconds from start to exit, and its peak memory."""

    seconds: float
    peak_bytes: int


def speed_sample(texts: Sequence[str], size: int = SAMPLE_TEXTS) -> list[str]:
    """Return distinct texts, evenly spread over the data: always the same ones."""
    distinct = list(dict.fromkeys(texts))
    step = max(1.0, len(distinct) / size)
    return [distinct[int(i * step)] for i in range(min(size, len(distinct)))]


def measure_speed(
    model: Model, texts: Sequence[str], *, role: Role | None, on_long: OnLong
) -> Speed:
    """Embed the texts several times by the whole path but the cache, and take the median."""
    bare = Model(model.provider, None)
    bare.embed(texts[:WARM_UP_TEXTS], role=role, on_long=on_long)
    seconds: list[float] = []
    tokens = 0
    while len(seconds) < PASSES and sum(seconds) < ENOUGH_SECONDS:
        start = time.perf_counter()
        report = bare.embed(texts, role=role, on_long=on_long).report
        seconds.append(time.perf_counter() - start)
        tokens = 0 if report is None else report.tokens_embedded
    return Speed(len(texts), tokens, statistics.median(seconds), len(seconds))


def measure_cold_start(name: str, options: Sequence[str] = ()) -> ColdStart | str:
    """Run `veclab embed --text` in a new process; a reason in words where it fails."""
    command = python_command("-c", _CHILD, "embed", "--text", "How long does one text take?")
    command += ["--model", name, "--no-cache", "--json", *options]
    # The child must run this very veclab, installed or not.
    path = import_path()
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=False
    )
    seconds = time.perf_counter() - start
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith("peak "):
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return f"cold start not measured: {said[-1]}"
    return ColdStart(seconds, int(last.split()[1]))


@dataclass(frozen=True, slots=True)
class Machine:
    """What the timings were taken on; nothing that names its owner."""

    system: str
    processor: str
    cores: int
    memory_gb: float | None
    python: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        memory = "" if self.memory_gb is None else f", {self.memory_gb:g} GB of memory"
        return (
            f"{self.processor}, {self.cores} core(s){memory}, {self.system}, Python {self.python}"
        )


@cache
def this_machine() -> Machine:
    """Describe the machine this runs on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=cores or 1,
        memory_gb=_memory(),
        python=platform.python_version(),
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
