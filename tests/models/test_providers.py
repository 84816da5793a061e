"""Models of other packages: found by entry point, opened as veclab's own are."""

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import veclab
from tests.fakes import FakeProvider
from veclab import InputError, ModelUnavailable
from veclab.models import providers
from veclab.models.providers import GROUP, OWN, installed, is_prefixed, prefix_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"


def blocks(kind):
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A folder into which the package of the page was installed."""
    pytest.importorskip("setuptools", reason="needs setuptools to build the package")
    package, folder = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("target")
    module = blocks("python")[0]
    assert len([line for line in module.splitlines() if line.strip()]) <= 30
    (package / "hashed_words.py").write_text(module, encoding="utf-8")
    (package / "pyproject.toml").write_text(blocks("toml")[0], encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--target", str(folder), str(package)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def run(target, environment, *command):
    path = f"{target}:{Path(veclab.__file__).parents[1]}"
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": path},
    )


def test_the_package_of_the_page_is_found_by_its_entry_point(target, environment):
    code = "import veclab\n" + blocks("python no-run")[0]
    done = run(target, environment, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("hashed:words.1 (128-d, space ")


def test_the_command_line_takes_its_models(target, environment, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("the cat sits\nstock markets fell\n", encoding="utf-8")
    out = str(tmp_path / "vectors.parquet")
    command = ("-m", "veclab", "embed", str(texts), "-o", out, "-m", "hashed:words.1")
    done = run(target, environment, *command)
    assert done.returncode == 0, done.stderr
    assert veclab.read(Path(out)).space.provider == "hashed"
    # A file's word loads nothing of a package.
    refused = run(target, environment, "-m", "veclab", "similar", "cat", "--to", out)
    assert refused.returncode != 0
    assert "-m hashed:words.1" in refused.stderr
    found = run(
        target, environment, "-m", "veclab", "similar", "cat", "--to", out, "-m", "hashed:words.1"
    )
    assert found.returncode == 0, found.stderr
    listed = run(target, environment, "-m", "veclab", "models")
    assert "hashed:" in listed.stdout
    unfit = run(target, environment, *command, "--device", "cuda")
    assert "hashed:words.1 is a model of hashed: device does not go with it" in unfit.stderr


def points(monkeypatch, *found):
    monkeypatch.setattr(providers, "entry_points", lambda group: [EntryPoint(*f) for f in found])


def opener(model, *, dimensions=None):
    return FakeProvider(name=model), [f"opened {model} with {dimensions}"]


HERE = f"{__name__}:opener"


def test_a_function_may_open_and_say_something(monkeypatch):
    points(monkeypatch, ("fake", HERE, GROUP))
    model = veclab.load("fake:one:two", dimensions=8, cache=False)
    assert model.space.model == "one:two"
    assert "opened one:two with 8" in model.embed("cat").report.notes


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("voyage:voyage-3", "no package here brings models called voyage:"),
        ("fake:", "names no model"),
        ("broken:x", "cannot be imported"),
        ("wrong:x", "gave a str for wrong:x"),
    ],
)
def test_what_cannot_be_opened_says_why(monkeypatch, name, said):
    wrong = ("wrong", "os.path:basename", GROUP)
    points(monkeypatch, ("fake", HERE, GROUP), ("broken", "no_such_module:x", GROUP), wrong)
    with pytest.raises((ModelUnavailable, InputError), match=re.escape(said)):
        veclab.load(name)


def test_nobody_takes_a_name_of_ours_and_no_two_take_one(monkeypatch):
    points(monkeypatch, ("openai", "evil:Model", GROUP))
    assert installed()["openai"].value == OWN["openai"]
    points(monkeypatch, ("fake", HERE, GROUP), ("fake", "other:Model", GROUP))
    with pytest.raises(InputError, match="two packages bring models called fake:"):
        installed()


def test_what_is_a_prefix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert prefix_of("cohere:embed-v4.0/clustering") == "cohere"
    (tmp_path / "odd:folder").mkdir()
    for name in (
        "all-MiniLM-L6-v2",
        "intfloat/e5",
        "odd:folder",
        "C:\\models",
        "http://x",
        "./a:b",
    ):
        assert not is_prefixed(name), name
