"""An adapter whose library is missing names the extra that brings it."""

import importlib
import sys

import pytest

from veclab import MissingExtra


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("langchain", "langchain_core.embeddings", "langchain"),
        ("langchain_store", "langchain_core.vectorstores", "langchain"),
        ("llamaindex", "llama_index.core.base.embeddings.base", "llamaindex"),
        ("llamaindex_store", "llama_index.core.vector_stores.types", "llamaindex"),
        ("haystack", "haystack", "haystack"),
        ("sklearn", "sklearn.base", "sklearn"),
        ("duckdb", "duckdb", "duckdb"),
        ("polars", "polars", "frames"),
        ("pandas", "pandas", "frames"),
    ],
)
def test_it_is_named(monkeypatch, module, library, extra):
    monkeypatch.delitem(sys.modules, f"veclab.integrations.{module}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"veclab\[{extra}\]"):
        importlib.import_module(f"veclab.integrations.{module}")
