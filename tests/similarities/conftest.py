"""Blocks so small that a few rows are many blocks."""

import pytest

from veclab.similarities import duplicates, nearest


@pytest.fixture
def small_blocks(monkeypatch):
    shrink_blocks(monkeypatch)


def shrink_blocks(monkeypatch):
    for module in (nearest, duplicates):
        monkeypatch.setattr(module, "ROWS", 3)
    monkeypatch.setattr(nearest, "COLUMNS", 4)
