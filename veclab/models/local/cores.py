"""The processor: how many of its cores this process may use, and what they can do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """Return the cores in this process's affinity mask, cut by the CPU quota of its control groups.

    A quota of 1.5 cores counts as two: the second thread then runs half of the time.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # only where the system has one
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min([cores, *(-int(-quota // 1) for quota in _quotas(root))]))


def instruction_sets(root: Path = Path("/")) -> frozenset[str] | None:
    """Return the processor's extensions by their Linux names (`avx2`, ...); None elsewhere."""
    # The first core tells; the system takes its time to describe all of a large machine.
    with suppress(OSError), (root / "proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):  # x86, ARM
                return frozenset(value.split())
    return None


def _quotas(root: Path) -> Iterator[float]:
    """Yield CPU quotas in cores, of this process's control group and of all above it."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2: one tree
            for folder in _up(mount, group):
                yield from _quota(_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):  # version 1: a tree for each controller
            for folder in _up(mount / "cpu", group):
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                yield from _quota([_read(folder / name).strip() for name in names])


def _up(mount: Path, group: str) -> Iterator[Path]:
    """Yield the folders of a group and those above it; in a container the group may be the root."""
    folder = mount / group.strip("/")
    yield folder
    while folder != mount and mount in folder.parents:
        folder = folder.parent
        yield folder


def _quota(values: list[str]) -> Iterator[float]:
    """Yield quota and period in microseconds to cores; nothing for `max`, -1 or no such file."""
    try:
        quota, period = map(int, values)
    except ValueError:
        return
    if quota > 0 and period > 0:
        yield quota / period


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
