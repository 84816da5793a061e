"""A map as one self-contained HTML file: head, data blobs, script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.maps import pack
from veclab.maps.columns import Column
from veclab.maps.palette import palette
from veclab.maps.shorthand import learn

FORMAT = 3
_WEB = Path(__file__).parent / "web"
# Base64 characters in one script element, a multiple of four: browsers hand a script of some
# hundred megabytes back as an empty string.
_PART = 3 * 2**20


@dataclass(frozen=True, slots=True)
class Layer:
    """One projection of the rows, as a page shows it.

    Attributes:
        title: the model, or what tells this map from the other.
        xy: float32 (n, 2).
        positions, scores: the true nearest neighbors, int32 and float32 (n, k); k = 0 for none.
        labels: words at places, see `veclab.maps.labels`.
        honesty: figures for the head.
        facts: (label, value) pairs of provenance.
    """

    title: str
    xy: NDArray[np.float32]
    positions: NDArray[np.int32]
    scores: NDArray[np.float32]
    labels: Sequence[Any] = ()
    honesty: dict[str, Any] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What a page holds: n rows in the order of the file of vectors, and one or two layers."""

    title: str
    ids: Sequence[str]
    texts: Sequence[str | None] | None
    columns: Sequence[Column]
    layers: Sequence[Layer]
    color: str | None = None
    overlay: dict[str, Any] | None = None

    def write(self) -> Iterator[str]:
        """The file, piece by piece; a million rows are never in memory twice."""
        fixed = [pack.fixed_point(layer.xy) for layer in self.layers]
        order = pack.hilbert_order(fixed[0][0])
        texts = None if self.texts is None else [self.texts[i] for i in order]
        chunks = pack.chunk_starts(texts, len(order))
        columns = [(f"c{i}", column.take(order)) for i, column in enumerate(self.columns)]
        shorthand = learn([column.strings or () for _, column in columns] + [texts or ()])
        keys = "ab"[: len(self.layers)]
        head = {
            "format": FORMAT,
            "title": self.title,
            "n": len(order),
            "chunks": chunks,
            "texts": texts is not None,
            "words": len(shorthand.words),
            "shortened": sum(len(t or "") > pack.MOST_CHARACTERS for t in texts or ()),
            "color": next((key for key, c in columns if c.name == self.color), None),
            "overlay": self._overlay(columns),
            "palette": palette(),
            "columns": [column.describe(key) for key, column in columns],
            "maps": [
                _describe(key, layer, points, frame)
                for key, layer, (points, frame) in zip(keys, self.layers, fixed, strict=True)
            ],
        }
        script = _asset("map.js")
        yield _top(self.title, script)
        yield f'<script type="application/json" id="head">{_json(head)}</script>\n'
        for key, layer, (points, frame) in zip(keys, self.layers, fixed, strict=True):
            yield from _elements(pack.coordinate_blobs(key, points[order]))
            labels = _json(_labels(layer, frame)).encode()
            yield from _elements([(f"{key}-labels", pack.squeeze(labels))])
        yield from _elements([("row", pack.squeeze(pack.planes(order.astype("<u4"))))])
        for key, column in columns:
            if column.values is not None:
                yield from _elements(pack.column_blobs(column, key, chunks, shorthand))
        yield f"<script>{script}</script>\n"
        for key, layer in zip(keys, self.layers, strict=True):
            if layer.positions.shape[1]:
                yield from _elements(
                    pack.neighbor_blobs(
                        key, layer.positions, layer.scores, order, _bounds(layer), chunks
                    )
                )
        yield from _elements([("words", pack.squeeze(shorthand.table()))])
        ids = [self.ids[i] for i in order]
        yield from _elements(pack.string_blobs("id", ids, chunks, shorthand))
        for key, column in columns:
            if column.strings is not None:
                yield from _elements(pack.column_blobs(column, key, chunks, shorthand))
        if texts is not None:
            yield from _elements(pack.string_blobs("text", texts, chunks, shorthand))
        yield "</body></html>\n"

    def _overlay(self, columns: Sequence[tuple[str, Column]]) -> dict[str, Any] | None:
        if self.overlay is None:
            return None
        key, column = next((k, c) for k, c in columns if c.name == self.overlay["column"])
        level = column.levels.index(self.overlay["level"])
        return {"column": key, "level": level, "n": int(np.sum(column.values == level + 1))}


def _describe(
    key: str, layer: Layer, points: NDArray[np.uint32], frame: dict[str, float]
) -> dict[str, Any]:
    low, high = _bounds(layer)
    k = layer.positions.shape[1]
    return {
        "key": key,
        "title": layer.title,
        "frame": frame,
        "view": _view(points),
        "honesty": layer.honesty,
        "neighbors": {"k": k, "low": low, "high": high} if k else None,
        "facts": [list(fact) for fact in layer.facts],
    }


def _labels(layer: Layer, frame: dict[str, float]) -> list[dict[str, Any]]:
    """The labels, their places as shares of the frame."""
    return [
        {
            "text": label.text,
            "x": round(float((label.x - frame["x"]) / frame["size"]), 5),
            "y": round(float((label.y - frame["y"]) / frame["size"]), 5),
            "zoom": label.zoom,
            "n": label.n,
        }
        for label in layer.labels
    ]


def _bounds(layer: Layer) -> tuple[float, float]:
    if not layer.scores.size:
        return 0.0, 1.0
    return float(layer.scores.min()), float(layer.scores.max())


def _view(points: NDArray[np.uint32]) -> list[float]:
    """What to show at first: a few stray points must not shrink the rest to a spot."""
    if not len(points):
        return [0.0, 0.0, 1.0, 1.0]
    share = points / (2**32 - 1)
    low, high = np.percentile(share, [0.2, 99.8], axis=0)
    margin = 0.04 * max(float((high - low).max()), 1e-6)
    low, high = np.maximum(low - margin, -0.05), np.minimum(high + margin, 1.05)
    return [round(float(v), 6) for v in (*low, *high)]


def _top(title: str, script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}' blob:; worker-src blob:; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_asset('map.css')}</style></head>\n"
        '<body><div id="app"></div>\n'
        "<noscript>This map is drawn by a script in this file; allow scripts to see it."
        "</noscript>\n"
    )


def _asset(name: str) -> str:
    # Read exactly: the policy's digest is of these very characters.
    text = (_WEB / name).read_bytes().decode("utf-8")
    assert "</script" not in text.lower() and "</style" not in text.lower(), name
    return text


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _elements(blobs: Iterable[pack.Blob]) -> Iterator[str]:
    for name, data in blobs:
        text = base64.b64encode(data).decode("ascii")
        for number, start in enumerate(range(0, max(len(text), 1), _PART)):
            part = text[start : start + _PART]
            yield f'<script type="text/plain" id="v:{name}:{number}">{part}</script>\n'
