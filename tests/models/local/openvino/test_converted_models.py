"""Converted models appear whole or not at all, whatever happens while they are made."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import HANG_S
from veclab import MissingExtra
from veclab.models.local.openvino import converted_models as converted
from veclab.models.local.openvino.converted_models import (
    FACTS,
    CannotConvert,
    Converted,
    find_or_make,
    run_module,
)

FACTS_OF = {"pad_id": 1, "max_tokens": 32, "min_cosine": 1.0}


def make(out: Path) -> dict:
    for name in ("model.xml", "model.bin", "tokenizer.json"):
        (out / name).write_text(f"{name} of {os.getpid()}")
    return FACTS_OF


@pytest.fixture
def target(home):
    return home / "models" / "m-0123-f32-ov1-v1"


def unexpected(out):
    raise AssertionError("it was there already")


def test_made_once_then_found(target):
    made = find_or_make(target, make)
    assert made.folder == target
    assert made == find_or_make(target, unexpected)
    assert (made.pad_id, made.max_tokens, made.precision) == (1, 32, "f32")
    assert made.model.read_text().startswith("model.xml")
    assert [p.name for p in target.parent.iterdir() if p.is_dir()] == [target.name]


def test_others_may_read_it_as_the_umask_says(target):
    old = os.umask(0o022)
    try:
        assert find_or_make(target, make).folder.stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(old)


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: (p / "model.bin").write_text("half"),
        lambda p: (p / "model.bin").unlink(),
        lambda p: (p / FACTS).unlink(),
        lambda p: (p / FACTS).write_text('{"pad_id": 1'),
        lambda p: (p / FACTS).write_text("[]"),
        lambda p: (p / FACTS).write_text('{"files": {}}'),
    ],
)
def test_what_is_not_whole_is_made_anew(target, damage):
    damage(find_or_make(target, make).folder)
    assert Converted.read(target) is None
    assert find_or_make(target, make).folder == target
    assert Converted.read(target) is not None


def test_a_refusal_is_kept_and_says_how_to_try_again(target):
    with pytest.raises(CannotConvert, match=f"odd layers .*delete {target}"):
        find_or_make(target, lambda out: make(out) and {"refused": "it has odd layers"})
    assert [p.name for p in target.iterdir()] == [FACTS]  # no weights are kept for nothing
    with pytest.raises(CannotConvert, match="odd layers"):
        find_or_make(target, unexpected)


def test_a_failure_leaves_nothing_behind_and_is_tried_again(target):
    def fail(out):
        make(out)
        raise CannotConvert("out of memory")

    with pytest.raises(CannotConvert, match="out of memory"):
        find_or_make(target, fail)
    assert not target.exists()
    assert find_or_make(target, make).folder == target


def test_a_home_that_cannot_be_written_gets_a_temporary_one(tmp_path):
    (tmp_path / "file").write_text("no folder")
    made = find_or_make(tmp_path / "file" / "models" / "m", make)
    assert made.model.exists()
    assert "every start converts it again; set VECLAB_HOME" in made.all_notes[0]


def _make(target, begun, wanted, results):
    """Make it, which takes until another process wants it, too."""

    def slowly(out):
        begun.set()
        assert wanted.wait(HANG_S)
        return make(out)

    made = find_or_make(target, slowly)
    results.put(made.model.read_text())


def _want(target, wanted, results):
    wanted.set()
    results.put(find_or_make(target, make).model.read_text())


def test_of_two_processes_one_works_and_both_get_it(target):
    context = multiprocessing.get_context("fork")
    begun, wanted, results = context.Event(), context.Event(), context.Queue()
    first = context.Process(target=_make, args=(target, begun, wanted, results))
    first.start()
    assert begun.wait(HANG_S)
    second = context.Process(target=_want, args=(target, wanted, results))
    second.start()
    texts = [results.get(timeout=HANG_S) for _ in range(2)]
    first.join()
    second.join()
    assert texts[0] == texts[1] == f"model.xml of {first.pid}"


def test_killed_half_way_it_is_made_anew_and_the_remains_go(target):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from veclab.models.local.openvino.converted_models import find_or_make\n"
        "def slowly(out):\n"
        "    (out / 'model.bin').write_text('half')\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(600)\n"
        "find_or_make(Path(sys.argv[1]), slowly)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"begun\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    remains = [p for p in target.parent.iterdir() if p.is_dir()]
    assert len(remains) == 1
    assert not target.exists()
    find_or_make(target, make)
    assert [p for p in target.parent.iterdir() if p.is_dir()] == [target]


class TestPlace:
    """Whatever could make the vectors others has a place of its own."""

    @pytest.fixture
    def folder(self, tiny_bert, tmp_path):
        import shutil

        from veclab.models.local.folder import read_folder

        path = shutil.copytree(tiny_bert, tmp_path / "m")
        return lambda: read_folder(path, name="m")

    def test_is_the_same_for_the_same_model_under_another_path(self, folder, tiny_bert):
        from veclab.models.local.folder import read_folder

        pytest.importorskip("openvino")
        there = converted.place(folder(), "f32")
        assert there == converted.place(read_folder(tiny_bert, name="m"), "f32")

    @pytest.mark.parametrize(
        ("file", "change"),
        [
            ("sentence_bert_config.json", {"max_seq_length": 7}),
            ("config.json", {"hidden_act": "relu"}),
            ("1_Pooling/config.json", {"pooling_mode": "cls"}),
            ("tokenizer.json", {"added": 1}),
        ],
    )
    def test_follows_every_file(self, folder, file, change):
        from tests.tiny import edit_json

        pytest.importorskip("openvino")
        before = converted.place(folder(), "f32")
        edit_json(folder().path / file, **change)
        assert converted.place(folder(), "f32") != before

    def test_follows_kind_and_versions(self, folder, monkeypatch):
        openvino = pytest.importorskip("openvino")
        before = converted.place(folder(), "f32")
        places = {before, converted.place(folder(), "int8")}
        monkeypatch.setitem(converted._VERSIONS, "f32", 99)
        places.add(converted.place(folder(), "f32"))
        monkeypatch.setattr(openvino, "__version__", "1999.1.0-1-abc")
        places.add(converted.place(folder(), "f32"))
        assert len(places) == 4


def test_what_no_builder_knows_needs_torch_and_says_what_to_install(tmp_path, monkeypatch):
    from tests.tiny import make_electra
    from veclab.models.local.folder import read_folder

    pytest.importorskip("openvino")
    folder = read_folder(make_electra(tmp_path / "m"), name="m")
    monkeypatch.setattr(converted, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"m must .*knows electra\), which .*veclab\[torch\]"):
        converted.find_or_convert(folder)
    assert converted.find_or_build(folder) is None


def test_a_known_model_needs_no_torch(tiny_bert, monkeypatch):
    from veclab.models.local.folder import read_folder

    pytest.importorskip("openvino")
    monkeypatch.setattr(converted, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", None)  # and no other process
    made = converted.find_or_convert(read_folder(tiny_bert, name="m"))
    assert (made.positions, made.precision, made.min_cosine) == (64, "f32", None)
    assert made == Converted.read(made.folder)


def test_a_child_that_fails_is_quoted():
    with pytest.raises(CannotConvert, match=r"No module named .*nothing_of_that_name"):
        run_module("veclab.nothing_of_that_name", [])


@pytest.mark.slow
def test_a_conversion_loads_no_telemetry_and_asks_nobody(tiny_bert, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    # A sitecustomize that ends the process when it looks for the network, and lists its modules.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import atexit, os, sys\n"
        "def watch(event, _):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        os._exit(77)\n"
        "sys.addaudithook(watch)\n"
        "atexit.register(lambda: open(os.environ['SEEN'], 'w').write(\n"
        "    '\\n'.join(m for m in sys.modules if sys.modules[m] is not None)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")  # a child imports from where we do
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    (tmp_path / "out").mkdir()
    facts = run_module(
        "veclab.models.local.openvino.convert", [str(tiny_bert), str(tmp_path / "out")]
    )
    assert facts["min_cosine"] > 0.9999
    loaded = (tmp_path / "seen").read_text().splitlines()
    assert "openvino.tools.ovc" in loaded
    assert not [m for m in loaded if m.startswith("openvino_telemetry")]


@pytest.mark.slow
def test_vectors_that_differ_are_refused(tiny_bert, tmp_path):
    """The check is the original's own vectors: weights changed after tracing do not pass."""
    import numpy as np

    pytest.importorskip("openvino")
    from veclab.models.local.openvino.convert import NotConvertible, check
    from veclab.models.local.openvino.engine import Engine

    run_module("veclab.models.local.openvino.convert", [str(tiny_bert), str(tmp_path)])
    engine = Engine(tmp_path / "model.xml")
    rows = [np.array([2, 5, 6, 3], np.int32), np.array([2, 9, 3], np.int32)]
    truth = engine.run(rows)
    assert check(engine, rows, truth) > 0.99999
    turned = truth.copy()
    turned[1] = truth[0]
    for wrong in (turned, truth * 1.01, truth * np.nan, truth[:, :5]):
        with pytest.raises(NotConvertible):
            check(engine, rows, wrong)
