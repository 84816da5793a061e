"""Nothing that veclab starts imports what lies in the working directory."""

import os
import re
from pathlib import Path

import pytest

from veclab import processes
from veclab.cache import Cache, journal

ROOT = Path(__file__).resolve().parents[1]
TRAPS = ("lmdb", "numpy", "json", "openvino", "pypdfium2", "selectolax", "click", "veclab")


@pytest.fixture
def trapped(tmp_path, monkeypatch):
    """A working directory whose modules leave a mark when they are run; the mark."""
    mark, folder = tmp_path / "executed", tmp_path / "project"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(folder)
    # An empty entry means the working directory, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep + os.environ.get("PYTHONPATH", ""))
    return mark


def look_at_a_cache(tmp_path):
    Cache.open(tmp_path / "cache").close()
    assert journal.replay(tmp_path / "cache" / "v2", None) == (False, "")


def read_a_document(tmp_path):
    from veclab.documents.limits import Limits
    from veclab.documents.worker import Worker

    worker = Worker(Limits())
    try:
        assert "hello" in worker.read("html", b"<p>hello</p>", 1 << 20).text
    finally:
        worker.close()


def time_a_cold_start(tmp_path):
    from veclab.evaluation.timing import measure_cold_start

    measure_cold_start("there-is-no-such-model")


def convert_a_model(tmp_path):
    from veclab.models.local.openvino.converted_models import CannotConvert, run_module

    with pytest.raises(CannotConvert):
        run_module("veclab.models.local.openvino.convert", [])


@pytest.mark.parametrize(
    "start", [look_at_a_cache, read_a_document, time_a_cold_start, convert_a_model]
)
def test_a_trap_in_the_working_directory_is_not_sprung(start, trapped, tmp_path):
    start(tmp_path)
    assert not trapped.exists(), f"{trapped.read_text()}.py of the working directory was run"


def test_the_path_of_a_child_is_absolute_and_leads_to_this_veclab(trapped):
    folders = processes.import_path().split(os.pathsep)
    assert folders[0] == str(ROOT)
    assert all(Path(folder).is_absolute() for folder in folders)
    assert str(Path.cwd()) not in folders


def test_python_is_started_in_one_way_only():
    """Whoever starts Python elsewhere has to think of the working directory again."""
    started = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "veclab").rglob("*.py")
        if re.search(r"\[\s*sys\.executable|multiprocessing", path.read_text(encoding="utf-8"))
    ]
    assert started == ["veclab/processes.py"]
