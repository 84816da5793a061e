"""What is done to every shard: plain values, which other machines read too."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from veclab.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.corpus import Source
    from veclab.vectorfiles.quantized import Quantization

FACTS_KEY = "veclab.shard"  # in the metadata of an output: which job made it, of what
_VERSION = 1


@dataclass(frozen=True)
class Layout:
    """The columns of all shards, as the first of them has them.

    Attributes:
        of: the shard.
        texts, id: which hold the texts and the ids; without ids, records are numbered.
        own: the schema of the user's columns, serialized by Arrow, in base64.
    """

    of: str
    texts: tuple[str, ...]
    id: str | None
    own: str

    @classmethod
    def of_source(cls, name: str, source: Source) -> Self:
        """Take those of an opened input."""
        own = source.schema.remove_metadata().serialize().to_pybytes()
        return cls(name, source.text_columns, source.id_column, base64.b64encode(own).decode())

    @property
    def schema(self) -> pa.Schema:
        """Of the user's columns."""
        import pyarrow as pa

        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.own)))

    def check(self, source: Source) -> None:
        """Raise InputError where a shard has other columns than the first, or other types."""
        for what, here, there in (
            ("texts", source.text_columns, self.texts),
            ("ids", source.id_column, self.id),
        ):
            if here != there:
                raise InputError(f"its {what} are in {_named(here)}, in {self.of} {_named(there)}")
        found, wanted = source.schema, self.schema
        extra = [name for name in found.names if name not in wanted.names]
        lacking = [name for name in wanted.names if name not in found.names]
        if extra or lacking:
            kinds = ((extra, "more"), (lacking, "missing"))
            parts = [f"{', '.join(map(repr, names))} {what}" for names, what in kinds if names]
            raise InputError(
                f"it has other columns than {self.of}: {'; '.join(parts)} "
                f"(--drop {(extra + lacking)[0]} leaves a column out)"
            )
        for name in wanted.names:
            here, there = found.field(name).type, wanted.field(name).type
            if not _fits(here, there):
                raise InputError(
                    f"the column {name!r} holds {here}, in {self.of} {there} "
                    f"(--drop {name} leaves it out)"
                )

    def fit(self, own: pa.Table | None) -> pa.Table | None:
        """Give rows of a shard the types of the first; raises InputError if a value has no place.

        No value is changed by it.
        """
        import pyarrow as pa

        if own is None:
            return None
        try:
            return own.select(self.schema.names).cast(self.schema)
        except pa.ArrowException as error:
            raise InputError(f"its columns do not fit those of {self.of}: {error}") from None


def _named(columns: tuple[str, ...] | str | None) -> str:
    if columns is None:
        return "no column"
    return repr(columns) if isinstance(columns, str) else ", ".join(map(repr, columns))


@dataclass(frozen=True)
class Job:
    """How shards become vectors.

    Attributes:
        source, output: addresses of places.
        model: its name.
        loading: arguments of `veclab.load`.
        reading: of `veclab.open_source`.
        policies: of `Model.embed`.
        overwrite: replace what another job made.
        as_documents: the role is that of documents, where the model has roles.
        chunks, quantize: of `veclab.corpus.embed_file.embed_file`.
        layout: None until the first shard was read.
        recipe: id of the Recipe; "" until the model was loaded.
    """

    source: str
    output: str
    model: str
    loading: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    as_documents: bool = False
    chunks: bool = False
    quantize: Quantization | None = None
    layout: Layout | None = None
    recipe: str = ""

    @property
    def id(self) -> str:
        """16 hex digits over all that decides the output of a shard, besides the shard."""
        decides = {
            "version": _VERSION,
            "recipe": self.recipe,
            "layout": None if self.layout is None else asdict(replace(self.layout, of="")),
            "reading": self.reading,
            "on_empty": self.policies.get("on_empty", "skip"),
            "on_long": self.policies.get("on_long", "truncate"),
        }
        if self.chunks or self.quantize:
            decides |= {"chunks": self.chunks, "quantize": self.quantize}
        text = json.dumps(decides, sort_keys=True, default=list)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=list))
        return plain | {"id": self.id}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        known = {f.name for f in fields(cls)}
        job = cls(**{name: v for name, v in value.items() if name in known})
        layout = value.get("layout")
        if layout is None:
            return job
        return replace(job, layout=Layout(**layout | {"texts": tuple(layout["texts"])}))


def _fits(here: pa.DataType, there: pa.DataType) -> bool:
    """Return whether every value of a type can have another, unchanged."""
    import pyarrow as pa

    t = pa.types
    if here == there or t.is_null(here):
        return True
    if t.is_dictionary(here):
        return _fits(here.value_type, there)
    strings = (t.is_string, t.is_large_string, t.is_string_view)
    if any(is_(here) for is_ in strings) and any(is_(there) for is_ in strings):
        return True
    # A number too large for the type stops the cast.
    number = t.is_integer(here) or t.is_floating(here)
    return bool(
        number
        and (t.is_floating(there) or (t.is_integer(here) and t.is_integer(there)))
        and not (t.is_floating(here) and t.is_floating(there) and there.bit_width < here.bit_width)
    )
