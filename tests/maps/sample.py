"""A map page made without a model or a projection, of any size, to try the page with.

By hand: python -m tests.maps.sample map.html 100000
"""

import sys
from pathlib import Path

import numpy as np

from veclab.maps import columns
from veclab.maps.labels import Label
from veclab.maps.page import Layer, Page

_WORDS = [
    "chess",
    "engine",
    "game",
    "python",
    "library",
    "font",
    "music",
    "player",
    "kernel",
    "mail",
]
# What must come out as text and nothing else.
AWKWARD = (
    "<script>window.hurt = 1</script>",
    "</script><img src=x onerror='window.hurt = 1'>",
    "\x00 a NUL and a tab\t",
    "שלום عربى, right to left ‮ overridden",
    "👩‍👩‍👧‍👦 🎉 emoji, e\u0301 combining",
    "one long text " * 2000,
    "",
    "日本語のテキスト",
)


def sample_page(n=400, *, second=False, overlay=0, texts=True, seed=0, k=5) -> Page:
    """n points in ten clumps, with a column of every kind, the awkward texts first."""
    rng = np.random.default_rng(seed)
    clump = np.sort(rng.integers(0, 10, n))
    centers = 30 * np.stack([np.cos(np.arange(10)), np.sin(np.arange(10) * 1.3)], axis=1)
    xy = (centers[clump] + rng.normal(size=(n, 2)) * (1 + clump[:, None] / 4)).astype(np.float32)
    # Any others of the same clump will do for neighbors here.
    first, size = np.searchsorted(clump, clump), np.bincount(clump, minlength=10)[clump]
    step = 1 + np.arange(k)
    near = first[:, None] + (np.arange(n)[:, None] - first[:, None] + step) % size[:, None]
    scores = (0.95 - 0.1 * step + 0.05 * rng.random((n, k))).astype(np.float32)
    words = rng.choice(_WORDS, size=(n, 6))
    written = [f"{_WORDS[c]} " + " ".join(row) for c, row in zip(clump, words, strict=True)]
    written[: len(AWKWARD)] = AWKWARD[:n]
    kept = np.round(rng.beta(2, 3, n) * 15) / 15
    score = rng.normal(size=n)
    score[::7] = np.nan
    table = [
        columns.category(
            "section", [None if i % 50 == 9 else f"s{c}" for i, c in enumerate(clump)]
        ),
        columns.category("package", [f"p{i % 300}" for i in range(n)]),
        columns.number("score", score),
        columns.number("year", 1990 + (np.arange(n) % 35), format="integer"),
        columns.number("seen", 1.6e12 + 86_400_000.0 * np.arange(n), format="date"),
        columns.Column("summary", "text", strings=[t[:30] for t in written]),
        columns.number("share of neighbors kept", kept.astype(np.float32), "preservation", "share"),
        columns.category("region", [f"{_WORDS[c]}, {_WORDS[c - 1]}" for c in clump], "cluster"),
        columns.number("characters", np.array([len(t) for t in written]), "length", "integer"),
        columns.category("cut", [("whole", "cut")[i % 9 == 0] for i in range(n)], "truncated"),
    ]
    marks = None
    if overlay:
        sources = ["corpus.parquet"] * (n - overlay) + ["queries.parquet"] * overlay
        table.append(columns.category("file", sources, "source"))
        marks = {"column": "file", "level": "queries.parquet"}
    labels = [
        Label(f"{_WORDS[c]}, {_WORDS[c - 1]}", float(x), float(y), 1, int((clump == c).sum()))
        for c, (x, y) in enumerate(centers)
    ] + [
        Label(f"{_WORDS[c]} {zoom}", float(x + 1 / zoom), float(y), zoom, n // 50)
        for zoom in (2, 4, 8)
        for c, (x, y) in enumerate(centers)
    ]
    honesty = {"kept": 0.41, "trustworthiness": 0.97, "k": 15, "rows": n, "exact": True}
    facts = [("method", "made up"), ("seed", str(seed)), ("space", "<b>not bold</b>")]
    layers = [Layer("first model", xy, near.astype(np.int32), scores, labels, honesty, facts)]
    if second:
        turned = (xy @ np.array([[0.8, -0.6], [0.6, 0.8]])).astype(np.float32)
        layers.append(
            Layer("second model", turned, near.astype(np.int32), scores, [], honesty, facts)
        )
        table.append(columns.number("moved", rng.random(n), "moved", "share"))
    return Page(
        title="a sample <of> points",
        ids=[f"id-{i}" for i in range(n)],
        texts=written if texts else None,
        columns=table,
        layers=layers,
        color="section",
        overlay=marks,
    )


if __name__ == "__main__":
    target, count = Path(sys.argv[1]), int(sys.argv[2])
    with target.open("w", encoding="utf-8", newline="") as file:
        file.writelines(sample_page(count, overlay=min(count // 10, 200)).write())
    print(target.resolve().as_uri(), f"{target.stat().st_size:,} bytes")
