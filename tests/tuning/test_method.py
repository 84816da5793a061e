"""Methods are found by name, and their working files by what they are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tuning.making import numbered
from veclab.errors import InputError
from veclab.models.local.folder import read_folder
from veclab.tuning.method import Settings, find_method, work_key


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match="adapter, full, static"):
        find_method("magic")


def test_working_files_belong_to_one_base_data_method_and_settings(tiny_bert):
    base = read_folder(tiny_bert, name="tiny")
    run = (base, numbered(4), "full", Settings())
    others = [
        (replace(base, weights="0" * 64), *run[1:]),
        (base, numbered(5), *run[2:]),
        (*run[:2], "adapter", Settings()),
        (*run[:3], Settings(seed=1)),
    ]
    assert work_key(*run) == work_key(replace(base, name="another name"), *run[1:])
    assert len({work_key(*run), *(work_key(*other) for other in others)}) == 5
