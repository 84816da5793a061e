"""The machine, and the versions of what was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.peers import ENGINES, bf16_native, cpu_flags, int8_native

_TELLING = ("avx2", "fma", "f16c", "avx512", "avx_vnni", "amx", "bf16", "asimd", "sve", "i8mm")


def machine() -> dict[str, Any]:
    """Processor, cores, what it can do, system, load."""
    flags = sorted(flag for flag in cpu_flags() if flag.startswith(_TELLING))
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "flags": flags,
        "bf16": bf16_native(),
        "int8": int8_native(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": load(),
    }


def cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on a Mac
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def load() -> list[float]:
    """Load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def warnings(facts: dict[str, Any]) -> list[str]:
    """What makes figures of this run worth less."""
    found = []
    if facts["load_before"][0] > 0.5:
        found.append(
            f"the machine is busy (load {facts['load_before'][0]}): times are too long and ratios "
            "uncertain"
        )
    if not facts["bf16"]:
        found.append("no bf16 arithmetic in this processor: only f32 can be measured")
    if not facts["int8"]:
        found.append("no int8 dot products in this processor: int8 is not measured")
    return found


def versions(names: list[str]) -> dict[str, str]:
    """Versions of the packages behind the engines."""
    packages = {package for name in names for package in ENGINES[name].packages}
    found = {}
    for package in sorted(packages | {"numpy", "tokenizers"}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        return platform.processor()
    return platform.processor() or "unknown"
