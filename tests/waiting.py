"""Waiting in tests: for events, never for a time to pass, and only a hang meets the bound."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

HANG_S = 600.0
T = TypeVar("T")


def wait_until(happened: Callable[[], T], process: subprocess.Popen | None = None) -> T:
    """Wait until something has happened, and return what it gives.

    Fails on a hang, or when the process ended before.
    """
    until = time.monotonic() + HANG_S
    while not (given := happened()):
        if process is not None and process.poll() is not None:
            given = happened()
            assert given, f"the process ended before, with {process.returncode}"
            break
        assert time.monotonic() < until, f"nothing happened for {HANG_S:.0f} s"
        time.sleep(0.001)
    return given


def wait_for_ctrl_c() -> None:
    """Run until a Ctrl-C that is on its way arrives."""
    wait_until(lambda: False)


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in its own thread: tests in a browser leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(work, HANG_S)).result()
