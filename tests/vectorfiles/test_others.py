"""Vectors that other tools wrote, in real files and stores of theirs."""

import json
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import veclab
from tests.qdrant_server import QdrantServer
from veclab import InputError, audit, read
from veclab.cli.app import app
from veclab.vectorfiles.foreign import foreign_vectors
from veclab.vectorfiles.source import open_own, open_vectors

N, DIM = 2500, 24  # more than one run of rows
VECTORS = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
TEXTS = [f"text {n}" for n in range(N)]
IDS = [f"k{n}" for n in range(N)]


def check(source, *, ids=IDS, texts=TEXTS, atol=0.0):
    """All that a source gives is what was put in, in one order."""
    array = np.concatenate([block.array for block in source.blocks()])
    names = source.names(list(range(N)))
    order = [ids.index(name) for name in names]
    np.testing.assert_allclose(array, VECTORS[order], atol=atol)
    assert sorted(order) == list(range(N)) and source.about.dimensions == DIM
    assert source.about.has_texts == (texts is not None)
    whole = list(source.rows(True))
    np.testing.assert_array_equal(np.concatenate([part.array for part in whole]), array)
    assert [name for part in whole for name in part.ids] == names
    if texts is not None:
        told = [texts[row] for row in order]
        assert source.texts([7, 2100, 3]) == [told[7], told[2100], told[3]]
        assert [t for part in source.all_texts() for t in part] == told
        assert [t for part in whole for t in part.texts] == told
    return [part.more for part in whole]


ROWS = [f"row {n + 1}" for n in range(N)]


class TestFiles:
    @pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "F64"])
    def test_safetensors(self, tmp_path, kind):
        torch = pytest.importorskip("torch", reason="writes bfloat16")
        from safetensors.torch import save_file

        types = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
        tensor = torch.tensor(VECTORS).to(getattr(torch, types[kind]))
        save_file({"emb": tensor, "scale": torch.ones(3)}, tmp_path / "v.safetensors")
        source = open_vectors(tmp_path / "v.safetensors")
        assert source.about.dtype == kind and source.about.column == "emb"
        tolerance = {"F32": 0, "F64": 0, "F16": 0.01, "BF16": 0.05}[kind]
        check(source, ids=ROWS, texts=None, atol=tolerance)
        assert audit(tmp_path / "v.safetensors")["norms"].figures["min"] > 0

    def test_damaged_safetensors(self, tmp_path):
        from safetensors.numpy import save_file

        save_file({"emb": VECTORS}, tmp_path / "v.safetensors")
        data = (tmp_path / "v.safetensors").read_bytes()
        for cut in (4, 60, len(data) // 2):
            (tmp_path / "v.safetensors").write_bytes(data[:cut])
            with pytest.raises(InputError, match=r"v\.safetensors is damaged"):
                open_vectors(tmp_path / "v.safetensors")

    def columns(self):
        flat = pa.array(VECTORS.reshape(-1))
        fixed = pa.FixedSizeListArray.from_arrays(flat, DIM)
        tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [DIM]), fixed)
        return {
            "list": fixed.cast(pa.list_(pa.float32())),
            "fixed": fixed,
            "tensor": tensor,
            "inside": pa.StructArray.from_arrays([fixed, pa.array(IDS)], ["values", "model"]),
            "fields": pa.StructArray.from_arrays(
                [pa.array(column) for column in VECTORS.T], [f"d{n}" for n in range(DIM)]
            ),
        }

    @pytest.mark.parametrize("kind", ["list", "fixed", "tensor", "inside", "fields"])
    @pytest.mark.parametrize("suffix", ["parquet", "arrow"])
    def test_columns_of_every_kind(self, tmp_path, kind, suffix):
        table = pa.table({"id": IDS, "emb": self.columns()[kind], "text": TEXTS, "n": range(N)})
        path = tmp_path / f"v.{suffix}"
        if suffix == "parquet":
            pq.write_table(table, path, row_group_size=900)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=900)
        source = open_vectors(path)
        assert source.about.column == ("emb.values" if kind == "inside" else "emb")
        more = check(source)
        assert more[0].column_names == ["n"]
        assert "in the column" in foreign_vectors(path)

    def test_a_tensor_of_two_dimensions_is_no_vector(self, tmp_path):
        flat = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), DIM)
        kind = pa.fixed_shape_tensor(pa.float32(), [DIM // 2, 2])
        pq.write_table(
            pa.table({"e": pa.ExtensionArray.from_storage(kind, flat)}), tmp_path / "v.parquet"
        )
        with pytest.raises(InputError, match="no column of vectors"):
            open_vectors(tmp_path / "v.parquet")


class TestSeenAsSuch:
    @pytest.fixture(params=["parquet", "npy", "npz", "safetensors", "arrow"])
    def third(self, request, tmp_path):
        path = tmp_path / f"third.{request.param}"
        fixed = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), DIM)
        table = pa.table({"emb": fixed, "text": TEXTS})
        if request.param == "parquet":
            pq.write_table(table, path)
        elif request.param == "arrow":
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        elif request.param == "npy":
            np.save(path, VECTORS)
        elif request.param == "npz":
            np.savez(path, emb=VECTORS, labels=np.array([{}] * N))
        else:
            from safetensors.numpy import save_file

            save_file({"emb": VECTORS}, path)
        return path

    @pytest.mark.parametrize("opened", [read, open_own])
    def test_in_python(self, third, opened):
        with pytest.raises(InputError, match=r"holds vectors.*veclab adopt"):
            opened(third)

    @pytest.mark.parametrize(
        "words",
        [
            ["similar", "--within", "{}"],
            ["similar", "a question", "--to", "{}"],
            ["map", "{}", "-o", "map.html"],
            ["inspect", "{}"],
            ["picture", "heatmap", "{}", "-o", "x.png"],
        ],
    )
    def test_by_every_command(self, third, words, capsys, monkeypatch, tmp_path):
        from veclab.cli.app import main

        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main([word.format(third) for word in words])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert "does not record their model" in said and "veclab adopt" in said

    def test_a_note_where_the_texts_are_asked_for(self, third):
        from veclab.corpus import open_source

        if third.suffix in (".parquet", ".arrow"):
            assert any("'emb' holds vectors" in note for note in open_source(third).notes)
        else:
            with pytest.raises(InputError, match="holds vectors, not texts"):
                open_source(third)

    def test_what_is_none(self, tmp_path):
        table = pa.table({"text": ["a"], "scores": [[0.1, 0.2]], "tokens": [list(range(99))]})
        pq.write_table(table, tmp_path / "a.parquet")
        (tmp_path / "a.txt").write_text("text\n")
        assert foreign_vectors(tmp_path / "a.parquet") is None
        assert foreign_vectors(tmp_path / "a.txt") is None
        with pytest.raises(InputError):
            open_own(tmp_path / "a.txt")


class TestFaiss:
    faiss = staticmethod(lambda: pytest.importorskip("faiss", reason="needs veclab[faiss]"))

    @pytest.mark.parametrize("kind", ["Flat", "IDMap,Flat", "IVF4,Flat", "HNSW8,Flat", "SQ8"])
    def test_indexes(self, tmp_path, kind):
        faiss = self.faiss()
        index = faiss.index_factory(DIM, kind)
        index.train(VECTORS)
        if kind.startswith("IDMap"):
            index.add_with_ids(VECTORS, np.arange(N) + 100)
        else:
            index.add(VECTORS)
        faiss.write_index(index, str(tmp_path / "i.faiss"))
        source = open_vectors(tmp_path / "i.faiss")
        ids = [str(n + 100) for n in range(N)] if kind.startswith("IDMap") else ROWS
        check(source, ids=ids, texts=None, atol=0.05 if kind == "SQ8" else 0)
        assert ("approximated" in source.about.dtype) == (kind == "SQ8")

    def test_langchains_folder_and_damage(self, tmp_path):
        faiss = self.faiss()
        index = faiss.IndexFlatIP(DIM)
        index.add(VECTORS)
        faiss.write_index(index, str(tmp_path / "index.faiss"))
        check(open_vectors(tmp_path), ids=ROWS, texts=None)
        (tmp_path / "b.faiss").write_bytes((tmp_path / "index.faiss").read_bytes()[:200])
        with pytest.raises(InputError, match="damaged or no FAISS"):
            open_vectors(tmp_path / "b.faiss")


def test_chroma(tmp_path):
    chromadb = pytest.importorskip("chromadb", reason="needs veclab[chroma]")
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(tmp_path / "db"), Settings(anonymized_telemetry=False))
    made = client.create_collection("mails", embedding_function=None)
    for start in range(0, N, 500):
        part = slice(start, start + 500)
        made.add(
            ids=IDS[part],
            embeddings=VECTORS[part],
            documents=TEXTS[part],
            metadatas=[{"n": n} for n in range(N)[part]],
        )
    more = check(open_vectors(tmp_path / "db"))
    assert json.loads(more[0][5]) == {"n": 5}
    assert "Chroma" in foreign_vectors(tmp_path / "db")
    client.create_collection("other", embedding_function=None)
    with pytest.raises(InputError, match="several collections: mails, other"):
        open_vectors(tmp_path / "db")
    assert open_vectors(f"{tmp_path}/db#mails").about.rows == N
    with pytest.raises(InputError, match="no collection 'nothing'"):
        open_vectors(f"{tmp_path}/db#nothing")


@pytest.mark.parametrize("named", [False, True])
def test_qdrant(tmp_path, named):
    qdrant = pytest.importorskip("qdrant_client", reason="needs veclab[qdrant]")
    from qdrant_client import models

    client = qdrant.QdrantClient(path=str(tmp_path / "q"))
    params = models.VectorParams(size=DIM, distance=models.Distance.DOT)
    client.create_collection("mails", vectors_config={"dense": params} if named else params)
    points = [
        models.PointStruct(
            id=n,
            vector={"dense": VECTORS[n].tolist()} if named else VECTORS[n].tolist(),
            payload={"text": TEXTS[n], "n": n},
        )
        for n in range(N)
    ]
    client.upsert("mails", points)
    with QdrantServer(client) as server:
        more = check(open_vectors(server.address), ids=[str(n) for n in range(N)])
        assert json.loads(more[0][5]) == {"n": 5}
        assert audit(server.address)["norms"].figures["min"] > 0
        assert open_vectors(f"{server.address}#mails").about.name.endswith(f":{server.port}#mails")
        with pytest.raises(InputError, match="no collection 'nothing'"):
            open_vectors(f"{server.address}#nothing")
    with pytest.raises(InputError, match=r"cannot be read as Qdrant"):
        open_vectors(server.address)  # it is gone
    client.close()
    more = check(open_vectors(tmp_path / "q"), ids=[str(n) for n in range(N)])
    assert json.loads(more[0][5]) == {"n": 5}


def test_vectors_on_a_qdrant_server_are_adopted(tmp_path, tiny_bert):
    qdrant = pytest.importorskip("qdrant_client", reason="needs veclab[qdrant]")
    from qdrant_client import models

    made = veclab.load(str(tiny_bert)).embed([f"the cat number {n}" for n in range(40)])
    client = qdrant.QdrantClient(":memory:")
    params = models.VectorParams(size=made.dimensions, distance=models.Distance.COSINE)
    client.create_collection("cats", vectors_config=params)
    points = [
        models.PointStruct(id=n, vector=row.embedding.tolist(), payload={"text": row.text})
        for n, row in enumerate(made)
    ]
    client.upsert("cats", points)
    with QdrantServer(client) as server:
        words = ["adopt", server.address, "-m", str(tiny_bert), "-o", str(tmp_path / "v.parquet")]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert all(ask.startswith(("GET /collections", "POST")) for ask in server.asked)
        assert not [
            ask
            for ask in server.asked
            if not ask.endswith(("collections", "cats", "count", "scroll"))
        ]
    adopted = read(tmp_path / "v.parquet")
    assert adopted.space == made.space and len(adopted) == 40


@pytest.mark.parametrize(
    "where", ["qdrant://me:sesame@127.0.0.1:1", "qdrant://sesame@127.0.0.1:1#a"]
)
def test_no_password_of_a_qdrant_address_is_told_or_kept(where):
    pytest.importorskip("qdrant_client", reason="needs veclab[qdrant]")
    with pytest.raises(InputError, match="without a name or password") as caught:
        open_vectors(where)
    assert "sesame" not in str(caught.value)


def test_a_qdrant_server_that_wants_a_key_is_told(tmp_path):
    qdrant = pytest.importorskip("qdrant_client", reason="needs veclab[qdrant]")
    with (
        QdrantServer(qdrant.QdrantClient(":memory:"), key="k") as server,
        pytest.raises(InputError, match="wants an API key, which veclab does not send"),
    ):
        open_vectors(server.address)


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_pgvector(postgres, kind):
    import psycopg

    table = "t" + uuid.uuid4().hex
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(
            f'CREATE TABLE {table} (id text PRIMARY KEY, body text, "Emb" {kind}({DIM}))'
        )
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in zip(IDS, TEXTS, map(json.dumps, VECTORS.tolist()), strict=True):
                copy.write_row(row)
        try:
            source = open_vectors(f"{postgres}#{table}")
            assert source.about.dtype == kind and source.about.column == "Emb"
            check(source, atol=0.005 if kind == "halfvec" else 0)
            with pytest.raises(InputError, match="no table 'nothing'"):
                open_vectors(f"{postgres}#nothing")
        finally:
            connection.execute(f"DROP TABLE {table}")
