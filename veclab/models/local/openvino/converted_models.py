"""Converted models, kept in `VECLAB_HOME/models`: found, or made once and kept.

A folder there appears whole, by a rename, and its name holds all that it was made from: the
weights, the other files of the model, the precision, and the versions of what made it. So another
version's folder, or another model's, is never taken for it.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from veclab.errors import MissingExtra, VeclabError
from veclab.home import home
from veclab.jsontext import parse_json
from veclab.models.local.folder import ModelFolder, as_limit
from veclab.models.local.modules import read_json
from veclab.models.local.openvino.engine import load_openvino
from veclab.models.local.openvino.graphs.build import build
from veclab.models.local.openvino.graphs.tokenizer import read_tokenizer
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.processes import import_path, python_command

# Raise a kind's number when making it gives other files than before.
_VERSIONS = {"f32": 2, "int8": 3, "proof": 1}
FACTS = "veclab.json"
_FILES = ("model.xml", "model.bin", "tokenizer.json")


class CannotConvert(VeclabError):
    """The model cannot be converted; the message says why."""


@dataclass(frozen=True)
class Converted:
    """A converted model on disk.

    Attributes:
        folder: holds `model.xml`, `model.bin` and `tokenizer.json`.
        precision: for the Recipe: `f32`, or `int8-` and a digest of what it was calibrated on.
        pad_id: token id of padding.
        max_tokens: longest text as the model says, None for no limit.
        min_cosine: lowest cosine to the original over the texts it was checked on; None for a
            graph that was built, not converted.
        positions: the longest text that it has positions for, None where no limit is known.
        loss: what a lower precision cost, for people; "" for none.
        notes: what the user should know about where it is.
    """

    folder: Path
    precision: str
    pad_id: int
    max_tokens: int | None
    min_cosine: float | None
    positions: int | None = None
    loss: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Path:
        """What the engine reads."""
        return self.folder / "model.xml"

    @property
    def all_notes(self) -> list[str]:
        """What the user should know."""
        return [*self.notes, *([self.loss] if self.loss else [])]

    @property
    def tokenizer(self) -> Path:
        """The tokenizer as the original model uses it."""
        return self.folder / "tokenizer.json"

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what is in a folder of converted models; None where it is incomplete.

        Raises:
            CannotConvert: the model was looked at before and cannot be converted.
        """
        try:
            facts = parse_json((folder / FACTS).read_text(encoding="utf-8"))
            if "refused" in facts:
                raise CannotConvert(
                    f"{facts['refused']} (found once; to try again, delete {folder})"
                )
            if any((folder / name).stat().st_size != size for name, size in facts["files"].items()):
                return None
            return cls(
                folder=folder,
                precision=str(facts["precision"]),
                pad_id=int(facts["pad_id"]),
                max_tokens=as_limit(facts["max_tokens"]),
                min_cosine=_number(facts["min_cosine"]),
                positions=as_limit(facts.get("positions")),
                loss=str(facts.get("loss", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _number(said: Any) -> float | None:
    return None if said is None else float(said)


def place(folder: ModelFolder, kind: str, *, of: str = "") -> Path:
    """Return where the model's converted form of a kind (`f32`, `int8`) belongs.

    With the kind `proof`, and `of` for the digest of an export: where is kept whether that
    computes what the model's weights do.
    """
    tokenizer = folder.tokenizer_digest or folder.configuration
    facts = hashlib.sha256(f"{folder.weights}\n{tokenizer}\n{of}".encode())
    for path in sorted({folder.path, *folder.folders}):
        for file in sorted(path.glob("*.json")):
            if file.name != "tokenizer.json":  # its digest is in already
                facts.update(f"{file.relative_to(folder.path)}\n".encode() + file.read_bytes())
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", folder.name.rsplit("/", 1)[-1]).strip(".-")[:40]
    openvino = str(load_openvino().__version__).split("-")[0]
    version = f"ov{openvino}-v{_VERSIONS[kind]}"
    return home() / "models" / f"{slug}-{facts.hexdigest()[:16]}-{kind}-{version}"


def find_or_convert(folder: ModelFolder, *, again: bool = False) -> Converted:
    """Find the model in the form that OpenVINO reads, in f32, or make it now (also if `again`).

    A model of a known architecture is built from its weights in a second or two. Any other is
    traced, which runs torch once, in a process of its own, for half a minute and more. Where the
    home cannot be written, a temporary folder holds the result until this process ends.

    Raises:
        CannotConvert: the model cannot be converted, or its conversion failed.
        MissingExtra: OpenVINO, or torch for a model that must be traced, are not installed.
    """

    def convert(out: Path) -> dict[str, Any]:
        try:
            return build_into(folder, out)
        except NotKnown as error:
            if not (find_spec("torch") and find_spec("sentence_transformers")):
                needed = f"{folder.name} must be converted once by torch ({error}), which"
                raise MissingExtra("torch", needed) from None
        return run_module("veclab.models.local.openvino.convert", [str(folder.path), str(out)])

    return find_or_make(place(folder, "f32"), convert, again=again)


def build_into(folder: ModelFolder, out: Path) -> dict[str, Any]:
    """Build a model and write what the engine reads of it.

    Returns:
        What the process that embeds must know.

    Raises:
        NotKnown: no builder knows all of the model.
    """
    tokenizer = read_tokenizer(folder)
    built = build(folder)
    load_openvino().save_model(built.model, out / "model.xml", compress_to_fp16=False)
    tokenizer.save(str(out / "tokenizer.json"))
    return {
        "pad_id": pad_id(folder),
        "max_tokens": folder.max_tokens,
        "min_cosine": None,
        "positions": built.positions,
    }


def find_or_build(folder: ModelFolder) -> Converted | None:
    """Find the model in the form that OpenVINO reads, or build it now; None where torch must."""
    try:
        return find_or_make(place(folder, "f32"), partial(build_into, folder))
    except (NotKnown, CannotConvert):
        return None


def pad_id(folder: ModelFolder) -> int:
    """Return the token id of padding; masked, so that any id in the vocabulary would do."""
    return int(read_json(folder.transformer / "config.json").get("pad_token_id") or 0)


def find_or_make(
    target: Path, make: Callable[[Path], dict[str, Any]], *, again: bool = False
) -> Converted:
    """Find what is at `target`; else keep what `make(folder)` puts into a new folder.

    Two processes that want the same wait for each other, so that only one works.

    Args:
        target: the folder.
        make: given an empty folder, fills it and returns the facts to keep beside the files.
        again: replace what is there.

    Raises:
        CannotConvert: the facts are a refusal, which is kept, too.
    """
    if not again and (known := Converted.read(target)) is not None:
        return known
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if not again and (known := Converted.read(target)) is not None:
                return known  # another process has made it meanwhile
            work = target.parent / f".{target.name}.{secrets.token_hex(8)}"
            work.mkdir()
            try:
                _describe(work, make(work))
                return _move(work, target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        work = Path(tempfile.mkdtemp(prefix="veclab-model-"))
        atexit.register(shutil.rmtree, work, ignore_errors=True)
        _describe(work, make(work))
        made = Converted.read(work)
        assert made is not None
        made.notes.append(
            f"the converted model cannot be kept in {target.parent} ({error.strerror or error}), "
            "so every start converts it again; set VECLAB_HOME to a folder that can be written"
        )
        return made


def _describe(folder: Path, facts: dict[str, Any]) -> None:
    """Put the facts beside the files. They come last, so no facts means nothing whole."""
    files = {name: (folder / name).stat().st_size for name in _FILES if (folder / name).exists()}
    if "refused" in facts:
        for name in files:
            (folder / name).unlink()
        files = {}
    text = json.dumps({"precision": "f32", **facts, "files": files}, indent=1)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")
    for name in (*files, FACTS):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())


def _move(work: Path, target: Path) -> Converted:
    """Put a finished folder in its place in one step, and read it there."""
    old = Path(f"{work}.old")
    if target.exists():
        target.rename(old)
    try:
        work.rename(target)
    except OSError:  # without locks another process may have been faster: theirs is as good
        if not target.exists():
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
    made = Converted.read(target)
    if made is None:
        raise OSError(f"{target} vanished at once")
    return made


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the lock of a target where the system has locks, and clear what dead holders left."""
    try:
        import fcntl
    except ImportError:  # Windows: two may convert at once, and the first to rename wins
        yield
        return
    lock = target.parent / f".{target.name}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in target.parent.glob(f".{target.name}.*"):
            if left.is_dir():  # a process that was killed: it holds no lock any more
                shutil.rmtree(left, ignore_errors=True)
        yield


def run_module(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run `python -m MODULE` and read the JSON facts in its last line.

    Raises:
        CannotConvert: it failed; the message has its last line of error.
    """
    environment = os.environ | {
        "PYTHONPATH": import_path(),
        "CI": "true",  # silences OpenVINO's telemetry, which is hidden there besides
        "HF_HUB_OFFLINE": "1",
    }
    command = python_command("-m", module, *arguments)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise CannotConvert(f"{sys.executable!r} cannot be run: {error}") from None
    if done.returncode == 0:
        facts: dict[str, Any] = parse_json(done.stdout.strip().splitlines()[-1])
        return facts
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    raise CannotConvert(f"the conversion failed: {said[-1]}")
