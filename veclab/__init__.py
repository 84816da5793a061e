"""veclab: text in, vectors you can trust out.

import veclab

model = veclab.load("all-MiniLM-L6-v2")
vectors = model.embed(["The cat sits on the mat", "A feline rests on the carpet"])
vectors.save("cats.parquet")
veclab.similarity(vectors, vectors)
"""

from importlib.metadata import version

from veclab.errors import (
    BadVectors,
    CacheError,
    EmptyText,
    InputError,
    MissingExtra,
    ModelUnavailable,
    OutputError,
    SpaceMismatch,
    TextTooLong,
    VeclabError,
)
from veclab.meaning.similarity import Nearest, nearest, similarity
from veclab.model import Model, load
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfile import read
from veclab.vectors import Row, Vectors, concatenate

__version__ = version("veclab")

__all__ = [
    "BadVectors",
    "CacheError",
    "EmptyText",
    "InputError",
    "MissingExtra",
    "Model",
    "ModelUnavailable",
    "Nearest",
    "OutputError",
    "Recipe",
    "Report",
    "Row",
    "Space",
    "SpaceMismatch",
    "TextTooLong",
    "VeclabError",
    "Vectors",
    "concatenate",
    "load",
    "nearest",
    "read",
    "similarity",
]
