"""Buckets of S3, Google Cloud Storage and Azure, by obstore (Rust's object_store).

An object is built as a file, checked, and put by one request that makes it whole or not at all, if
nothing of that name is there (`If-None-Match: *`). The streams of pyarrow and s3fs are not used for
writing: leaving them by an exception completes the upload, so that a truncated object appears.
"""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from veclab.cluster.places import AGAIN, AlreadyThere, Entry, StorageFailed, StorageRefused
from veclab.errors import MissingExtra, VeclabError

_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with boto3 installed",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, the path of a service account's key",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
# What object_store falls back to where it finds no credentials: the machine's own.
_METADATA = re.compile(r"169\.254\.169\.254|/latest/api/token|metadata\.google\.internal|fd00:ec2")
_EXPIRED = re.compile(r"Expired ?Token|TokenRefreshRequired|token has expired|InvalidToken", re.I)
_REFUSED = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|AuthorizationFailure|AccountProblem"
    r"|NoSuchBucket|ContainerNotFound|PermanentRedirect|AuthorizationHeaderMalformed"
    r"|QuotaExceeded|InsufficientStorage|EntityTooLarge|XMinioStorageFull|Forbidden|Unauthorized"
)
_SLICE = 8 << 20


class Bucket:
    """A bucket, and what stands before all its names."""

    def __init__(self, address: str) -> None:
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise MissingExtra("cloud", f"reading and writing {address}") from None
        self.address = address.rstrip("/")
        self._scheme = address.partition("://")[0]
        self._obstore = obstore
        options: dict[str, Any] = {"retry_config": _RETRIES, "client_options": _client()}
        if self._scheme == "s3":
            options["config"] = {"checksum_algorithm": "sha256"}  # S3 refuses what arrives broken
            if "AWS_ACCESS_KEY_ID" not in os.environ and find_spec("boto3") is not None:
                options |= _by_boto3()
        try:
            self._store = from_url(self.address, **options)
        except Exception as error:
            raise StorageRefused(f"{self.address} cannot be opened: {_short(str(error))}") from None

    def entries(self) -> list[Entry]:
        """Everything below."""
        with self._told("listed", self.address):
            found = [
                _entry(about)
                for page in self._obstore.list(self._store, chunk_size=1000)
                for about in page
            ]
        return sorted(found, key=lambda entry: entry.name)

    def entry(self, name: str) -> Entry | None:
        """Return what is there under a name."""
        with self._told("read", name):
            try:
                return _entry(self._obstore.head(self._store, name))
            except FileNotFoundError:
                return None

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """Give a copy."""
        with tempfile.TemporaryDirectory(prefix="veclab-") as folder:
            path = Path(folder) / PurePosixPath(name).name
            with self._told("read", name), path.open("wb") as file:
                found = self._obstore.get(self._store, name)
                for piece in found.stream(min_chunk_size=_SLICE):
                    file.write(piece)
            if path.stat().st_size != found.meta["size"]:
                raise StorageFailed(f"{self.address}/{name} came only in part")
            yield path

    def tail(self, entry: Entry, size: int) -> bytes:
        """Return the last bytes."""
        start = max(0, entry.size - size)
        with self._told("read", entry.name):
            part = self._obstore.get_range(
                self._store, entry.name, start=start, length=entry.size - start
            )
            return bytes(part)

    @contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """Give a path among the temporary files."""
        with tempfile.TemporaryDirectory(prefix="veclab-") as folder:
            yield Path(folder) / PurePosixPath(name).name

    def put(self, name: str, built: Path, over: Entry | None) -> Entry:
        """Publish a built file by one request."""
        mode: Any = "create" if over is None else {"e_tag": over.tag}
        exceptions = self._obstore.exceptions
        with (
            built.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            self._told("written", name),
        ):
            try:
                self._obstore.put(self._store, name, content, mode=mode, use_multipart=False)
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                raise AlreadyThere(name) from None
        found = self.entry(name)
        if found is None or found.size != built.stat().st_size:
            raise StorageFailed(f"{self.address}/{name} was written, but it is not there whole")
        return found

    def read(self, name: str) -> bytes | None:
        """Return the content of something small."""
        with self._told("read", name):
            try:
                return bytes(self._obstore.get(self._store, name).bytes())
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write something small over whatever is there."""
        with self._told("written", name):
            self._obstore.put(self._store, name, data, use_multipart=False)

    @contextmanager
    def _told(self, done: str, name: str) -> Iterator[None]:
        """Say in our words what the bucket says; no key is in it."""
        try:
            yield
        except (AlreadyThere, VeclabError):
            raise
        except (self._obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise self._in_words(error, done, name) from error

    def _in_words(self, error: Exception, done: str, name: str) -> VeclabError:
        text, exceptions = str(error), self._obstore.exceptions
        if "400 Bad Request" in text and "<Code>" not in text:  # an answer to HEAD says no more
            text = self._said_by_a_list() or text
        what = name if name == self.address else f"{self.address}/{name}"
        said = f"{what} cannot be {done}"
        if _METADATA.search(text):
            return StorageRefused(
                f"{said}: no credentials were found. Set {_CREDENTIALS[self._scheme]}; {AGAIN}"
            )
        if _EXPIRED.search(text):
            return StorageRefused(f"{said}: the credentials have expired. Renew them; {AGAIN}")
        denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        if isinstance(error, denied) or _REFUSED.search(text):
            return StorageRefused(f"{said}: {_short(text)}. The shards there are whole: {AGAIN}")
        return StorageFailed(f"{said}: {_short(text)}")

    def _said_by_a_list(self) -> str:
        """Return what the bucket says to a harmless question; "" where it answers."""
        try:
            next(iter(self._obstore.list(self._store, chunk_size=1)), None)
        except self._obstore.exceptions.BaseError as error:
            return str(error)
        return ""


def _entry(about: Any) -> Entry:
    return Entry(about["path"], about["size"], about["e_tag"] or str(about["last_modified"]))


def _client() -> Any:
    """Allow plain HTTP on loopback (a test's server); elsewhere the user does: AWS_ALLOW_HTTP."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    here = urlsplit(endpoint).hostname in ("localhost", "127.0.0.1", "::1")
    return {"allow_http": True} if here else {}


def _by_boto3() -> dict[str, Any]:
    """Find credentials as the AWS command line does (profiles, SSO), where there are some."""
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = boto3.Session()
    if session.get_credentials() is None:
        return {}
    found: dict[str, Any] = {"credential_provider": Boto3CredentialProvider(session)}
    return found | ({"region": session.region_name} if session.region_name else {})


def _short(text: str) -> str:
    """Return the code and the sentence of a server's answer, or the first line of an error."""
    code = re.search(r"<Code>([^<]*)</Code>", text)
    message = re.search(r"<Message>([^<]*)</Message>", text)
    if code is not None:
        return code[1] + (f" ({message[1].rstrip('.')})" if message is not None else "")
    status = re.search(r"non-2xx status code: ([^:\n]*)", text)
    return status[1] if status is not None else text.strip().splitlines()[0][:300]
