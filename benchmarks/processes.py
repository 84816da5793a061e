"""A command as a whole process: seconds and memory, from start to exit. Needs os.wait4."""

from __future__ import annotations

import os
import subprocess
import sys
import time

# Installed packages have their bytecode beside them: so must a checkout, or each start makes it.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def run_veclab(*arguments: str) -> dict[str, float]:
    """Seconds by the clock, seconds of processor, peak memory in MB of one command."""
    command = [sys.executable, "-m", "veclab", *arguments]
    start = time.perf_counter()
    child = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # of ru_maxrss: bytes there, kB elsewhere
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": round(used.ru_maxrss / unit, 1),
    }
