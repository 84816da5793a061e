"""Word lists for bias probes: the published ones, and the user's own from a TOML or JSON file.

A file has tables `sets` and `tests`:

    [sets.nurses]
    label = "nursing"
    kind = "word"            # or "thing", "name": which sentences SEAT makes
    words = ["nurse", "midwife", "ward"]

    [tests.my-test]
    x = "nurses"             # targets: names of sets, here or published
    y = "engineers"
    a = "female-terms"       # attributes
    b = "male-terms"
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from veclab.errors import InputError
from veclab.jsontext import parse_json

_KINDS = ("name", "thing", "word")
_SIDES = ("x", "y", "a", "b")


@dataclass(frozen=True, slots=True)
class WordSet:
    """Words of one kind.

    Attributes:
        label: what to call them.
        words: different words or short phrases.
        kind: `name`, `thing` or `word`: which sentences SEAT makes of them.
    """

    label: str
    words: Sequence[str]
    kind: str = "word"


@dataclass(frozen=True, slots=True)
class BiasTest:
    """Two sets of targets, two of attributes: does x go with a, and y with b?

    Attributes:
        x, y: targets.
        a, b: attributes.
        source: where the words come from.
        published: effect size that the source reports.
    """

    x: WordSet
    y: WordSet
    a: WordSet
    b: WordSet
    source: str | None = None
    published: float | None = None

    @property
    def sets(self) -> tuple[WordSet, WordSet, WordSet, WordSet]:
        """x, y, a, b."""
        return self.x, self.y, self.a, self.b


def published_tests() -> dict[str, BiasTest]:
    """Return the ten tests of Caliskan, Bryson, Narayanan 2017, by name."""
    sets, tests = _published()
    return _tests("the published lists", tests, sets)


def read_tests(path: str | Path) -> dict[str, BiasTest]:
    """Read tests from a TOML or JSON file; sets it does not define may be published ones.

    Raises:
        InputError: the file cannot be read, or a set or a test in it is not what it must be.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = parse_json(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"the word lists {path} cannot be read: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("tests"), dict):
        raise InputError(f"{path} holds no tests: a table [tests.NAME] with x, y, a, b is needed")
    if unknown := set(content) - {"sets", "tests"}:
        raise InputError(f"{path}: unknown tables {sorted(unknown)}; known are sets and tests")
    own = {name: _set(str(path), name, table) for name, table in content.get("sets", {}).items()}
    return _tests(str(path), content["tests"], _published()[0] | own)


def _published() -> tuple[dict[str, WordSet], dict[str, Any]]:
    content = tomllib.loads((files("veclab.bias") / "weat.toml").read_text(encoding="utf-8"))
    sets = {name: _set("weat.toml", name, table) for name, table in content["sets"].items()}
    return sets, content["tests"]


def _set(file: str, name: str, table: Any) -> WordSet:
    where = f"{file}: set {name!r}"
    if not isinstance(table, dict) or not set(table) <= {"label", "kind", "words"}:
        raise InputError(f"{where} must be a table of words, and if you like label and kind")
    words, kind = table.get("words"), table.get("kind", "word")
    if not isinstance(words, list) or not all(isinstance(w, str) and w.strip() for w in words):
        raise InputError(f"{where}: words must be a list of strings, none of them blank")
    if kind not in _KINDS:
        raise InputError(f"{where}: unknown kind {kind!r}; known are {', '.join(_KINDS)}")
    if repeated := sorted({w for w in words if words.count(w) > 1}):
        raise InputError(f"{where} holds words twice: {', '.join(repeated)}")
    if len(words) < 2:
        raise InputError(f"{where} needs two words or more")
    return WordSet(str(table.get("label", name)), tuple(words), kind)


def _tests(file: str, tables: dict[str, Any], sets: dict[str, WordSet]) -> dict[str, BiasTest]:
    tests = {}
    for name, table in tables.items():
        where = f"{file}: test {name!r}"
        known = {*_SIDES, "source", "published"}
        if not isinstance(table, dict) or not set(_SIDES) <= set(table) <= known:
            raise InputError(f"{where} must be a table with the names of four sets: x, y, a, b")
        for side in _SIDES:
            if table[side] not in sets:
                raise InputError(
                    f"{where}: there is no set {table[side]!r}; available: {', '.join(sets)}"
                )
        x, y, a, b = (sets[table[side]] for side in _SIDES)
        for one, other in ((x, y), (a, b)):
            if both := set(one.words) & set(other.words):
                raise InputError(
                    f"{where}: {', '.join(sorted(both))} stand in both {one.label!r} and "
                    f"{other.label!r}, which are to be compared"
                )
        published = table.get("published")
        tests[name] = BiasTest(
            x, y, a, b, table.get("source"), None if published is None else float(published)
        )
    if not tests:
        raise InputError(f"{file} holds no tests")
    return tests
