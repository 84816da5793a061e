"""What `import veclab` offers, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import veclab


@pytest.mark.parametrize("name", veclab.__all__)
def test_every_public_name_is_there(name):
    assert getattr(veclab, name).__module__.startswith("veclab.")
    assert name in dir(veclab)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(veclab.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert typed == set(veclab.__all__)


def test_other_names_are_an_error():
    with pytest.raises(AttributeError, match="no attribute 'embedd'"):
        veclab.embedd  # noqa: B018


def test_importing_loads_no_library():
    code = (
        "import sys, veclab; print([m for m in ('numpy', 'pyarrow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
