"""The embedded back end: a folder of Lance tables, which LanceDB and other tools of its kind read.

    PATH/store.json      the state; replaced in one step
    PATH/lock            held by the writer
    PATH/NAME.lance      a table
    PATH/bridge-*.npz    a bridge, which the state names

It uses Lance's own package, not LanceDB's on top of it: a third of the time to import, and the one
commit in which rows go and come is to be had only there.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from veclab.atomic import atomic
from veclab.errors import MissingExtra, OutputError, StoreError
from veclab.store.backend import WAITING
from veclab.store.lance import LanceTable
from veclab.store.lance_indices import index_of_words
from veclab.store.lance_package import lance_package, told
from veclab.store.state import State

if TYPE_CHECKING:
    import pyarrow as pa

# Of a folder that is a store.
STATE_FILE = "store.json"


class LancePlace:
    """A folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.name = str(path)

    @property
    def _state(self) -> Path:
        return self.path / STATE_FILE

    def read(self) -> State | None:
        """The state; None where there is no store yet."""
        try:
            text = self._state.read_bytes()
        except FileNotFoundError:
            self._refuse_other()
            return None
        except NotADirectoryError:
            raise StoreError(f"{self.name} is a file, not the folder of a store") from None
        except OSError as error:
            raise StoreError(f"the store {self.name} cannot be read: {error.strerror}") from None
        return State.from_json(text, self.name)

    def _refuse_other(self) -> None:
        """A folder with other things in it is not made a store: it may be a user's documents."""
        known = ("lock", STATE_FILE)
        if self.path.is_dir() and any(
            p.name not in known and p.suffix != ".lance" and not p.name.endswith(".veclab-tmp")
            for p in self.path.iterdir()
        ):
            raise StoreError(
                f"{self.name} is a folder with other things in it and no store; choose a path for "
                "the store that does not exist yet"
            )

    def write(self, state: State) -> None:
        """Replace the state in one step."""
        try:
            with atomic(self._state) as temporary:
                temporary.write_text(state.to_json(), encoding="utf-8")
        except OutputError as error:
            raise StoreError(str(error)) from None

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Be the only writer; raises StoreError when another is, after `wait` seconds."""
        try:
            from filelock import FileLock, Timeout
        except ImportError:
            raise MissingExtra("store", "a store on disk") from None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = FileLock(self.path / "lock")
            try:
                held.acquire(timeout=0)
            except Timeout:
                if wait > 0:
                    warnings.warn(WAITING.format(self.name), stacklevel=3)
                held.acquire(timeout=wait)
        except Timeout:
            raise StoreError(
                f"another process is writing the store {self.name}; wait until it is done, and "
                "run this again"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the store {self.name} cannot be written: {error.strerror or error}"
            ) from None
        try:
            yield
        finally:
            held.release()

    def _uri(self, name: str) -> Path:
        return self.path / f"{name}.lance"

    def create(self, name: str, schema: pa.Schema, language: str) -> LanceTable:
        """An empty table; one of that name that a killed run left is replaced."""
        lance = lance_package()
        shutil.rmtree(self._uri(name), ignore_errors=True)
        with told(self.name):
            data = lance.write_dataset(schema.empty_table(), str(self._uri(name)), schema=schema)
            index_of_words(data, language)
            return LanceTable(lance.dataset(str(self._uri(name))), self.name)

    def open(self, name: str) -> LanceTable:
        """A table; raises StoreError where it is missing or damaged."""
        with told(self.name):
            return LanceTable(lance_package().dataset(str(self._uri(name))), self.name)

    def drop(self, name: str) -> None:
        """Remove a table, where it exists."""
        shutil.rmtree(self._uri(name), ignore_errors=True)

    def tables(self) -> list[str]:
        """The names of all tables, also of those that no state names."""
        return sorted(p.stem for p in self.path.glob("*.lance"))

    def write_file(self, name: str, data: bytes) -> None:
        """Keep a small file beside the tables."""
        try:
            with atomic(self.path / name) as temporary:
                temporary.write_bytes(data)
        except OutputError as error:
            raise StoreError(str(error)) from None

    def read_file(self, name: str) -> bytes | None:
        """A file that was kept; None where there is none of that name."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"the store {self.name} cannot be read: {error.strerror}") from None

    def keep_files(self, names: Collection[str]) -> None:
        """Remove all files but these."""
        for file in self.path.glob("bridge-*.npz"):
            if file.name not in names:
                file.unlink(missing_ok=True)
