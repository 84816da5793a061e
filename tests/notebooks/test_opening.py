"""`make notebook` opens the course: JupyterLab starts, and gives the notebook out."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="needs veclab[course]")

ROOT = Path(__file__).resolve().parents[2]
# `--allow-root` for containers; nothing listens but on the loopback address.
_OPTIONS = "--no-browser --allow-root --ip=127.0.0.1"


@pytest.fixture
def lab(tmp_path):
    """The server that `make notebook` starts; yields a function that fetches from it."""
    if shutil.which("make") is None:
        pytest.skip("no make to ask for the command")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    recipe = subprocess.run(
        ["make", "--dry-run", "notebook", f"ARGS={_OPTIONS} --port={port}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    command = shlex.split(next(line for line in recipe.splitlines() if "jupyterlab" in line))
    places = {"JUPYTER_CONFIG_DIR": tmp_path, "JUPYTER_DATA_DIR": tmp_path, "HOME": tmp_path}
    started = subprocess.Popen(
        [sys.executable, *command[1:]], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env=os.environ | {name: str(place) for name, place in places.items()},
    )  # fmt: skip
    try:
        said = []
        for line in started.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/lab\S*\?token=(\w+)", line):
                break
        else:
            pytest.fail("JupyterLab ended:\n" + "".join(said))
        port, token = found.groups()

        def fetch(path: str) -> str:
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"token {token}"}
            )
            while True:  # it names its address a moment before it listens
                try:
                    with urllib.request.urlopen(asked) as answer:
                        return answer.read().decode()
                except ConnectionError:
                    assert started.poll() is None
                except urllib.error.URLError as error:
                    assert isinstance(error.reason, ConnectionError) and started.poll() is None
                time.sleep(0.1)

        yield fetch
    finally:
        started.terminate()
        started.communicate()


@pytest.mark.slow
def test_jupyterlab_shows_the_notebook(lab):
    name = "Vector_Embeddings_Tutorial.ipynb"
    assert "JupyterLab" in lab(f"/lab/tree/{name}")
    notebook = json.loads(lab(f"/api/contents/{name}"))
    assert notebook["format"] == "json" and len(notebook["content"]["cells"]) > 50
