"""Embed a file of sentences, save the vectors, read them back, find each query's neighbors.

Run it from anywhere: python examples/quickstart.py
"""

from pathlib import Path

import numpy as np

import veclab

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "out"

QUERIES = ["a pet that naps in the sun", "public transport is not running", "how to cook dinner"]


def main() -> None:
    sentences = (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()

    model = veclab.load("all-MiniLM-L6-v2")
    vectors = model.embed(sentences)

    OUT.mkdir(exist_ok=True)
    path = OUT / "sentences.parquet"
    vectors.save(path)
    again = veclab.read(path)

    # Both sides carry the Space they come from. Two different spaces would raise SpaceMismatch.
    scores = veclab.similarity(model.embed(QUERIES), again)
    for query, row in zip(QUERIES, scores, strict=True):
        print(f"\n{query}")
        for place in np.argsort(-row)[:3]:
            print(f"  {row[place]:.3f}  {sentences[place]}")


if __name__ == "__main__":
    main()
