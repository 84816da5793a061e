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
    import veclab.pictures
    from veclab.auditing.adopt import adopt
    from veclab.auditing.audit import Audit, audit
    from veclab.auditing.findings import Finding
    from veclab.cache import Cache
    from veclab.cluster.embed_shards import embed_shards
    from veclab.corpus import open_source
    from veclab.corpus.embed_file import embed_file
    from veclab.corpus.plan import Plan, plan_file
    from veclab.documents.chunks import chunk_document
    from veclab.documents.document import Chunk, Document, Skipped
    from veclab.documents.reading import read_documents
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
        StoreError,
        TextTooLong,
        VeclabError,
    )
    from veclab.evaluation.compare import compare
    from veclab.evaluation.recognize import read_dataset
    from veclab.maps.map import Map
    from veclab.maps.side_by_side import SideBySide, map_both
    from veclab.model import Model, load, load_for
    from veclab.provider import EmbeddingProvider, Limits, TokenizedText
    from veclab.rag.answer import Answer
    from veclab.rag.ask import ask
    from veclab.report import Report
    from veclab.similarities.duplicates import near_duplicates
    from veclab.similarities.nearest import Match, Nearest, nearest, neighbors
    from veclab.similarities.similarity import pairwise, similarity
    from veclab.space import Recipe, Space
    from veclab.store.passage import Hit, Passage
    from veclab.store.store import Store
    from veclab.tuning.tune import Tuned, tune
    from veclab.vectorfiles.files import read
    from veclab.vectors import Row, Vectors, concatenate

    __version__: str

_MODULES = {
    "corpus.embed_file": ("embed_file",),
    "documents.chunks": ("chunk_document",),
    "documents.document": ("Chunk", "Document", "Skipped"),
    "documents.reading": ("read_documents",),
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
        "StoreError",
        "TextTooLong",
        "VeclabError",
    ),
    "evaluation.compare": ("compare",),
    "evaluation.recognize": ("read_dataset",),
    "corpus": ("open_source",),
    "auditing.adopt": ("adopt",),
    "auditing.audit": ("Audit", "audit"),
    "auditing.findings": ("Finding",),
    "similarities.duplicates": ("near_duplicates",),
    "similarities.nearest": ("Match", "Nearest", "nearest", "neighbors"),
    "similarities.similarity": ("pairwise", "similarity"),
    "maps.map": ("Map",),
    "maps.side_by_side": ("SideBySide", "map_both"),
    "model": ("Model", "load", "load_for"),
    "cache": ("Cache",),
    "cluster.embed_shards": ("embed_shards",),
    "corpus.plan": ("Plan", "plan_file"),
    "provider": ("EmbeddingProvider", "Limits", "TokenizedText"),
    "rag.answer": ("Answer",),
    "rag.ask": ("ask",),
    "report": ("Report",),
    "space": ("Recipe", "Space"),
    "store.passage": ("Hit", "Passage"),
    "store.store": ("Store",),
    "tuning.tune": ("Tuned", "tune"),
    "vectorfiles.files": ("read",),
    "vectors": ("Row", "Vectors", "concatenate"),
}
# Rooms that are used by their own name: veclab.pictures.heatmap(vectors).
_ROOMS = ("pictures",)
_HOME = {name: f"veclab.{module}" for module, names in _MODULES.items() for name in names}

__all__ = [
    *_HOME,
]


def __getattr__(name: str) -> Any:
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("veclab")
    if name in _ROOMS:
        return import_module(f"veclab.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'veclab' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    own = (name for name in globals() if name.startswith("__"))
    return sorted({*own, *_HOME, *_ROOMS, "__version__"})
