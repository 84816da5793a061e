"""What was found out about one model on one data set, kept in one file so that it is found once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from veclab.atomic import atomic
from veclab.errors import OutputError
from veclab.evaluation.scoring import Evidence
from veclab.evaluation.timing import ColdStart, Machine, Speed
from veclab.home import home
from veclab.jsontext import parse_json

# Raise it when the same vectors would give other evidence: older files are then not read.
FORMAT = 1


@dataclass(slots=True)
class Result:
    """One model on one data set by one set of options, with all its variants so far.

    Attributes:
        model: what the user calls it.
        space: of its vectors, as JSON values.
        dataset, digest, task: the data set's name, content and task.
        texts, tokens, truncated, tokens_lost: of the data set's texts, as in a Report.
        dollars: paid for a million such texts; None where nothing is paid.
        speed, cold_start: None where they were not measured.
        machine: what they were measured on.
        rows: evidence by variant ("", "@128", "+int8", ...).
        notes: what the user should know.
    """

    model: str
    space: Mapping[str, Any]
    dataset: str
    digest: str
    task: str
    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    tokens_lost: int = 0
    dollars: float | None = None
    speed: Speed | None = None
    cold_start: ColdStart | None = None
    machine: dict[str, Any] | None = None
    rows: dict[str, Evidence] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        plain = dict(value)
        plain["speed"] = plain["speed"] and Speed(**plain["speed"])
        plain["cold_start"] = plain["cold_start"] and ColdStart(**plain["cold_start"])
        plain["rows"] = {name: Evidence(**row) for name, row in plain["rows"].items()}
        return cls(**plain)

    def timed_on(self, machine: Machine) -> bool:
        """Return whether its timings, if any, are of that machine."""
        return self.machine == machine.to_dict()


class Results:
    """A folder of result files.

    The name of a file holds a hash of the recipes of the vectors and of the data set's content:
    with another model, another text or another option it is another file.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = home() / "compare" if folder is None else Path(folder)

    def path(self, model: str, dataset: str, recipes: Sequence[str], digest: str) -> Path:
        """Return where the result of vectors made by these recipes on that data set belongs."""
        key = json.dumps([FORMAT, list(recipes), digest])
        short = hashlib.blake2b(key.encode("ascii"), digest_size=8).hexdigest()
        return self.folder / f"{_plain(model)}.{_plain(dataset)}.{short}.json"

    def load(self, path: Path) -> Result | None:
        """Return the result in a file; None where there is none, or none that can be read."""
        try:
            return Result.from_dict(parse_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save(self, path: Path, result: Result) -> None:
        """Write a result, whole or not at all; raises OutputError where that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"the results folder {path.parent} cannot be created: {error.strerror or error}; "
                "choose another (--results)"
            ) from error
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(result.to_dict(), ensure_ascii=False), encoding="utf-8")


def _plain(name: str) -> str:
    """Return a name fit for a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name.rstrip("/").rpartition("/")[2])[:60] or "model"
