"""Waiting in tests: for events, never for a time to pass, and only a hang meets the bound."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

HANG_S = 600.0


def wait_until(happened: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Wait until something has happened; fails on a hang, or when the process ended before."""
    until = time.monotonic() + HANG_S
    while not happened():
        if process is not None and process.poll() is not None:
            assert happened(), f"the process ended before, with {process.returncode}"
            return
        assert time.monotonic() < until, f"nothing happened for {HANG_S:.0f} s"
        time.sleep(0.001)


def wait_for_ctrl_c() -> None:
    """Run until a Ctrl-C that is on its way arrives."""
    wait_until(lambda: False)


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in its own thread: tests in a browser leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(work, HANG_S)).result()
