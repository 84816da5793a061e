"""What the embedded back end's modules share: Lance itself, and its errors in our words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from veclab.errors import MissingExtra, StoreError
from veclab.hints import typed


def lance_package() -> Any:
    """Lance, imported when it is first needed."""
    os.environ.setdefault("LANCE_LOG", "error")  # it warns of each table that it creates
    # Bytes that a scan reads ahead; of itself it takes 2 GB.
    os.environ.setdefault("LANCE_DEFAULT_IO_BUFFER_SIZE", str(256 * 2**20))
    try:
        import lance
    except ImportError:
        raise MissingExtra("store", "a store on disk") from None
    return lance


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say errors of Lance in this project's words."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, StoreError):
            raise
        reason = str(error).split(", /home")[0].split("\n")[0][:300]
        raise StoreError(
            f"the store {name} cannot be used: {reason}. To see what is damaged: "
            f"{typed('store', 'check', '--store', name)}. If its files are lost, remove {name} and "
            "index its input again: the vectors come from the cache"
        ) from error
