"""What a job was asked to do: the words of a `veclab embed` command, kept in the job's folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from veclab.errors import InputError
from veclab.models.names import OPENAI

if TYPE_CHECKING:
    from veclab.cache import Cache
    from veclab.corpus import Source
    from veclab.model import Model


_GROUPS = ("reading", "loading", "policies", "writing")
# What `veclab embed` does when it is not told.
_DEFAULTS = {"header": True, "on_long": "truncate", "on_empty": "skip"}


@dataclass(frozen=True, slots=True)
class Order:
    """What to embed, and how; never a key.

    Attributes:
        input: the file or folder, as an absolute path.
        model: with its prefix, `openai:text-embedding-3-small`.
        reading: options of `veclab.corpus.open_source`.
        loading: options of `veclab.load`.
        policies: options of `Model.start`.
        writing: options of `embed_file`: chunks, quantize.
    """

    input: str
    model: str
    reading: Mapping[str, Any] = field(default_factory=dict)
    loading: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)
    writing: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        input: str | Path,
        model: str,
        *,
        reading: Mapping[str, Any] | None = None,
        loading: Mapping[str, Any] | None = None,
        policies: Mapping[str, Any] | None = None,
        writing: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an order with the defaults of `veclab embed` for what is not given.

        Raises InputError for a model without a Batch API, and for standard input.
        """
        if not model.startswith(OPENAI):
            raise InputError(
                f"{model!r} has no Batch API; it is for models like {OPENAI}text-embedding-3-small"
            )
        if str(input) == "-":
            raise InputError(
                "a batch job reads its input again when it continues: give a file, not '-'"
            )
        loading = dict(loading or {})
        if loading.pop("cache", True) is not True:
            raise InputError("a batch job needs the cache: that is where its vectors go")
        defaults = {"on_long": "truncate", "on_empty": "skip"}
        return cls(
            str(Path(input).absolute()),
            model,
            {"header": True} | _given(reading),
            _given(loading),
            defaults | _given(policies),
            {name: value for name, value in _given(writing).items() if value},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**value)

    def difference(self, other: Order) -> list[str]:
        """Say in words how two orders differ."""
        mine, others = self.to_dict(), other.to_dict()
        words = []
        for name in ("input", "model"):
            if mine[name] != others[name]:
                words.append(f"{name} {mine[name]} and {others[name]}")
        for group in _GROUPS:
            for name in sorted({*mine[group], *others[group]}):
                a, b = mine[group].get(name), others[group].get(name)
                if a != b:
                    words.append(f"{name} {a} and {b}")
        return words

    def open(self, on_scan: Callable[[int], None] | None = None) -> Source:
        """Open the corpus, checked from end to end."""
        from veclab.corpus import open_source

        return open_source(self.input, **self.reading, on_scan=on_scan)

    def load(self, cache: bool | Cache = True) -> Model:
        """Load the model."""
        from veclab.model import load

        return load(self.model, **self.loading, cache=cache)

    def command(self, output: str = "OUT.parquet") -> str:
        """Return the `veclab embed` command that gives the same vectors."""
        words = ["veclab", "embed", self.input, "-m", self.model]
        plain = self.to_dict()
        for group in _GROUPS:
            for name, value in plain[group].items():
                words += _option(name, value)
        return shlex.join([*words, "-o", output])


def _given(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options that were given a value, as JSON would give them back."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (options or {}).items()
        if value not in (None, (), [])
    }


def _option(name: str, value: Any) -> list[str]:
    if _DEFAULTS.get(name) == value:
        return []
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [option if value else f"--no-{name}"]
    values = value if isinstance(value, list) else [value]
    return [word for one in values for word in (option, str(one))]
