"""Starting Python for ourselves: never with the working directory among the places to import from.

`python -c` and `python -m` look there first, and an empty entry of PYTHONPATH means it too. Any
folder may hold a file called `lmdb.py` or `numpy.py`, which would then be run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = str(Path(__file__).resolve().parents[1])


def python_command(*arguments: str) -> list[str]:
    """Return the command that runs this Python with `arguments`, such as `-m` and a module."""
    # -P: the first entry of the path is neither the working directory nor a script's folder.
    return [sys.executable, "-P", *arguments]


def import_path() -> str:
    """Return a PYTHONPATH for a child: where this process imports from, as absolute folders.

    The working directory is among them only where veclab itself lies in it.
    """
    try:
        here = Path.cwd().resolve()
    except OSError:  # it was removed
        here = None
    others = [p for p in sys.path if Path(p).is_absolute() and Path(p).resolve() != here]
    return os.pathsep.join(dict.fromkeys([_PACKAGE, *others]))
