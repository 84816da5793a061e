"""What a file, a store or a job names is used only where that fetches nothing and tells nobody."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import veclab
from tests.store.conftest import WordSums
from veclab import ModelUnavailable, ProviderError, Space, Vectors
from veclab.cli.app import app
from veclab.models.openai.batch import jobs
from veclab.models.openai.batch.order import Order
from veclab.store.store import Store

NAME = "somebody/their-model"
ANIMALS = "cat dog badger heron otter falcon weasel marten".split()  # noqa: SIM905


@pytest.fixture
def fetched(monkeypatch):
    """The names for which the hub was asked; it is never reached."""
    asked = []

    def snapshot_download(name, *, local_files_only=False, **wanted):
        if not local_files_only:
            asked.append(name)
        raise OSError("there is no network in tests")

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return asked


@pytest.fixture
def vectors():
    space = Space("local", NAME, 8, weights="0" * 64)
    texts = [f"The {animal} was seen near the old mill by two hunters." for animal in ANIMALS]
    return Vectors(np.eye(8), space, texts=texts)


@pytest.fixture
def file(vectors, tmp_path):
    return str(vectors.save(tmp_path / "vectors.parquet"))


@pytest.fixture
def store(vectors, tmp_path):
    pytest.importorskip("lance", reason="needs veclab[store]")
    with Store.open(tmp_path / "store", create=True) as opened:
        opened.add_vectors(vectors)
    return str(tmp_path / "store")


def typed(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output + str(result.exception)


@pytest.mark.parametrize("command", ["similar", "search", "ask", "index", "vector search"])
def test_a_command_fetches_no_model_on_the_word_of_a_file(command, fetched, request, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("a text\n")
    where = request.getfixturevalue("file" if command == "similar" else "store")
    arguments = {
        "similar": ["similar", "a cat", "--to", where],
        "search": ["search", "a cat", "--store", where],
        "ask": ["ask", "a cat", "--store", where],
        "index": ["index", texts, "--store", where],
        "vector search": ["search", "a cat", "--store", where, "--mode", "vector"],
    }[command]
    code, said = typed(*arguments)
    assert code != 0
    assert (
        f"is fetched on the word of a file or a store. If you want it, name it yourself: -m {NAME}"
        in said
    )
    assert fetched == []


def test_the_users_own_word_fetches_it(fetched, file):
    assert typed("similar", "a cat", "--to", file, "-m", NAME)[0] != 0  # there is no network
    assert fetched == [NAME]


def test_an_audit_fetches_nothing(fetched, file):
    assert "not proved: these vectors name the model" in typed("audit", file)[1]
    assert fetched == []


def test_a_migration_goes_on_without_the_old_model(fetched, store, cache):
    from veclab.model import Model
    from veclab.store.migrate import migrate

    with Store.open(store) as opened:
        done = migrate(opened, Model(WordSums(), cache))
    assert any("not compared" in note and NAME in note for note in done.report.notes)
    assert fetched == []


@pytest.mark.parametrize(
    "name",
    [NAME, "all-mpnet-base-v2", "glove-of-another-size", "openai:text-embedding-3-small",
     "//host/share", r"\\host\share"],
)  # fmt: skip
def test_no_name_of_a_local_space_leaves_the_machine(name, fetched, monkeypatch):
    monkeypatch.setattr("veclab.models.catalog.is_installed", lambda packaged: False)
    with pytest.raises(ModelUnavailable, match="not on this machine"):
        veclab.load_for(Space("local", name, 8, weights="0" * 64))
    assert fetched == []


def test_what_is_on_this_machine_is_loaded(tiny_bert, fetched):
    space = veclab.load(str(tiny_bert)).space
    assert veclab.load_for(space, name=str(tiny_bert)).space == space
    default = veclab.load()
    assert veclab.load_for(default.space).space == default.space


def test_an_endpoint_is_used_that_the_user_has_used_or_set(monkeypatch):
    elsewhere = Space("openai", "text-embedding-3-small", 1536, endpoint="http://127.0.0.1:9/v1")
    with pytest.raises(ModelUnavailable, match="Your key would go there"):
        veclab.load_for(elsewhere)
    own = replace(elsewhere, endpoint=None)
    assert veclab.load_for(own).space == own
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "for-9")
    assert veclab.load_for(elsewhere).space == elsewhere
    # The key belongs to the place that was set, and not to the one that a file means by silence.
    monkeypatch.setenv("VECLAB_HOME", "/nowhere")
    with pytest.raises(ModelUnavailable, match=r"api\.openai\.com"):
        veclab.load_for(own)


def test_a_job_that_came_from_elsewhere_cannot_send_the_key_there(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    texts = tmp_path / "texts.txt"
    texts.write_text("a text\n")
    url = "http://127.0.0.1:9/v1"
    order = Order.of(texts, "openai:m", loading={"base_url": url, "dimensions": 8})
    jobs.submit(tmp_path / "job", order, confirm=lambda: False)
    monkeypatch.setenv("VECLAB_HOME", str(tmp_path / "another-home"))
    for action in (jobs.status, jobs.fetch, jobs.submit):
        with pytest.raises(ModelUnavailable, match="this job takes its vectors from"):
            action(tmp_path / "job")
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ProviderError, match="could not be reached"):  # nobody is there
        jobs.status(tmp_path / "job")
