"""Inputs at an address: http://, https://, and hf:// for files of data sets on Hugging Face."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from veclab.errors import InputError

if TYPE_CHECKING:
    from http.client import HTTPResponse

_WEB = ("http://", "https://")
_ELSEWHERE = ("s3://", "gs://", "gcs://", "az://", "abfs://", "ftp://", "file://")
_HUB = "https://huggingface.co"
_SECONDS = 60.0  # without a single byte
_HF = re.compile(r"hf://datasets/(?P<name>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?/(?P<path>.+)")
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


def is_remote(name: str) -> bool:
    """Return whether a name is an address; raises InputError for one that is not fetched."""
    if name.lower().startswith(_ELSEWHERE):
        raise InputError(
            f"{name}: http://, https:// and hf:// are read; download it with the tool of its "
            "service, and name the file"
        )
    return name.lower().startswith((*_WEB, "hf://"))


def public(name: str) -> str:
    """Return an address without what may be a secret: a password, a signature."""
    parts = urlsplit(name)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def expanded(name: str) -> list[str]:
    """Return the files that a pattern on Hugging Face stands for, sorted; any other name alone."""
    if not name.startswith("hf://") or not glob.has_magic(name):
        return [name]
    found, endpoint = _parts(name), _endpoint()
    revision = found["revision"] or "main"
    page = f"{endpoint}/api/datasets/{found['name']}/tree/{quote(revision, safe='')}?recursive=true"
    names: list[str] = []
    while page:
        with _asked(page, name) as answer:
            listed = json.loads(answer.read())
            link = _NEXT.search(answer.headers.get("Link") or "")
        names += [one["path"] for one in listed if one.get("type") == "file"]
        page = link[1] if link else ""
    at = name[: -len(found["path"])]
    fitting = sorted(n for n in names if fnmatch.fnmatchcase(n, found["path"]))
    if not fitting:
        raise InputError(f"no file of the data set matches {name}; it has {len(names):,} files")
    return [at + one for one in fitting]


@contextmanager
def opened(name: str) -> Iterator[tuple[BinaryIO, str]]:
    """Open an address for `with`: its bytes, and what the file is called there.

    Raises:
        InputError: it cannot be reached, the server refuses, or sends less than it promised.
    """
    url = name
    if name.startswith("hf://"):
        found = _parts(name)
        revision = quote(found["revision"] or "main", safe="")
        url = f"{_endpoint()}/datasets/{found['name']}/resolve/{revision}/{quote(found['path'])}"
    with _asked(url, name) as answer:
        called = answer.headers.get_filename() or unquote(PurePosixPath(urlsplit(url).path).name)
        yield cast(BinaryIO, _Whole(answer, public(name))), called


class _Whole:
    """The bytes of an answer, which must be as many as its header says."""

    def __init__(self, answer: HTTPResponse, name: str) -> None:
        self._answer, self._name, self._read = answer, name, 0
        length = answer.headers.get("Content-Length")
        self._promised = int(length) if length and length.isdigit() else None

    def read(self, size: int = -1) -> bytes:
        """Read on; raises InputError at the end where something is missing."""
        from http.client import HTTPException

        try:
            data = self._answer.read(size)
        except (HTTPException, OSError) as error:
            raise self._cut(str(error) or type(error).__name__) from error
        self._read += len(data)
        if not data and self._promised is not None and self._read < self._promised:
            raise self._cut("the connection was closed")
        return data

    def _cut(self, why: str) -> InputError:
        whole = "" if self._promised is None else f" of {self._promised:,}"
        return InputError(f"{self._name}: {self._read:,}{whole} bytes arrived: {why}; try again")


def _parts(name: str) -> dict[str, str]:
    match = _HF.fullmatch(name)
    if match is None:
        raise InputError(
            f"{name}: name the file in the data set: hf://datasets/OWNER/NAME/PATH, where PATH may "
            "be a pattern such as data/*.parquet"
        )
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise InputError(f"{name} is not fetched, because HF_HUB_OFFLINE is set")
    return match.groupdict()


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")


@contextmanager
def _asked(url: str, name: str) -> Iterator[HTTPResponse]:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "veclab"})
    token = os.environ.get("HF_TOKEN")
    if token and name.startswith("hf://"):
        # Not sent on to where the hub redirects to.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    shown = public(name)
    try:
        with urlopen(request, timeout=_SECONDS) as answer:
            yield answer
    except HTTPError as error:
        way = {
            401: "; is it private? HF_TOKEN holds the key for hf://",
            403: "; is it private? HF_TOKEN holds the key for hf://",
            404: "; is the name right?",
        }.get(error.code, "")
        raise InputError(f"{shown}: the server says {error.code} {error.reason}{way}") from None
    except (URLError, TimeoutError, HTTPException) as error:
        raise InputError(f"{shown} cannot be reached: {getattr(error, 'reason', error)}") from None
    except ValueError as error:
        raise InputError(f"{shown}: {error}") from None
