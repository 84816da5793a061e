"""State: which table of a store is live, and what goes with it. A small JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from veclab.errors import NewerSpace, StoreError
from veclab.jsontext import parse_json
from veclab.space import Space

STORE_VERSION = 1


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table and what is known of it.

    Attributes:
        name: of the table in its place.
        space: of its vectors.
        model: how `veclab.load` calls the model, where the Space's own name does not tell (a
            folder); None otherwise.
        language: of the stemmer, as Snowball calls it.
        tuning: how many probes the vector index needs, and how that was found; see `probes`.
    """

    name: str
    space: Space
    model: str | None = None
    language: str = "English"
    tuning: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"space": self.space.to_dict()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        _refuse_unknown(value, (f.name for f in fields(cls)))
        return cls(**value | {"space": Space.from_dict(value["space"])})


@dataclass(frozen=True, slots=True)
class BridgeInfo:
    """A map that lets another model's queries search the live table; see `bridge`.

    Attributes:
        digest: SHA-256 of the map's file.
        source: the Space of that model.
        space: of its queries when they were carried over.
        kind: of the map, in words.
        model: how `veclab.load` calls the model, where the Space's own name does not tell.
        measured: what it keeps, and how that was found.
    """

    digest: str
    source: Space
    space: Space
    kind: str
    model: str | None
    measured: dict[str, Any]

    @property
    def file(self) -> str:
        """The name of the map's file."""
        return f"bridge-{self.digest[:16]}.npz"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"source": self.source.to_dict(), "space": self.space.to_dict()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        _refuse_unknown(value, (f.name for f in fields(cls)))
        spaces = {name: Space.from_dict(value[name]) for name in ("source", "space")}
        return cls(**value | spaces)


@dataclass(frozen=True, slots=True)
class State:
    """What a store is at one moment.

    Attributes:
        live: the table that is searched.
        previous: the table that was live before the model was changed; kept to go back to.
        settings: how documents were cut, so that the next run cuts alike; and the like.
        bridge: what lets another model search the live table, too.
    """

    live: TableInfo
    previous: TableInfo | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    bridge: BridgeInfo | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files beside the tables."""
        return () if self.bridge is None else (self.bridge.file,)

    def with_tuning(self, tuning: dict[str, Any] | None) -> State:
        """This state with another tuning of the live table."""
        return replace(self, live=replace(self.live, tuning=tuning))

    def to_json(self) -> str:
        """One JSON document."""
        value = {
            "version": STORE_VERSION,
            "live": self.live.to_dict(),
            "previous": None if self.previous is None else self.previous.to_dict(),
            "settings": self.settings,
            "bridge": None if self.bridge is None else self.bridge.to_dict(),
        }
        return json.dumps(value, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, name: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            StoreError: it is of a newer version, or no state at all.
        """
        try:
            value = parse_json(text)
            if value["version"] > STORE_VERSION:
                raise _Newer(f"version {value['version']}, this one reads {STORE_VERSION}")
            _refuse_unknown(value, ("version", *(f.name for f in fields(cls))))
            previous, bridge = value["previous"], value.get("bridge")
            return cls(
                TableInfo.from_dict(value["live"]),
                None if previous is None else TableInfo.from_dict(previous),
                value["settings"],
                None if bridge is None else BridgeInfo.from_dict(bridge),
            )
        except (_Newer, NewerSpace) as error:
            raise StoreError(
                f"the store {name} was written by a newer veclab ({error}): pip install -U veclab"
            ) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"the store {name} is damaged: its state cannot be read: {error}. Put back a copy, "
                "or remove it and index its input again: the vectors come from the cache"
            ) from None


class _Newer(ValueError):
    """A newer veclab wrote it; the message says how that shows."""


def _refuse_unknown(value: dict[str, Any], known: Iterable[str]) -> None:
    """Raise where there are facts that this version would not understand, and would lose."""
    if unknown := set(value) - set(known):
        raise _Newer(f"it holds {', '.join(sorted(unknown))}, which this one does not know")
