"""Vectors of others get a Space only when a sample of their texts, embedded again, agrees."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veclab
from veclab import InputError, Store
from veclab.auditing.adopt import adopt
from veclab.corpus import open_source
from veclab.store.index import index

TEXTS = [f"the cat number {n} sits on the mat of dog {n * 7}" for n in range(120)]


@pytest.fixture(scope="module")
def made(tiny_e5):
    model = veclab.load(str(tiny_e5), cache=False)
    return {role: model.embed(TEXTS, role=role).array for role in (None, "query", "document")}


def write(path, array, texts=TEXTS):
    table = {"key": range(len(texts)), "emb": list(array), "body": texts}
    pq.write_table(pa.table(table), path)
    return path


@pytest.mark.parametrize("role", [None, "query", "document"])
def test_agreement_writes_the_space(tmp_path, made, tiny_e5, role):
    third = write(tmp_path / "third.parquet", made[role])
    adopted = adopt(third, str(tiny_e5), tmp_path / "out.parquet")
    vectors = veclab.read(tmp_path / "out.parquet")
    np.testing.assert_array_equal(vectors.array, made[role])
    assert vectors.space.same_as(veclab.load(str(tiny_e5)).space)
    assert list(vectors.texts) == TEXTS and vectors.columns["key"].to_pylist()[3] == 3
    assert adopted.agreement.role == role and adopted.agreement.lowest > 0.999
    assert any("adopted from third.parquet" in note for note in vectors.report.notes)


def test_lengths_and_rounding(tmp_path, made, tiny_e5, tiny_bert):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_bert, bare)
    modules = json.loads((bare / "modules.json").read_text())
    kept = [module for module in modules if not module["type"].endswith("Normalize")]
    (bare / "modules.json").write_text(json.dumps(kept))
    raw = veclab.load(str(bare), cache=False, normalize=False).embed(TEXTS).array
    adopt(write(tmp_path / "a.parquet", raw), str(bare), tmp_path / "a2.parquet")
    assert not veclab.read(tmp_path / "a2.parquet").space.normalized
    halves = write(tmp_path / "b.parquet", made[None].astype(np.float16))
    assert adopt(halves, str(tiny_e5), tmp_path / "b2.parquet").space.normalized


def test_what_does_not_agree_is_not_written(tmp_path, made, tiny_e5, tiny_bert):
    out = tmp_path / "out.parquet"
    noise = np.random.default_rng(0).normal(size=made[None].shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    swapped = made[None].copy()
    swapped[:60] = noise[:60]
    for array, reason in [
        (noise, "are not those of"),
        (swapped, "are not those of"),
        (made[None][:, :5], "holds vectors of 5 dimensions|are not those of"),
        (made[None] * np.float32(2), "have other lengths"),
    ]:
        with pytest.raises(InputError, match=reason):
            adopt(write(tmp_path / "t.parquet", array), str(tiny_e5), out)
        assert not out.exists()
    with pytest.raises(InputError, match="records its Space already"):
        veclab.load(str(tiny_bert)).embed(TEXTS).save(tmp_path / "own.parquet")
        adopt(tmp_path / "own.parquet", str(tiny_bert), out)


def test_texts_cut_elsewhere_are_told(tmp_path, tiny_e5):
    texts = [*TEXTS[:60], *(f"{text} " * 4 for text in TEXTS[:60])]
    whole = veclab.load(str(tiny_e5))
    limit = max(whole.count_tokens(TEXTS)) + 1
    assert min(whole.count_tokens(texts[60:])) > limit < whole.max_tokens
    cut = veclab.load(str(tiny_e5), cache=False, max_tokens=limit).embed(texts).array
    third = write(tmp_path / "t.parquet", cut, texts)
    with pytest.raises(InputError, match="--max-tokens"):
        adopt(third, str(tiny_e5), tmp_path / "o.parquet")
    assert adopt(third, str(tiny_e5), tmp_path / "o.parquet", max_tokens=limit)


def test_texts_from_another_file(tmp_path, made, tiny_e5):
    np.save(tmp_path / "v.npy", made[None])
    (tmp_path / "t.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    with pytest.raises(InputError, match="--texts FILE"):
        adopt(tmp_path / "v.npy", str(tiny_e5), tmp_path / "o.parquet")
    adopt(
        tmp_path / "v.npy",
        str(tiny_e5),
        tmp_path / "o.parquet",
        texts=open_source(tmp_path / "t.txt"),
    )
    assert list(veclab.read(tmp_path / "o.parquet").texts) == TEXTS
    (tmp_path / "t.txt").write_text("one\n")
    with pytest.raises(InputError, match=r"120 rows, and .* 1 texts"):
        adopt(
            tmp_path / "v.npy",
            str(tiny_e5),
            tmp_path / "o.parquet",
            texts=open_source(tmp_path / "t.txt"),
        )


def test_rows_without_a_vector_are_left_out_and_said(tmp_path, made, tiny_e5):
    array = made[None].copy()
    array[5] = 0
    third = write(tmp_path / "t.parquet", array)
    adopted = adopt(third, str(tiny_e5), tmp_path / "o.parquet")
    vectors = veclab.read(tmp_path / "o.parquet")
    assert len(vectors) == 119 and adopted.left_out == ("row 6",)
    assert any("left out 1 rows" in note for note in vectors.report.notes)


def test_index_takes_them_over_in_place(tmp_path, made, tiny_e5):
    pytest.importorskip("lance", reason="needs veclab[store]")
    third = write(tmp_path / "third.parquet", made["document"])
    with Store.open(tmp_path / "store", str(tiny_e5), create=True) as store:
        done = index(store, third)
        assert done.passages == 120 and done.report is None
        assert any("embedded again" in note for note in done.notes)
        assert store.search(TEXTS[3], top=1)[0].passage.text == TEXTS[3]
    wrong = write(tmp_path / "wrong.parquet", made["document"][::-1])
    with Store.open(tmp_path / "other", str(tiny_e5), create=True) as store:
        with pytest.raises(InputError, match="--drop with their column"):
            index(store, wrong)
        assert not store.exists
        assert index(store, wrong, reading={"drop": ("emb",), "column": "body"}).report is not None


def test_the_command(tmp_path, made, tiny_e5, capsys):
    from veclab.cli.app import main

    third = write(tmp_path / "third.parquet", made[None])
    for words, code in [
        (["adopt", third, "-m", tiny_e5, "-o", tmp_path / "o.parquet", "-c", "body"], 0),
        (["similar", TEXTS[3], "--to", tmp_path / "o.parquet", "-m", tiny_e5], 0),
        (["adopt", third, "-m", tiny_e5, "-o", tmp_path / "o.parquet", "--id-column", "key"], 2),
    ]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out = capsys.readouterr()
        assert ended.value.code == code, out.err
    assert "--id-column goes with --texts" in out.err
