"""On a machine without a browser the page's tests are left out, and `make test` says so."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_make_test_names_the_command_that_brings_one(tmp_path):
    recipe = re.search(r"^\t.*-m pytest (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = [option for option in recipe[1].split() if option.startswith("-r")]
    without = {k: v for k, v in os.environ.items() if k != "VECLAB_BROWSER"}
    said = subprocess.run(
        [sys.executable, "-m", "pytest", *asked, "tests/maps/test_widget.py"],
        cwd=ROOT,
        env=without | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "1 skipped" in said
    assert "this brings one: apt-get install chromium && pip install playwright" in said
