"""Models of OpenAI and of every OpenAI-compatible endpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from veclab.errors import BadVectors, ProviderError, SpaceMismatch
from veclab.models.openai.canary import CANARY, Canary
from veclab.models.openai.endpoint import Facts, find_access, recall, remember
from veclab.models.openai.failures import TRIES_FAULT, Tally
from veclab.models.openai.known import KNOWN, asked_dimensions, limits_of
from veclab.models.openai.prices import find_price
from veclab.models.openai.refusals import TooMuch
from veclab.models.openai.requests import PROBE, Requests
from veclab.models.openai.responses import Fault
from veclab.models.openai.served_space import ServedSpace
from veclab.models.openai.token_counts import Counter, EstimatingCounter, ExactCounter
from veclab.provider import (
    BatchResult,
    EmbeddingProvider,
    OtherModel,
    Refused,
    TokenizedText,
    truncated_length,
)
from veclab.space import Role, Space

# Requests on their way at once, at most; `Flow` finds out how many the server bears.
CONCURRENCY = 16


class OpenAIModel(EmbeddingProvider):
    """A provider for `POST /embeddings`.

    Nothing is sent before the first batch, unless an unknown model's dimensions must be asked.
    """

    precision = "api"
    provider = "openai"
    prompts: tuple[tuple[str, str], ...] = ()
    # Whether the canary goes in requests of its own, and not with the first texts.
    canary_apart = False

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        base_url: str | None = None,
        max_tokens: int | None = None,
        timeout: float = 120.0,
        concurrency: int = CONCURRENCY,
    ) -> None:
        """See `veclab.load`.

        Args:
            model: its name at the endpoint.
            dimensions: ask for shorter vectors.
            base_url: of the endpoint; None for OPENAI_BASE_URL, else OpenAI's.
            max_tokens: read fewer tokens than the model could.
            timeout: seconds for one request, all in all.
            concurrency: most requests on their way at once.

        Raises:
            InputError: the model has no such dimensions, or the URL cannot be used.
            MissingExtra: the extra `openai` is not installed.
        """
        self.model = model
        self.access = find_access(base_url)
        self.known = KNOWN.get(model)
        self.asked_dimensions = asked_dimensions(model, self.known, dimensions)
        self.counter: Counter = (
            EstimatingCounter() if self.known is None else ExactCounter(self.known.encoding)
        )
        self.tokenizer_digest = self.counter.digest
        self.price = find_price(model, self.access.endpoint)
        self.limits = limits_of(self.known, max_tokens, concurrency, self.price)
        self.canary = Canary(self.access.url, model)
        self.requests = Requests(self.access, self.request, most=concurrency, timeout=timeout)
        self.requests.on_limit = self._shrink
        self.served = ServedSpace(self.access.url, model, self.asked_dimensions)
        self.requests.on_space = self.served.met
        self.notes = self._notes()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model} at {self.access.url}>"

    def _shrink(self, most: TooMuch) -> None:
        """Hold less in one request from now on, as the server said."""
        self.limits = replace(
            self.limits,
            batch_texts=min(self.limits.batch_texts, most.texts or self.limits.batch_texts),
            batch_tokens=min(self.limits.batch_tokens, most.tokens or self.limits.batch_tokens),
        )

    def _notes(self) -> list[str]:
        age = "" if self.price is None else self.price.note
        notes = [note for note in (self.access.note, age) if note]
        if self.known is None:
            notes.append(
                f"the tokenizer of {self.model} is not known here: token counts are estimates "
                "(one for two bytes), and texts over the limit may be truncated or refused "
                "by the endpoint"
            )
        if self.access.url.startswith("http://") and not _is_local(self.access.url):
            notes.append(
                f"{self.access.url} is not encrypted: texts and key are readable on the way"
            )
        return notes

    @property
    def known_dimensions(self) -> int | None:
        """Length of its vectors as far as it is known without asking."""
        if self.asked_dimensions is not None:
            return self.asked_dimensions
        if self.known is not None:
            return self.known.dimensions
        return recall(self.access.url, self.model, None).dimensions

    @property
    def facts(self) -> Facts:
        """What the endpoint told about the model and the account, in this run or an earlier one."""
        return recall(self.access.url, self.model, self.asked_dimensions)

    def stand_in(self) -> OpenAIModel:
        """Return the same model with made-up dimensions, for counting without embedding."""
        other = copy.copy(self)
        other.canary = Canary(self.access.url, self.model)
        other.space = Space(self.provider, self.model, 1, endpoint=self.access.endpoint)
        return other

    @cached_property
    def space(self) -> Space:  # type: ignore[override]  # it can be set all the same
        """What its vectors may be compared with; asks once for an unknown model's dimensions."""
        size = self.known_dimensions
        if size is None:
            size = self.requests.run(self._probe())
        remember(self.access.url, self.model, self.asked_dimensions, dimensions=size)
        self.canary.begin(size)
        return Space(
            configuration=self.served.settle(),
            provider=self.provider,
            model=self.model,
            dimensions=size,
            prompts=self.prompts,
            endpoint=self.access.endpoint,
            **self.canary.facts,
        )

    def begin(self) -> None:
        """Begin a run: its first batch finds out whether it is still the same model."""
        self.canary.begin(self.space.dimensions)
        self.space = replace(self.space, **self.canary.facts)

    def look(self) -> None:
        """Find out, in a request of its own, whether it is still the same model.

        Raises:
            SpaceMismatch: it is another one, which is remembered; a new run goes on with it.
            BadVectors, ProviderError, ModelUnavailable: see `embed_batch`.
        """
        self.begin()
        self.requests.run(self._canary_alone(self.space.dimensions))

    @property
    def first_tokens(self) -> int:
        """Tokens of the canary's texts."""
        return sum(self.counter.count(self.canary.texts))

    @property
    def unchecked(self) -> str:
        """Say that a run which asked nothing does not know whether it is the same model."""
        return self.canary.unchecked

    def pop_warnings(self) -> list[str]:
        """Return why the model could not be checked for a change."""
        note, self.canary.note = self.canary.note, ""
        return [note] if note else []

    def reads_role(self, role: Role | None) -> bool:
        """Return False: roles have no prompts here."""
        return False

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Count tokens; roles have no prompts here."""
        counts = self.counter.count(texts)
        return [TokenizedText(text, count) for text, count in zip(texts, counts, strict=True)]

    def text_of(self, tokenized: TokenizedText) -> str:
        """Return what is sent for a text: itself, truncated at the limit."""
        limit = self.limits.max_tokens
        long = limit is not None and tokenized.tokens > limit
        return self.counter.cut(tokenized.text, limit or 0) if long else tokenized.text

    @property
    def request(self) -> dict[str, Any]:
        """The body of every request, without `input`."""
        body: dict[str, Any] = {"model": self.model, "encoding_format": "base64"}
        if self.asked_dimensions is not None:
            body["dimensions"] = self.asked_dimensions
        return body

    def requests_for(self, role: Role | None) -> Requests:
        """Return what sends texts in a role; roles are all one here."""
        return self.requests

    def embed_batch(self, batch: Sequence[TokenizedText], role: Role | None) -> BatchResult:
        """Send one request, repeated while that may help.

        Raises:
            Refused: the server does not take one of the texts.
            ProviderError: it refuses for good, or failed once too often.
            BadVectors: its answers cannot be used.
            SpaceMismatch: its vectors have another length than before.
            OtherModel: another model answers now; it has the vectors of that one.
            ModelUnavailable: there is no key.
        """
        texts = [self.text_of(one) for one in batch]
        counts = [truncated_length(one.tokens, self.limits.max_tokens) for one in batch]
        dim, asked = self.space.dimensions, self.requests_for(role)
        if not self.canary.wait():
            before = replace(self.space, **self.canary.facts)
            made = asked.run(self._embed(asked, texts, counts, dim))
            if self.canary.settled() != before.generation:  # another run has found it meanwhile
                made = asked.run(self._attribute(asked, texts, counts, made, before))
            return replace(made, space=before) if made.space is None else made
        try:
            if self.canary_apart:
                spent = self.requests.run(self._canary_alone(dim))
                try:
                    made = _added(asked.run(self._embed(asked, texts, counts, dim)), spent)
                except Refused as refused:
                    raise _refused_after(spent, refused) from None
            else:
                made = asked.run(self._embed_first(texts, counts, dim))
            return self._of_now(made)
        finally:
            self.canary.done()
            self.space = replace(self.space, **self.canary.facts)

    def stop(self) -> None:
        """Let batches that wait for their turn fail; those on their way are answered as usual."""
        self.canary.stop()
        self.requests.stop()

    async def _embed_first(self, texts: list[str], counts: list[int], dim: int) -> BatchResult:
        """Embed the first batch of a run, with the canary in the same request.

        An endpoint that takes fewer texts at once than that is asked for the two one by one.
        """
        asked, own = self.requests, list(self.canary.texts)
        both_counts = [*counts, *self.counter.count(own)]
        try:
            both = await self._embed(asked, [*texts, *own], both_counts, dim)
        except Refused as refused:
            if len(texts) > 1:
                raise  # it is halved, and whatever is asked first then has the canary
            spent = await self._canary_alone(dim)
            spent = _added(spent, refused)
            try:
                return _added(await self._embed(asked, texts, counts, dim), spent)
            except Refused as again:
                raise _refused_after(spent, again) from None
        n = len(texts)
        left = {row: reason for row, reason in both.refused.items() if row < n}
        first = replace(both, vectors=both.vectors[:n], refused=left)
        if any(row >= n for row in both.refused):
            self.canary.skip("it gives no usable vector for a plain short text")
        else:
            try:
                await self.canary.judge(both.vectors[n:], lambda: self._ask_canary(dim))
            except SpaceMismatch as changed:
                raise OtherModel(str(changed), self._of_now(first)) from None
        return first

    def _of_now(self, made: BatchResult) -> BatchResult:
        """Return a batch with the Space of the model that is there now."""
        return replace(made, space=replace(self.space, **self.canary.facts))

    async def _attribute(
        self,
        requests: Requests,
        texts: list[str],
        counts: list[int],
        made: BatchResult,
        before: Space,
    ) -> BatchResult:
        """Tell which model made a batch, by its shortest text, which is asked again."""
        rows = [row for row in range(len(texts)) if row not in made.refused]
        if not rows:
            return made
        row = min(rows, key=counts.__getitem__)
        again = await self._embed(requests, [texts[row]], [counts[row]], before.dimensions)
        if again.refused:
            raise SpaceMismatch(
                f"{self.access.url} has another model under the name {self.model} than before, "
                "and nobody knows which of them answered: nothing of it was kept"
            )
        same = self.canary.made(made.vectors[row], again.vectors[0])
        return _added(self._of_now(made) if same else made, again)

    async def _canary_alone(self, dim: int) -> BatchResult:
        """Look at the canary in requests of its own; return what that took."""
        own = list(self.canary.texts)
        try:
            asked = await self._embed(self.requests, own, self.counter.count(own), dim)
        except Refused as refused:
            self.canary.skip(f"it refuses plain short texts ({refused})")
            return _added(BatchResult(np.zeros((0, dim), np.float32)), refused)
        if asked.refused:
            self.canary.skip("it gives no usable vector for a plain short text")
        else:
            await self.canary.judge(asked.vectors, lambda: self._ask_canary(dim))
        return asked

    async def _ask_canary(self, dim: int) -> NDArray[np.float32]:
        own = list(CANARY)
        return (await self._embed(self.requests, own, self.counter.count(own), dim)).vectors

    async def _embed(
        self, requests: Requests, texts: list[str], counts: list[int], dim: int
    ) -> BatchResult:
        tally = Tally()
        left = list(range(len(texts)))
        refused: dict[int, str] = {}
        while True:
            try:
                asked = [texts[i] for i in left]
                vectors = await requests.ask(asked, [counts[i] for i in left], tally, dim)
                break
            except Fault as fault:
                # The same vectors are bad each time: it is these texts the model cannot embed.
                if not fault.rows or len(fault.rows) == len(left) > 1:
                    raise self._unusable(fault) from None
                refused |= {left[row]: f"{fault}, {TRIES_FAULT} times" for row in fault.rows}
                left = [i for row, i in enumerate(left) if row not in fault.rows]
                if not left:
                    vectors = np.zeros((0, dim), np.float32)
                    break
            except Refused as error:
                raise Refused(str(error), *astuple(tally)) from None
        if refused:
            whole = np.zeros((len(texts), dim), np.float32)
            whole[left] = vectors
            vectors = whole
        return BatchResult(vectors, refused, *astuple(tally))

    async def _probe(self) -> int:
        """Ask one short text to learn the model's dimensions."""
        try:
            return int((await self.requests.ask(PROBE, [1], Tally(), None)).shape[1])
        except Fault as fault:
            raise self._unusable(fault) from None
        except Refused as refused:
            raise ProviderError(self.requests.refused(str(refused))) from None

    def _unusable(self, fault: Fault) -> Exception:
        where, times = self.access.url, f"{TRIES_FAULT} times in a row"
        if fault.dimensions and "space" in self.__dict__:  # known, and not just being asked
            if self.asked_dimensions is None and self.known is None:
                remember(where, self.model, None, dimensions=None)
            return SpaceMismatch(
                f"{where} gave vectors of {fault.dimensions} dimensions for {self.model!r}, "
                f"{times}, where {self.space} has {self.space.dimensions}: another model "
                "answers under that name, or `dimensions` is not honored there. Nothing of it "
                "was kept. If the change is meant, run again without --dimensions: that starts a "
                "new space"
            )
        wrong_path = "a web page" in str(fault) or "an error instead" in str(fault)
        hint = self.access.url_hint if wrong_path else ""
        return BadVectors(f"{where}: {fault}, {times}; nothing of it was kept{hint}")


def _added(result: BatchResult, more: BatchResult | Refused) -> BatchResult:
    """Return a result with what something else took besides."""
    counts = ("requests", "tokens", "unanswered", "tokens_unanswered")
    return replace(result, **{n: getattr(result, n) + getattr(more, n) for n in counts})


def _refused_after(spent: BatchResult, refused: Refused) -> Refused:
    """Return a refusal with what was spent before it."""
    both = _added(spent, refused)
    return Refused(
        str(refused), both.requests, both.tokens, both.unanswered, both.tokens_unanswered
    )


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
