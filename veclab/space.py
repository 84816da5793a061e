"""Space: may these two vectors be compared?  Recipe: would I get this very vector again?

Both are frozen values, hashed over a canonical JSON form, so the same facts give the same id on
every machine and in every version of Python. They travel with the vectors: in memory, in files,
in the cache.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal, Self, get_args

from veclab.errors import InputError, NewerSpace, SpaceMismatch
from veclab.fingerprint import Fingerprint
from veclab.jsontext import parse_json

Role = Literal["query", "document"]
OnLong = Literal["truncate", "error", "split"]

# Of the form in which a Space is written. Version 1 did not hold the configuration, version 2 not
# what tells one model at an endpoint from the next.
SPACE_VERSION = 4
_SINCE_3 = ("generation", "canary", "quantization")
# What a fact of a configuration may be: anything else is written as JSON first.
Scalar = str | int | float | bool


# What files may say; a bool is no number here, and no number is a text.
_NONE = type(None)
_SPACE_TYPES: Mapping[str, tuple[type, ...]] = {
    "provider": (str,),
    "model": (str,),
    "dimensions": (int,),
    "weights": (str, _NONE),
    "pooling": (str, _NONE),
    "normalized": (bool,),
    "endpoint": (str, _NONE),
    "generation": (str, _NONE),
    "canary": (str, _NONE),
    "quantization": (str, _NONE),
}
_RECIPE_TYPES: Mapping[str, tuple[type, ...]] = {
    "space": (dict,),
    "role": (str, _NONE),
    "precision": (str,),
    "tokenizer": (str, _NONE),
    "prepare": (list,),
    "max_tokens": (int, _NONE),
    "on_long": (str,),
}
_MOST_DIMENSIONS = 10_000_000


def _check_types(facts: Any, types: Mapping[str, tuple[type, ...]]) -> None:
    """Raise ValueError for a fact of another type than it has."""
    if not isinstance(facts, dict):
        raise ValueError(f"it is a {type(facts).__name__}")
    for name, allowed in types.items():
        if name in facts and type(facts[name]) not in allowed:
            raise ValueError(f"its {name} is {facts[name]!r:.60}")


def _is_scalar(fact: object) -> bool:
    """Return whether a fact is a text or a number that JSON can hold."""
    return isinstance(fact, Scalar) and not (isinstance(fact, float) and not isfinite(fact))


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digest(value: Mapping[str, Any], size: int) -> bytes:
    return hashlib.blake2b(_canonical(value).encode("ascii"), digest_size=size).digest()


@dataclass(frozen=True, slots=True)
class Space:
    """All that decides whether two vectors may be compared.

    Attributes:
        provider: who computes: `local`, `openai`, ...
        model: the model's name; where `weights` is known the name is a label only, so that the
            same weights under another name or path are the same space.
        dimensions: length of a vector.
        weights: SHA-256 of the model's weights, or None where it is unknown (an API).
        pooling: how token vectors become one vector (`mean`, `cls`, `lasttoken`, ...).
        prompts: what is put in front of a text, by role; only prompts that are not empty.
        normalized: vectors have unit length.
        endpoint: URL of the API, None for the provider's own.
        configuration: every fact besides the weights that the computation reads (layers,
            activations, tokenizer, ...), by name; () where there is nothing to know (an API), and
            in what version 1 wrote.
        quantization: `int8` or `binary` where the vectors were rounded so after they were made.
    """

    provider: str
    model: str
    dimensions: int
    weights: str | None = None
    pooling: str | None = None
    prompts: tuple[tuple[str, str], ...] = ()
    normalized: bool = True
    endpoint: str | None = None
    configuration: tuple[tuple[str, Scalar], ...] = ()
    generation: str | None = None
    canary: str | None = None
    quantization: str | None = None

    def __post_init__(self) -> None:
        # Equal facts must hash equally whatever order they were written in.
        object.__setattr__(self, "prompts", tuple(sorted((r, p) for r, p in self.prompts if p)))
        object.__setattr__(self, "configuration", tuple(sorted(self.configuration)))

    @property
    def version(self) -> int:
        """The first version that could hold all of these facts.

        So what version 1 held whole (an API's model, word vectors) keeps its id and its place in
        the cache, and can be compared with what version 1 wrote.
        """
        return max(3 if self.canary is not None else 1, self._identity_version)

    @property
    def _identity_version(self) -> int:
        later = 4 if self.quantization is not None else 3 if self.generation is not None else 1
        return max(later, 2 if self.configuration else 1)

    @property
    def identity(self) -> dict[str, Any]:
        """The facts that decide comparability, as plain JSON values."""
        facts = self.to_dict()
        del facts["version"]
        facts.pop("canary", None)
        if self.weights is not None:
            del facts["model"]
        if not self.configuration:
            del facts["configuration"]
        return facts

    @property
    def id(self) -> str:
        """16 hex digits: a hash of the canonical form of `version` and `identity`."""
        return _digest({"space": self._identity_version, **self.identity}, 8).hex()

    def __str__(self) -> str:
        return f"{self.provider}:{self.model} ({self.dimensions}-d, space {self.id})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` reads them back."""
        facts = asdict(self) | {
            "prompts": dict(self.prompts),
            "configuration": dict(self.configuration),
            "version": self.version,
        }
        # As earlier versions wrote it, where there is nothing that they did not know.
        return {n: f for n, f in facts.items() if f is not None or n not in _SINCE_3}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, in this version or an earlier one.

        Raises:
            InputError: a field is unknown or missing: the file comes from a newer veclab, or
                from something else.
        """
        if not isinstance(value, Mapping):
            raise InputError(f"this is not a Space but a {type(value).__name__}")
        facts = dict(value)
        version = facts.pop("version", 1)  # version 1 did not write it down
        if type(version) is not int or not 1 <= version <= SPACE_VERSION:
            raise NewerSpace(
                f"this Space is of version {version!r}, and this veclab reads versions 1 to "
                f"{SPACE_VERSION}; update veclab"
            )
        known = {f.name for f in fields(cls)}
        if unknown := set(facts) - known:
            raise NewerSpace(
                f"this Space has fields unknown to this version of veclab: {sorted(unknown)}; "
                "update veclab"
            )
        try:
            for name in ("prompts", "configuration"):
                facts[name] = tuple(dict(facts.get(name) or {}).items())
                if not all(_is_scalar(fact) for _, fact in facts[name]):
                    raise ValueError(f"its {name} hold more than texts and numbers")
            if not all(isinstance(prompt, str) for _, prompt in facts["prompts"]):
                raise ValueError("its prompts are not texts")
            _check_types(facts, _SPACE_TYPES)
            if not 1 <= facts["dimensions"] <= _MOST_DIMENSIONS:
                raise ValueError(f"it has {facts['dimensions']} dimensions")
            if facts.get("canary") is not None:
                Fingerprint.parse(facts["canary"])
            return cls(**facts)
        except (TypeError, ValueError) as error:
            raise InputError(f"this is not a Space: {error}") from None

    def to_json(self) -> str:
        """Return the canonical form: sorted keys, no spaces, ASCII."""
        return _canonical(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote; raises InputError when it is something else."""
        try:
            value = parse_json(text)
        except ValueError as error:
            raise InputError(f"this is not a Space: {error}") from None
        return cls.from_dict(value)

    def difference(self, other: Space) -> dict[str, tuple[Any, Any]]:
        """Return the facts in which the two identities differ: name -> (this, other).

        A fact of the configuration that one of them leaves out is None there. Of two models at an
        endpoint that were asked, their canaries decide, and what a machine calls them does not.
        """
        canaries = [Fingerprint.parse(s.canary) for s in (self, other) if s.canary is not None]
        asked = len(canaries) == 2
        changed = asked and not canaries[0].alike(canaries[1])
        if self.id == other.id and not changed:
            return {}
        mine, theirs = self.to_dict(), other.to_dict()
        for facts in (mine, theirs):
            facts.pop("canary", None)
            if asked:
                facts.pop("generation", None)
        if changed:
            mine["canary"], theirs["canary"] = (found.name for found in canaries)
        inner = mine.pop("configuration"), theirs.pop("configuration")
        labels = {"version"} if None in (self.weights, other.weights) else {"version", "model"}
        differing = _differing(
            {name: fact for name, fact in mine.items() if name not in labels},
            {name: fact for name, fact in theirs.items() if name not in labels},
        )
        if all(inner):
            return differing | _differing(*inner)
        if any(inner):
            differing["configuration"] = (inner[0] or None, inner[1] or None)
        return differing

    def same_as(self, other: Space) -> bool:
        """Return whether vectors of the two may be compared."""
        return not self.difference(other)


def _differing(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (mine.get(name), theirs.get(name)) for name in {**mine, **theirs}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def require_same(a: Space, b: Space, *, names: tuple[str, str] = ("first", "second")) -> None:
    """Do nothing when vectors of the two spaces may be compared.

    Args:
        a, b: the two spaces.
        names: what to call them in the message, for instance ("index", "query").

    Raises:
        SpaceMismatch: names every fact that differs and the way out.
    """
    difference = a.difference(b)
    if not difference:
        return
    width = max(map(len, difference))
    lines = [
        f"  {field_name:<{width}}  {names[0]}: {_short(mine)}   {names[1]}: {_short(theirs)}"
        for field_name, (mine, theirs) in difference.items()
    ]
    raise SpaceMismatch(
        f"the vectors of {names[0]} and {names[1]} come from different spaces, "
        "so a similarity between them would mean nothing:\n"
        + "\n".join(lines)
        + "\n"
        + _way_out((names[0], a), (names[1], b), difference)
    )


def _way_out(
    first: tuple[str, Space], second: tuple[str, Space], difference: Mapping[str, Any]
) -> str:
    if set(difference) <= {"canary", "generation"}:
        return (
            f"Another model answers at {first[1].endpoint or 'the endpoint'} under the name "
            f"{first[1].model} than before: a few fixed texts get other vectors, each since the "
            "day given. Embed the texts of the older of the two again: "
            f"{_command(first[1])}"
        )
    if set(difference) == {"quantization"}:
        return "One of the two was quantized: embed it again without --quantize, or quantize both"
    if set(difference) == {"configuration"}:
        (name, _), (_, new) = sorted((first, second), key=lambda named: named[1].version)
        return (
            f"All that is known of {name} agrees, but it was written before a Space held the "
            "configuration of the model, and that decides the vectors too. Embed its texts again: "
            f"{_command(new)}"
        )
    return (
        f"Embed one of the two again with the other's model: {first[0]} is {first[1]}, "
        f"{second[0]} is {second[1]}. For instance: {_command(first[1])}"
    )


def _command(space: Space) -> str:
    endpoint = space.provider in ("openai", "cohere")
    model = f"{space.provider}:{space.model}" if endpoint else space.model
    return f"veclab embed TEXTS -o VECTORS.parquet --model {shlex.quote(model)}"


def _short(value: Any) -> str:
    if value is None:
        return "not recorded"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:28]}…{text[-28:]}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The Space plus what changes a vector's bits but not what it may be compared with.

    Never in it: batch size, device, number of threads, secrets, file names.

    Attributes:
        space: what the vectors may be compared with.
        role: whose prompt was put in front of the text; None for the model's default.
        precision: of the arithmetic: `f32`, `bf16`, `int8`, or `api` where it is not known.
        tokenizer: digest of the tokenizer, None where it is not known.
        prepare: the steps of text preparation, in order, each with its version.
        max_tokens: the limit in force, special tokens and prompt included; None for no limit.
        on_long: what became of texts over the limit: `truncate` or `split`. (`error` lets no
            such text through, so it makes the same vectors as `truncate`.)
    """

    space: Space
    role: Role | None = None
    precision: str = "f32"
    tokenizer: str | None = None
    prepare: tuple[str, ...] = ()
    max_tokens: int | None = None
    on_long: Literal["truncate", "split"] = "truncate"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {"space": self.space.identity, "prepare": list(self.prepare)}

    def to_json(self) -> str:
        """Return the canonical form, with the whole Space (its name too), for people and files."""
        return _canonical(self.to_dict() | {"space": self.space.to_dict()})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote; raises InputError when it is something else."""
        try:
            value = parse_json(text)
            _check_types(value, _RECIPE_TYPES)
            if not all(isinstance(step, str) for step in value["prepare"]):
                raise ValueError("its steps of preparation are not names")
            if value.get("role") not in (None, *get_args(Role)):
                raise ValueError(f"its role is {value['role']!r}")
            return cls(
                **value
                | {
                    "space": Space.from_dict(value["space"]),
                    "prepare": tuple(value["prepare"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is not a Recipe: {error}") from None

    @property
    def id(self) -> str:
        """16 hex digits over everything: two recipes with one id give the same vectors."""
        return _digest(self.to_dict(), 8).hex()

    @property
    def before_configuration(self) -> Recipe | None:
        """What version 1 of the Space made of this Recipe; None where nothing has changed."""
        if not self.space.configuration:
            return None
        return replace(self, space=replace(self.space, configuration=()))

    @property
    def whole_key(self) -> bytes:
        """8 bytes: cache prefix of texts within the limit.

        Such a text has the same vector whatever the limit and the policy are, so neither is in
        this key: raising the limit or changing the policy computes only the long texts again.
        """
        facts = self.to_dict()
        del facts["max_tokens"], facts["on_long"]
        return _digest({"part": "whole", **facts}, 8)

    @property
    def cut_key(self) -> bytes:
        """8 bytes: cache prefix of texts over the limit, which limit and policy do change."""
        return _digest({"part": "cut", **self.to_dict()}, 8)
