"""veclab: text in, vectors you can trust out.

    import veclab

    model = veclab.load("all-MiniLM-L6-v2")
    vectors = model.embed(["The cat sits on the mat", "A feline rests on the carpet"])
    vectors.save("cats.parquet")
    veclab.similarity(vectors, vectors)

Importing veclab loads nothing else; each name is fetched from its module when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veclab.corpus import embed_file
    from veclab.errors import (
        BadVectors,
        CacheError,
        CostTooHigh,
        EmptyText,
        InputError,
        MissingExtra,
        ModelUnavailable,
        OutputError,
        ProviderError,
        SpaceMismatch,
        TextTooLong,
        VeclabError,
    )
    from veclab.evaluate.compare import compare
    from veclab.evaluate.shapes import read_dataset
    from veclab.files import open_source
    from veclab.meaning.audit import Audit, audit
    from veclab.meaning.findings import Finding
    from veclab.meaning.similarity import Nearest, nearest, similarity
    from veclab.model import Model, load, load_for
    from veclab.plan import Plan, plan_file
    from veclab.report import Report
    from veclab.space import Recipe, Space
    from veclab.vectorfile import read
    from veclab.vectors import Row, Vectors, concatenate

    __version__: str

_MODULES = {
    "corpus": ("embed_file",),
    "errors": (
        "BadVectors",
        "CacheError",
        "CostTooHigh",
        "EmptyText",
        "InputError",
        "MissingExtra",
        "ModelUnavailable",
        "OutputError",
        "ProviderError",
        "SpaceMismatch",
        "TextTooLong",
        "VeclabError",
    ),
    "evaluate.compare": ("compare",),
    "evaluate.shapes": ("read_dataset",),
    "files": ("open_source",),
    "meaning.audit": ("Audit", "audit"),
    "meaning.findings": ("Finding",),
    "meaning.similarity": ("Nearest", "nearest", "similarity"),
    "model": ("Model", "load", "load_for"),
    "plan": ("Plan", "plan_file"),
    "report": ("Report",),
    "space": ("Recipe", "Space"),
    "vectorfile": ("read",),
    "vectors": ("Row", "Vectors", "concatenate"),
}
_HOME = {name: f"veclab.{module}" for module, names in _MODULES.items() for name in names}

__all__ = [
    *_HOME,
]


def __getattr__(name: str) -> Any:
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("veclab")
    if name not in _HOME:
        raise AttributeError(f"module 'veclab' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, "__version__"])
