"""Where veclab keeps what outlives one run."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The user's veclab directory: `VECLAB_HOME` if set, else the platform's place for user data.

    Only a name: nothing is created or read.
    """
    chosen = os.environ.get("VECLAB_HOME")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("veclab")
