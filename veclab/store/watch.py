"""Watch: keep a store up to date with a folder while it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError, MissingExtra, StoreError
from veclab.store.index import Indexed, index

if TYPE_CHECKING:
    from veclab.store.store import Store

_SETTLE = 1600  # milliseconds without a change before a run begins
_STEP = 50


def watch(
    store: Store,
    folder: str | Path,
    *,
    on_indexed: Callable[[Indexed], None] = lambda done: None,
    on_error: Callable[[Exception], None] = lambda error: None,
    stop: Event | None = None,
    settle: int = _SETTLE,
    **options: Any,
) -> None:
    """Bring a store up to date now, and again after every change below a folder, until stopped.

    A run that fails (a disk that is full, another writer) is told, and tried again at the next
    change.

    Args:
        store: of `Store.open(path, create=True)`.
        folder: of documents.
        on_indexed: called after each run.
        on_error: called for a run that failed.
        stop: ends the watch when it is set.
        settle: milliseconds without a change before a run begins.
        options: of `veclab.store.index.index`.

    Raises:
        InputError: it is not a folder, or the first run cannot use it.
        MissingExtra: watchfiles is not installed.
    """
    try:
        from watchfiles import watch as changes_in
    except ImportError:
        raise MissingExtra("store", "watching a folder") from None
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is not a folder; only folders are watched")
    inside = Path(store.place.name).resolve()
    # Watching begins before the first run: a change during it is not missed.
    changes = changes_in(
        folder,
        stop_event=stop,
        debounce=settle,
        step=_STEP,
        yield_on_timeout=True,
        rust_timeout=200,
        watch_filter=lambda _, path: not Path(path).is_relative_to(inside),
    )
    next(changes, None)
    on_indexed(index(store, folder, **options))
    for changed in changes:
        if not changed:
            continue
        try:
            on_indexed(index(store, folder, **options))
        except (InputError, StoreError) as error:
            on_error(error)
