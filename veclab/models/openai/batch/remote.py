"""Files and batches at the other end, each made once.

Two calls make something: an upload and the creation of a batch. When an answer to one of them is
lost, it is unknown whether it got through. So they are never simply sent again: first the list
is read, where a file is known by its name and a batch by its metadata.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from veclab.errors import BadVectors, ProviderError
from veclab.models.openai.client import open_client
from veclab.models.openai.endpoint import Access

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

T = TypeVar("T")

ATTEMPTS = 6
# The first pause between them; each is twice the one before.
PAUSE_S = 0.5
# The clocks of the two ends may differ by so much.
CLOCK_S = 3600


class Refusal(ProviderError):
    """The other end says no: asking for the same again would not help."""


class Remote:
    """OpenAI's files and batches, for one job.

    Every method raises ProviderError when the other end cannot be reached or is in trouble for
    longer than some tries take, and Refusal when it says no.

    Args:
        access: endpoint and key.
        job: 32 hex digits that tell this job's files and batches from all others.
        created: when the job was made, seconds since the epoch; nothing of it is older.
    """

    def __init__(self, access: Access, job: str, created: float) -> None:
        self._making: openai.OpenAI = open_client("OpenAI", access, 600.0, "the Batch API")
        self._reading: openai.OpenAI = self._making.with_options(max_retries=ATTEMPTS)
        self._access = access
        self.url = access.url
        self.job = job
        self.created = created

    def file_name(self, part: str, sha256: str) -> str:
        """Return what a request file is called at the endpoint."""
        return f"veclab-{self.job}-{part}-{sha256[:16]}.jsonl"

    def upload(self, path: Path, part: str, sha256: str) -> str:
        """Upload a request file; returns its id."""
        name = self.file_name(part, sha256)

        def make() -> str:
            with path.open("rb") as file:
                return self._making.files.create(file=(name, file), purpose="batch").id

        with self._plainly():
            return _once(make, lambda: self.find_file(part, sha256))

    def find_file(self, part: str, sha256: str) -> str | None:
        """Find the id of a request file that was uploaded before, None if there is none."""
        name = self.file_name(part, sha256)
        with self._plainly():
            for file in self._reading.files.list(purpose="batch", order="desc", limit=1000):
                if file.filename == name:
                    return file.id
                if file.created_at < self.created - CLOCK_S:
                    break
        return None

    def create(self, file_id: str, part: str, attempt: int) -> Batch:
        """Create the batch of a request file."""
        names = {"veclab_job": self.job, "veclab_part": part, "veclab_try": str(attempt)}

        def make() -> Batch:
            return self._making.batches.create(
                input_file_id=file_id,
                endpoint="/v1/embeddings",
                completion_window="24h",
                metadata=names,
            )

        with self._plainly():
            return _once(make, lambda: self.find(part, attempt))

    def find(self, part: str, attempt: int) -> Batch | None:
        """Find the batch that was created for a part before, None if there is none."""
        return next((b for b in self.batches() if labels(b) == (part, attempt)), None)

    def batches(self) -> Iterator[Batch]:
        """Yield all batches of this job, newest first."""
        with self._plainly():
            for batch in self._reading.batches.list(limit=100):
                if batch.created_at < self.created - CLOCK_S:
                    break
                if (batch.metadata or {}).get("veclab_job") == self.job:
                    yield batch

    def batch(self, batch_id: str) -> Batch:
        """Return a batch as it is now."""
        with self._plainly():
            return self._reading.batches.retrieve(batch_id)

    def cancel(self, batch_id: str) -> None:
        """Stop a batch."""
        with self._plainly():
            self._reading.batches.cancel(batch_id)

    def download(self, file_id: str, path: Path) -> None:
        """Write a whole file to `path`.

        Raises:
            BadVectors: what came was shorter or longer than the file, several times.
        """
        with self._plainly():
            expected = self._reading.files.retrieve(file_id).bytes
        came = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                _pause(attempt)
            try:
                content = self._reading.files.with_streaming_response.content
                with self._plainly(), content(file_id) as answer:
                    answer.stream_to_file(path)
            except Exception as error:
                # A connection that breaks in the middle shows as the HTTP library's own error.
                if not type(error).__module__.startswith("httpx"):
                    raise
                came = f"broke off ({error})"
                continue
            size = path.stat().st_size
            if size == expected:
                return
            came = f"came with {size:,} bytes instead of {expected:,}"
        raise BadVectors(
            f"file {file_id} {came}, {ATTEMPTS} times; nothing of it was used: fetch again later"
        )

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Say in one line, without the key, what the client raises."""
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            body = error.body if isinstance(error.body, dict) else {}
            said = str(body.get("message") or error.message)
            text = f"{self._access.url}: {error.status_code} {self._access.hide(said):.300}"
            if error.status_code == 401 and self._access.source:
                text += f" (the key comes from {self._access.source})"
            if error.status_code == 404 and not body.get("message"):
                text += " (has this endpoint a Batch API?)"
            raise (ProviderError if _passing(error) else Refusal)(text) from None
        except openai.APIError as error:
            cause = error.__cause__ or error
            raise ProviderError(
                f"{self._access.url} could not be reached: {self._access.hide(str(cause))}. The "
                "progress so far is saved: run the same command again"
            ) from None


def labels(batch: Batch) -> tuple[str, int]:
    """Return (part, attempt) of one of our batches."""
    metadata = batch.metadata or {}
    attempt = metadata.get("veclab_try", "")
    return metadata.get("veclab_part", ""), int(attempt) if attempt.isdigit() else 0


def _once(make: Callable[[], T], find: Callable[[], T | None]) -> T:
    """Call `make` until it answers; after a failure that tells nothing, look before trying again.

    What cannot get better (a wrong key, a file that is refused) is raised at once.
    """
    import openai

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return make()
        except openai.APIError as error:
            if not _passing(error) or attempt == ATTEMPTS:
                raise
            _pause(attempt, error)
        if (found := find()) is not None:
            return found
    raise AssertionError("the loop returns or raises")


def _passing(error: openai.APIError) -> bool:
    """Return whether a later try may go well: time-outs, broken connections, 408, 409, 429, 5xx."""
    import openai

    if isinstance(error, openai.APIStatusError):
        if error.code == "insufficient_quota":  # comes as a 429, and stays until somebody pays
            return False
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def _pause(attempt: int, error: Exception | None = None) -> None:
    # Half of it is chance, so that several clients do not come back together.
    pause = min(30.0, PAUSE_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
    headers = getattr(getattr(error, "response", None), "headers", {})
    asked = headers.get("retry-after", "")
    time.sleep(max(pause, min(60.0, float(asked))) if asked.isdigit() else pause)
