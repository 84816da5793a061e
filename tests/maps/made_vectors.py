"""Vectors in clumps, made without a model, with texts whose words go with the clumps."""

import numpy as np
import pyarrow as pa

from veclab import Vectors
from veclab.space import Space

SPACE = Space("fake", "clumps", 16, weights="aa")
TOPICS = ("chess", "violin", "kernel", "bread", "sailing")


def clumped(n=200, *, space=SPACE, seed=0, spread=0.25, **changes) -> Vectors:
    """n unit vectors around five directions; the text of each names its clump's topic."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(5, space.dimensions))
    topic = rng.integers(0, 5, n)
    array = centers[topic] + spread * rng.normal(size=(n, space.dimensions))
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    parts = {
        "array": array.astype(np.float32),
        "space": space,
        "ids": [f"id{i}" for i in range(n)],
        "texts": [f"a text about {TOPICS[t]}, number w{i}" for i, t in enumerate(topic)],
        "tokens": np.arange(n, dtype=np.int32),
        "truncated": np.arange(n) % 10 == 0,
        "columns": pa.table({"topic": [TOPICS[t] for t in topic], "year": list(range(n))}),
    }
    return Vectors(**parts | changes)
