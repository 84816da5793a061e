"""Shards in a bucket of S3 (moto's server): put whole, once, or not at all; faults are told."""

import re

import pytest

from tests.cluster.conftest import write_shards
from tests.cluster.test_embed_shards import bytes_of
from tests.fakes import FakeProvider
from veclab.cluster.buckets import Bucket
from veclab.cluster.embed_shards import embed_shards
from veclab.cluster.inputs import MANIFEST
from veclab.cluster.places import AlreadyThere, StorageFailed, StorageRefused

pytestmark = pytest.mark.slow


@pytest.fixture
def texts(bucket, tmp_path):
    """The shards, in the bucket too."""
    folder = write_shards(tmp_path / "data")
    for path in folder.iterdir():
        Bucket(f"{bucket}/texts").write(path.name, path.read_bytes())
    return f"{bucket}/texts"


def run(texts, out, **options):
    return embed_shards(str(texts), str(out), model="fake", **options)


def names(place):
    return [entry.name for entry in place.entries()]


def test_the_objects_are_the_files_of_a_folder(texts, bucket, tmp_path, loaded):
    run(tmp_path / "data", tmp_path / "out")
    manifest = run(texts, f"{bucket}/out")
    assert (manifest.done, manifest.failed) == (4, {})
    place = Bucket(f"{bucket}/out")
    assert names(place) == [MANIFEST, *bytes_of(tmp_path / "out")]
    for name, data in bytes_of(tmp_path / "out").items():
        assert place.read(name) == data
    assert run(texts, f"{bucket}/out").again == 4
    assert loaded.providers[-1].embedded == []


def test_globs_and_single_objects(texts, bucket, loaded):
    assert run(f"{texts}/part-[01].jsonl", f"{bucket}/a").done == 2
    assert run(f"{texts}/part-2.jsonl", f"{bucket}/b").done == 1


def test_an_object_is_put_once_and_replaced_only_as_it_was_seen(bucket, tmp_path):
    place, built = Bucket(bucket), tmp_path / "built"
    built.write_bytes(b"one")
    first = place.put("a.parquet", built, None)
    with pytest.raises(AlreadyThere):
        place.put("a.parquet", built, None)
    built.write_bytes(b"two!")
    place.put("a.parquet", built, first)
    with pytest.raises(AlreadyThere):  # it is no longer the one that was seen
        place.put("a.parquet", built, first)
    assert place.read("a.parquet") == b"two!"
    assert place.entry("b.parquet") is None and place.read("b.parquet") is None


def test_a_run_that_fails_in_the_middle_leaves_no_object(texts, bucket, loaded):
    class Failing(FakeProvider):
        def embed_batch(self, batch, role):
            if len(self.batches) == 5:
                raise KeyboardInterrupt
            return super().embed_batch(batch, role)

    loaded.make = Failing
    with pytest.raises(KeyboardInterrupt):
        run(texts, f"{bucket}/out")
    assert names(Bucket(f"{bucket}/out")) == [MANIFEST, "part-0.parquet"]
    loaded.make = FakeProvider
    assert run(texts, f"{bucket}/out").again == 1


class Broken:
    """A server in front of the bucket's, which answers some requests otherwise."""

    def __init__(self, server, behind):
        self.behind, self.server = behind, server
        self.address = f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def broken(s3_server, bucket, monkeypatch):
    """Answers that a bucket gives in trouble: `broken.answer` of (method, path) is one, or None."""
    import http.client
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    host = s3_server.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            size = int(self.headers.get("content-length") or 0)
            answer = front.answer(self.command, self.path)
            if answer == "cut":  # the connection breaks while the object is on its way
                self.rfile.read(size // 2)
                front.cut += 1
                self.connection.close()
                self.close_connection = True
                return
            body = self.rfile.read(size)
            if answer is None:
                there = http.client.HTTPConnection(host)
                there.request(self.command, self.path, body, dict(self.headers))
                found = there.getresponse()
                status, data, headers = found.status, found.read(), found.getheaders()
                there.close()
            else:
                status, code = answer
                data = f"<Error><Code>{code}</Code><Message>It is so</Message></Error>".encode()
                headers = [("content-type", "application/xml")]
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            length = dict(headers).get("Content-Length") if self.command == "HEAD" else len(data)
            self.send_header("content-length", str(length or 0))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front = Broken(server, s3_server)
    front.answer, front.cut = lambda method, path: None, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", front.address)
    yield front
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, "AccessDenied"), "AccessDenied"),
        ((400, "ExpiredToken"), "the credentials have expired"),
        ((403, "InvalidAccessKeyId"), "InvalidAccessKeyId"),
        ((507, "InsufficientStorage"), "InsufficientStorage"),
        ((404, "NoSuchBucket"), "NoSuchBucket"),
    ],
)
def test_a_bucket_that_refuses_what_is_put_is_found_out_before_the_work(
    texts, bucket, loaded, broken, answer, said
):
    """Read-only, full, or the credentials ran out."""
    broken.answer = lambda method, path: answer if method == "PUT" else None
    with pytest.raises(StorageRefused, match=said) as caught:
        run(texts, f"{bucket}/out")
    assert "secret-of-the-tester" not in str(caught.value)
    assert loaded.providers[-1].embedded == []


def test_credentials_that_expire_stop_the_run_which_goes_on_with_new_ones(
    texts, bucket, loaded, broken
):
    late = []

    def answer(method, path):
        if "/out/part-2" in path:
            late.append(path)
        return (400, "ExpiredToken") if late else None

    broken.answer = answer
    with pytest.raises(StorageRefused, match=r"expired\. Renew them; .* the same command goes on"):
        run(texts, f"{bucket}/out")
    broken.answer = lambda method, path: None
    assert names(Bucket(f"{bucket}/out")) == [MANIFEST, "part-0.parquet", "part-1.parquet"]
    assert run(texts, f"{bucket}/out").again == 2


def test_a_connection_that_breaks_in_mid_write_is_tried_again(texts, bucket, loaded, broken):
    def answer(method, path):
        once = method == "PUT" and "part-1" in path and broken.cut < 2
        return "cut" if once else None

    broken.answer = answer
    assert run(texts, f"{bucket}/out").done == 4
    assert broken.cut == 2


def test_an_object_that_cannot_be_written_is_set_aside(texts, bucket, loaded, broken):
    broken.answer = lambda method, path: (
        (400, "Gremlins") if method == "PUT" and "part-1" in path else None
    )
    manifest = run(texts, f"{bucket}/out")
    assert re.search(r"cannot be written: Gremlins", manifest.failed["part-1.jsonl"])
    assert names(Bucket(f"{bucket}/out")) == [
        *(MANIFEST, "part-0.parquet", "part-2.parquet", "part-3.parquet"),
    ]
    broken.answer = lambda method, path: None
    assert run(texts, f"{bucket}/out").again == 3


def test_an_object_that_vanishes_is_set_aside(texts, bucket, loaded, broken):
    broken.answer = lambda method, path: (
        (404, "NoSuchKey") if method == "GET" and "part-3.jsonl" in path else None
    )
    manifest = run(texts, f"{bucket}/out")
    assert "cannot be read: NoSuchKey" in manifest.failed["part-3.jsonl"]


def test_no_credentials(texts, bucket, loaded, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    # The machine's own, which object_store asks for in the end: nobody is there.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises((StorageRefused, StorageFailed), match="no credentials were found"):
        run(texts, f"{bucket}/out")


def test_a_bucket_that_is_not_there(bucket, loaded, tmp_path):
    write_shards(tmp_path / "data", shards=1)
    with pytest.raises(StorageRefused, match="NoSuchBucket"):
        run(tmp_path / "data", "s3://nowhere/out")
