"""A job's folder: everything that is known about it, written so that a kill loses nothing.

    job.json              what was asked for, and each file's state; replaced atomically
    requests-0001.jsonl   a request file as it is uploaded; holds the texts
    inputs-0001.jsonl     which text each of its inputs is: digest, tokens, id
    splits.jsonl          texts that were split: which windows make up each of them
    failed-0001.jsonl     its inputs that were not answered, with the reason
    answers-0001.jsonl    while they are being read

No file holds a key. All are readable by their owner alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from veclab.errors import InputError, OutputError, VeclabError
from veclab.jsontext import parse_json

VERSION = 1
# Of OpenAI's, those after which nothing happens any more.
FINAL = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Input:
    """One text, or one window of a text, in a request.

    Attributes:
        request: the request's custom_id.
        index: place in the request.
        digest: 16 bytes that stand for the prepared text (`veclab.pipeline.prepare.text_digests`).
        tokens: of the whole text; the model reads no more than the limit.
        id: of the record it comes from.
    """

    request: str
    index: int
    digest: bytes
    tokens: int
    id: str


@dataclass(frozen=True, slots=True)
class Split:
    """A text over the limit: the windows, in order, whose pooled vector is its own.

    Attributes:
        digest: of the whole text.
        tokens: of the whole text.
        windows: (digest, tokens) of each window.
        id: of the record it comes from.
    """

    digest: bytes
    tokens: int
    windows: tuple[tuple[bytes, int], ...]
    id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An input without a usable answer; `alone` when it was the only one of its request."""

    digest: bytes
    id: str
    code: str
    message: str
    alone: bool

    @property
    def refused(self) -> bool:
        """Whether it was asked alone and refused for good: asking again would not help."""
        return self.alone and self.code.startswith("4") and self.code not in ("408", "409", "429")


@dataclass(frozen=True, slots=True)
class Part:
    """One request file and its batch.

    `status` goes packed -> uploading -> uploaded -> creating, then is what OpenAI says:
    validating, in_progress, finalizing, completed, failed, expired, cancelling, cancelled.
    `uploading` and `creating` are written before the call: whoever finds them cannot know
    whether the call got through, and looks at the other end.

    Attributes:
        name: four digits.
        requests, inputs, tokens, bytes: how much is in it; tokens are those that are billed.
        sha256: of the request file.
        since: when the present status was written, seconds since the epoch.
        earlier: batches of the same file that failed as a whole.
        done, failed: requests, as OpenAI counts them.
        problems: what is wrong with the batch as a whole.
        read: its answers were read.
        unanswered: inputs without a usable answer, once `read`.
        billed: tokens that its answers say were read.
        generation, canary: of the model that answered, as in its Space; None as long as that is
            not known.
    """

    name: str
    requests: int
    inputs: int
    tokens: int
    bytes: int
    sha256: str
    status: str = "packed"
    since: float = 0.0
    file_id: str | None = None
    batch_id: str | None = None
    earlier: tuple[str, ...] = ()
    done: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    problems: tuple[str, ...] = ()
    read: bool = False
    unanswered: int = 0
    billed: int = 0
    generation: str | None = None
    canary: str | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to its batch."""
        return self.status in FINAL

    @property
    def running(self) -> bool:
        """Whether OpenAI has its batch and is not done with it."""
        return self.batch_id is not None and not self.final


@dataclass(slots=True)
class Manifest:
    """What job.json holds.

    Attributes:
        job: 32 hex digits; every batch of this job carries them in its metadata.
        created: seconds since the epoch.
        request: what was asked for: input, model and options, as the command line gave them.
        endpoint: where it was submitted to.
        recipe: of the vectors, canonical JSON; set once everything is packed.
        plan: counts and price; set once everything is packed.
        packed: every request file is there.
        parts: by name, ascending.
        cancelled: batches that were created twice, and cancelled.
    """

    job: str
    created: float
    request: dict[str, Any]
    endpoint: str | None = None
    recipe: str | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    packed: bool = False
    parts: list[Part] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return JSON, indented so that people can read it."""
        return json.dumps({"version": VERSION} | asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; raises ValueError, TypeError or KeyError otherwise."""
        value = parse_json(text)
        if (version := value.pop("version")) != VERSION:
            raise ValueError(f"version {version}, not {VERSION}")
        return cls(**value | {"parts": [_part(part) for part in value["parts"]]})


def _part(value: dict[str, Any]) -> Part:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    return Part(**fields)


class JobFolder:
    """A job's folder, locked for this process. `JobFolder.create` or `JobFolder.open` give one."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    @contextmanager
    def create(cls, path: Path, manifest: Manifest) -> Iterator[Self]:
        """Make the folder (0700) with its first job.json.

        Raises InputError when there is something else in it, OutputError when it cannot be made.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            others = [p.name for p in path.iterdir() if p.name != "lock" and p.suffix != ".tmp"]
        except OSError as error:
            raise OutputError(f"cannot make the job folder {path}: {error.strerror}") from None
        if others:
            raise InputError(f"the folder {path} is not empty and holds no job; give another --job")
        path.chmod(0o700)
        with _locked(path):
            folder = cls(path, manifest)
            folder.save()
            yield folder

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open the job in a folder; raises InputError if there is none, or it cannot be read."""
        file = path / "job.json"
        if not file.is_file():
            raise InputError(f"there is no job in {path} (no {file.name}); check --job")
        with _locked(path):
            try:
                manifest = Manifest.from_json(file.read_text())
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{file} cannot be read: {error}") from None
            yield cls(path, manifest)

    def save(self) -> None:
        """Replace job.json; when this returns it is on the disk."""
        self.write("job.json", [self.manifest.to_json()])

    def part(self, name: str) -> Part:
        """Return the part of that name, as it is now."""
        return next(part for part in self.manifest.parts if part.name == name)

    def update(self, part: Part) -> None:
        """Put a part in place of the one of that name, and save."""
        self.manifest.parts = [part if p.name == part.name else p for p in self.manifest.parts]
        self.save()

    def write(self, name: str, lines: Iterable[str]) -> None:
        """Write a file of lines whole or not at all, 0600."""
        with self.writing(name) as file:
            file.writelines(f"{line}\n".encode() for line in lines)

    @contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """Open a binary file that takes its name when the block ends without an error."""
        temporary = self.path / f".{name}.tmp"
        try:
            with _private(temporary) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
            _sync_folder(self.path)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path / name}: {error.strerror or error}; nothing is lost: "
                "free some space and run the same command again"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def file(self, kind: str, part: str) -> Path:
        """Return where a part's `requests`, `inputs`, `failed` or `answers` are."""
        return self.path / f"{kind}-{part}.jsonl"

    def private(self, kind: str, part: str) -> Path:
        """Make such a file, empty and readable by its owner alone."""
        path = self.file(kind, part)
        _private(path).close()
        return path

    def lines(self, kind: str, part: str) -> Iterator[Any]:
        """Return JSON values of such a file, one a line; none when there is no such file."""
        return _lines(self.file(kind, part))

    def inputs(self, part: str) -> Iterator[Input]:
        """Yield what a part's request file asks for, in order."""
        for request, index, digest, tokens, name in self.lines("inputs", part):
            yield Input(request, index, bytes.fromhex(digest), tokens, name)

    def latest(self) -> Iterator[tuple[Part, list[Input]]]:
        """Yield each part, newest first, with the inputs that no later part asks for."""
        later: set[bytes] = set()
        for part in reversed(self.manifest.parts):
            inputs = [one for one in self.inputs(part.name) if one.digest not in later]
            later.update(one.digest for one in inputs)
            yield part, inputs

    def splits(self) -> Iterator[Split]:
        """Yield all texts that were split."""
        for digest, tokens, windows, name in _lines(self.path / "splits.jsonl"):
            pairs = tuple((bytes.fromhex(d), n) for d, n in windows)
            yield Split(bytes.fromhex(digest), tokens, pairs, name)

    def failures(self, part: str) -> Iterator[Failure]:
        """Yield the inputs of a part that were not answered, once it was read."""
        for digest, name, code, message, alone in self.lines("failed", part):
            yield Failure(bytes.fromhex(digest), name, code, message, alone)

    def write_failures(self, part: str, failures: Iterable[Failure]) -> None:
        """Keep them, in place of those kept before."""
        rows = ([f.digest.hex(), f.id, f.code, f.message, f.alone] for f in failures)
        self.write(f"failed-{part}.jsonl", (json.dumps(row, ensure_ascii=False) for row in rows))


def move(part: Part, status: str, now: float, **changes: Any) -> Part:
    """Return the part in another status, with the time it got there."""
    return replace(part, status=status, since=now, **changes)


def _lines(path: Path) -> Iterator[Any]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield parse_json(line)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: damaged ({error})") from None


def _private(path: Path) -> Any:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


def _sync_folder(path: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock; the system gives it back when the process ends in any way."""
    if sys.platform == "win32":  # no lock there, as with the cache's journal
        yield
        return
    import fcntl

    with _private(path / "lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise VeclabError(
                f"another veclab process is using the job in {path}; wait until it is done"
            ) from None
        yield
