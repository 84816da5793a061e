"""Vectors of others get a Space: a sample of their texts is embedded again, and must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.atomic import atomic
from veclab.auditing.scan import Scan, gather, scan
from veclab.corpus import Block, Source
from veclab.errors import InputError
from veclab.model import Model, load
from veclab.pipeline.prepare import is_blank
from veclab.report import Report, shorten
from veclab.space import Role, Space
from veclab.unit_length import normalize
from veclab.vectorfiles.blocks import About, Rows, VectorBlock, VectorSource
from veclab.vectorfiles.files import ParquetSink
from veclab.vectorfiles.source import open_vectors
from veclab.vectors import Vectors

SAMPLE = 64
# Cosines at least this high: the same model in other arithmetic gives over 0.999, and rounding to
# 16 bits or 256 steps over 0.99.
_SAME, _SAME_ROUNDED = 0.999, 0.99
_UNIT = 1e-2  # lengths further from 1 are not normalized
_LENGTHS = 0.05  # of those that are not, as far as arithmetic and a prompt may change them
_ROUNDED = ("float16", "halffloat", "halfvec", "F16", "BF16", "int8", "uint8", "I8", "approximated")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What embedding a sample again has shown.

    Attributes:
        space: that the vectors are of.
        role: whose prompt the texts were embedded with.
        texts: how many were embedded again.
        lowest, median: cosine of the vectors there with those made here.
    """

    space: Space
    role: Role | None
    texts: int
    lowest: float
    median: float

    def __str__(self) -> str:
        role = f" (role {self.role})" if self.role else ""
        return (
            f"{self.texts} texts embedded again with {self.space.model}{role}: cosine at least "
            f"{self.lowest:.4f}, median {self.median:.4f}"
        )


@dataclass(frozen=True, slots=True)
class Adopted:
    """Vectors of others whose Space is known now; `parts` goes through them in flat memory."""

    source: VectorSource
    agreement: Agreement
    left_out: tuple[str, ...]  # ids of rows without a usable vector
    _usable: NDArray[np.bool_]

    @property
    def space(self) -> Space:
        """What the vectors may be compared with."""
        return self.agreement.space

    def report(self) -> Report:
        """Return what happened, for the file that is written."""
        report = Report(texts=len(self._usable))
        report.note(f"adopted from {self.source.about.name}: {self.agreement}")
        if self.left_out:
            report.note(
                f"left out {len(self.left_out):,} rows without a usable vector: "
                f"{shorten(list(self.left_out))}"
            )
        return report

    def parts(self) -> Iterator[Vectors]:
        """Yield the vectors, with their ids, texts and what else their source keeps."""
        start = 0
        for rows in self.source.rows(True):
            assert rows.array is not None
            kept = np.flatnonzero(self._usable[start : start + len(rows.ids)])
            start += len(rows.ids)
            texts = rows.texts or [None] * len(rows.ids)
            yield Vectors(
                array=rows.array[kept],
                space=self.space,
                ids=[rows.ids[i] for i in kept],
                texts=[texts[i] or "" for i in kept],
                columns=_own_columns(rows.more, kept),
            )
        if start != len(self._usable):
            raise InputError(f"{self.source.about.name} was written to meanwhile; start again")

    def save(self, output: Path) -> None:
        """Write them with their Space; the file appears whole or not at all."""
        with atomic(output) as temporary, ParquetSink(temporary, self.space) as sink:
            for part in self.parts():
                sink.write(part)
            sink.finish(self.report())


def agree(
    source: VectorSource,
    model: str | Model,
    *,
    role: Role | None = None,
    max_tokens: int | None = None,
    sample: int = SAMPLE,
    **loading: Any,
) -> Adopted:
    """Embed a sample of the texts again; on agreement the vectors have the model's Space.

    With 64 texts, a share p of vectors of another model escapes with probability (1 - p) ** 64:
    4% for p = 5%. The cache is not asked.

    Args:
        source: of `open_vectors`, or `WithTexts`.
        model: that is said to have made the vectors; by name it is loaded for them.
        role: whose prompt their texts got; by default each of the model's is tried.
        max_tokens: at which their texts were cut, if lower than the model's limit.
        sample: how many texts.
        loading: of `veclab.load`.

    Raises:
        InputError: the vectors have a Space already, no texts, or other dimensions; or they do not
            agree, with how far they are off.
        And what `veclab.load` raises.
    """
    about = source.about
    if about.space is not None:
        raise InputError(f"{about.name} records its Space already: {about.space}")
    if not about.has_texts:
        raise InputError(
            f"{about.name} holds no texts to embed again; name a file with the texts of its rows, "
            "in their order: --texts FILE"
        )
    scanned = scan(source)
    usable = np.flatnonzero(scanned.usable)
    if not len(usable):
        raise InputError(f"{about.name} has no usable vector")
    if isinstance(model, str):
        loaded = _loaded(model, about, scanned, max_tokens, loading)
    else:
        loaded = _fitting(model, about, scanned)
    chosen = np.sort(np.random.default_rng(1).choice(usable, min(sample, len(usable)), False))
    texts = source.texts(chosen.tolist())
    kept = [i for i, text in enumerate(texts) if text and not is_blank(text)]
    if not kept:
        raise InputError(f"{about.name}: the {len(texts)} rows that were chosen have no text")
    norms = scanned.norms[chosen[kept]]
    told = [texts[i] or "" for i in kept]
    agreement = _compare(source, chosen[kept], norms, told, loaded, role)
    out = np.flatnonzero(~scanned.usable).tolist()
    return Adopted(source, agreement, tuple(source.names(out)), scanned.usable)


def adopt(
    source: str | Path | VectorSource,
    model: str,
    output: str | Path,
    *,
    column: str | None = None,
    text_column: str | Sequence[str] | None = None,
    texts: Source | None = None,
    **options: Any,
) -> Adopted:
    """Write the vectors of others to a file with their Space, if a sample agrees with a model.

    Args:
        source: what `veclab audit` reads: a file of vectors, a FAISS index, a folder of Chroma or
            Qdrant, a table of PostgreSQL.
        model: that made them.
        output: a path ending in `.parquet`.
        column, text_column: of the vectors and of their texts, where names do not tell.
        texts: of the rows, in their order, where the source has none.
        options: of `agree`: role, max_tokens, sample, and those of `veclab.load`.

    Raises:
        InputError: as `agree`.
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise InputError(f"the output {output.name!r} must end in .parquet")
    if isinstance(source, (str, Path)):
        source = open_vectors(source, column=column, text_column=text_column)
    if texts is not None:
        source = WithTexts(source, texts)
    adopted = agree(source, model, **options)
    adopted.save(output)
    return adopted


class WithTexts:
    """Vectors whose texts are in another file, in the same order."""

    def __init__(self, source: VectorSource, texts: Source) -> None:
        if texts.rows != source.about.rows:
            raise InputError(
                f"{source.about.name} has {source.about.rows:,} rows, and {texts.name} "
                f"{texts.rows:,} texts: they must be as many, in the same order"
            )
        self.about = replace(source.about, has_texts=True)
        self._source, self._texts = source, texts

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order."""
        return self._source.blocks()

    def rows(self, vectors: bool) -> Iterator[Rows]:
        """Yield all rows, in order, with the ids and columns of the file of texts."""
        waiting: list[Any] = []
        for rows in self._source.rows(vectors):
            m = len(rows.ids)
            if not waiting:
                waiting.append(self._texts.blocks(m))
            block = next(waiting[0])
            # Both are read in runs of the same size, but for those that are long.
            ids, texts, columns = list(block.ids), list(block.texts), [block.columns]
            while len(ids) < m:
                more = next(waiting[0])
                ids += more.ids
                texts += more.texts
                columns.append(more.columns)
            own = [part for part in columns if part is not None]
            extra = _joined(own)
            yield Rows(ids[:m], texts[:m], rows.array, extra)

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows."""
        return self._pick(positions, lambda block: block.ids)

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows."""
        return self._pick(positions, lambda block: block.texts)

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows."""
        for block in self._texts.blocks():
            yield block.texts

    def _pick(self, positions: Sequence[int], column: Callable[[Block], list[Any]]) -> list[Any]:
        wanted, found, start = set(positions), {}, 0
        for block in self._texts.blocks():
            for i, value in enumerate(column(block), start):
                if i in wanted:
                    found[i] = value
            start += len(block.ids)
        return [found[p] for p in positions]


def _joined(tables: list[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables(tables) if tables else None


def _own_columns(more: Any, kept: NDArray[np.intp]) -> Any:
    """Return what else a source keeps as the columns of a file of vectors."""
    import pyarrow as pa

    if isinstance(more, list):
        more = pa.table({"metadata": pa.array(more, pa.string())})
    return None if more is None else more.take(pa.array(kept))


def _fitting(model: Model, about: About, scanned: Scan) -> Model:
    """Return the model, if it makes vectors of this length and these norms."""
    if model.space.dimensions != about.dimensions:
        raise _other_dimensions(about, model)
    if model.space.normalized and not _all_unit(scanned):
        raise InputError(
            f"the vectors of {about.name} are not of unit length, and those of this model are: "
            "veclab adopt makes a file of them whose Space says so"
        )
    return model


def _all_unit(scanned: Scan) -> bool:
    return bool((np.abs(scanned.norms[scanned.usable] - 1) < _UNIT).all())


def _other_dimensions(about: About, model: Model) -> InputError:
    return InputError(
        f"{about.name} holds vectors of {about.dimensions:,} dimensions, and {model.space.model} "
        f"makes {model.space.dimensions:,}: another model made them"
    )


def _loaded(
    name: str, about: About, scanned: Scan, max_tokens: int | None, loading: dict[str, Any]
) -> Model:
    """Load the model as it made vectors of this length and these norms."""
    options = loading | {"max_tokens": max_tokens, "normalize": _all_unit(scanned), "cache": False}
    model = load(name, **options)
    if model.space.dimensions > about.dimensions and _all_unit(scanned) and "@" not in name:
        model = load(name, **options | {"dimensions": about.dimensions})
    if model.space.dimensions != about.dimensions:
        raise _other_dimensions(about, model)
    return model


def _compare(
    source: VectorSource,
    chosen: NDArray[np.intp],
    norms: NDArray[np.float64],
    texts: list[str],
    model: Model,
    role: Role | None,
) -> Agreement:
    stored = gather(source, chosen)
    roles: list[Role | None] = [role]
    if role is None and model.space.prompts:
        roles += ["document", "query"]
    tried: dict[Role | None, NDArray[np.float64]] = {}
    tokens: NDArray[np.int32] | None = None
    lengths = norms
    for one in roles:
        made = model.embed(texts, role=one, on_empty="error")
        cosines = np.einsum("ij,ij->i", stored, normalize(made.array))
        tried[one], tokens = cosines.astype(np.float64), made.tokens
        lengths = np.linalg.norm(made.array.astype(np.float64), axis=1)
    best = max(tried, key=lambda one: float(np.median(tried[one])))
    cosines = tried[best]
    rounded = any(kind in source.about.dtype for kind in _ROUNDED)
    limit = _SAME_ROUNDED if rounded else _SAME
    found = Agreement(
        model.space, best, len(texts), float(cosines.min()), float(np.median(cosines))
    )
    differ = cosines < limit
    if differ.any():
        raise InputError(_disagreement(source, found, differ, tried, tokens))
    if (np.abs(lengths / norms - 1) > _LENGTHS).any():
        raise InputError(
            f"the vectors of {source.about.name} point where those of {model.space.model} do, but "
            f"have other lengths ({float(norms.mean()):.3g} on average, not "
            f"{float(lengths.mean()):.3g}): bring them to unit length first. Nothing was written"
        )
    return found


def _disagreement(
    source: VectorSource,
    found: Agreement,
    differ: NDArray[np.bool_],
    tried: dict[Role | None, NDArray[np.float64]],
    tokens: NDArray[np.int32] | None,
) -> str:
    medians = ", ".join(
        f"{one or 'no role'} {float(np.median(cosines)):.3f}" for one, cosines in tried.items()
    )
    way = "Was it another model, role or prompt, or are the texts in another column?"
    if tokens is not None and not differ.all():
        longest, shortest = int(tokens[~differ].max()), int(tokens[differ].min())
        if shortest > longest:
            way = (
                f"Only texts of {shortest} tokens and more differ: they were cut elsewhere. Try "
                f"--max-tokens {longest} or a little more."
            )
    return (
        f"the vectors of {source.about.name} are not those of {found.space.model}: {found}; "
        f"{int(differ.sum())} of {found.texts} differ (median cosine by role: {medians}). {way} "
        "Nothing was written"
    )
