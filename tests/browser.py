"""One browser for all tests of pages, those of the map and those of the server."""

from __future__ import annotations

import os
import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_BRINGS_ONE = "apt-get install chromium && pip install playwright"


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium that draws WebGL2 in software. VECLAB_BROWSER names another.

    One a process: a second Playwright in the same thread refuses to start.
    """
    path = os.environ.get("VECLAB_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no browser to open the page in; this brings one: {_BRINGS_ONE}")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason=f"no playwright; this brings it: {_BRINGS_ONE}"
    )
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        yield started
        started.close()
