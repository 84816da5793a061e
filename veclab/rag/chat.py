"""Chat models at OpenAI and at every OpenAI-compatible endpoint, read as they write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from time import sleep
from typing import TYPE_CHECKING, Any, Protocol, cast

from veclab.errors import (
    CostTooHigh,
    InputError,
    MissingExtra,
    ModelUnavailable,
    ProviderError,
)
from veclab.models.names import OPENAI
from veclab.models.openai.client import key_refused, open_client, said_in, was_sent
from veclab.models.openai.endpoint import URL_VARIABLE, find_access
from veclab.models.openai.rate_limit import backoff, retry_after
from veclab.models.openai.token_counts import Counter, EstimatingCounter, ExactCounter
from veclab.rag.prices import find_chat_price

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

    from veclab.rag.prompt import Message

# Tokens of prompt and answer together; what is not listed here is taken to have `WINDOW`.
WINDOWS = {"gpt-4o": 128_000, "gpt-4.1": 1_000_000, "gpt-5": 272_000}
WINDOW = 8_192
ANSWER_TOKENS = 800
TRIES = 6
# Parts of a request that not every endpoint knows, and what to send in their place.
_OPTIONAL: dict[str, str | None] = {
    "stream_options": None,
    "temperature": None,
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}


class BrokenOff(Exception):
    """The answer ended before its end; what came before it was handed on."""


class Chat(Protocol):
    """What `ask` needs of a language model."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""

    @property
    def answer_tokens(self) -> int:
        """Tokens that an answer may have."""

    @property
    def dollars(self) -> float | None:
        """Spent so far; None where no price is known."""

    @property
    def tokens(self) -> tuple[int, int]:
        """Of prompts and of answers so far."""

    @property
    def notes(self) -> list[str]:
        """What the user should know of the model."""

    def count(self, text: str) -> int:
        """Tokens of a text."""

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The answer, piece by piece; raises BrokenOff where it ends before its end."""


class ChatModel:
    """A model behind `POST /chat/completions`. Nothing is sent before the first question.

    Attributes:
        name: as the endpoint calls it.
        window: tokens of prompt and answer together.
        answer_tokens: tokens that an answer may have.
        max_cost: dollars that all questions together may cost.
        notes: what the user should know.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        window: int | None = None,
        answer_tokens: int = ANSWER_TOKENS,
        max_cost: float | None = None,
        timeout: float = 120.0,
    ) -> None:
        """See `veclab.ask`.

        Args:
            model: `openai:NAME`, or the name alone.
            base_url: of the endpoint; None for OPENAI_BASE_URL, else OpenAI's.
            window: tokens of prompt and answer together; by default what is known of the model,
                else 8,192.
            answer_tokens: tokens that an answer may have.
            max_cost: dollars; a question that could cost more is refused before it is sent.
            timeout: seconds without a sign of life from the endpoint.

        Raises:
            InputError: an option that cannot be used, or a cost limit without a price.
            MissingExtra: the extra `openai` is not installed.
        """
        self.name = model.removeprefix(OPENAI)
        if not self.name:
            raise InputError(f"a language model is named openai:NAME, not {model!r}")
        if window is not None and window < 256:
            raise InputError(f"a window of {window} tokens is too small: 256 or more")
        if max_cost is not None and not max_cost >= 0:
            raise InputError(f"max_cost must be a number of dollars, 0 or more, not {max_cost!r}")
        self.access = find_access(base_url)
        known = next((size for name, size in WINDOWS.items() if self.name.startswith(name)), None)
        own = self.access.endpoint is None
        self.window = window or (known if own and known else WINDOW)
        self.answer_tokens = min(answer_tokens, self.window // 3)
        self.max_cost = max_cost
        self.timeout = timeout
        self.price = find_chat_price(self.name, self.access.endpoint)
        self._counter: Counter = (
            ExactCounter("cl100k_base") if own and known else EstimatingCounter()
        )
        self._spent = [0, 0]
        self._unanswered = [0, 0]  # of requests that were sent and not answered: maybe billed
        self._client: OpenAI | None = None
        self._pid = 0
        self._unknown: set[str] = set()  # parts of requests that the endpoint does not take
        limit = "max_completion_tokens" if own else "max_tokens"
        self._body: dict[str, Any] = {
            "model": self.name,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            limit: self.answer_tokens,
        }
        age = "" if self.price is None else self.price.note
        self.notes = [note for note in (self.access.note, age) if note]
        if window is None and not (own and known):
            self.notes.append(
                f"the window of {self.name} is not known here and taken to be {WINDOW:,} tokens "
                "(--window says otherwise)"
            )

    def __repr__(self) -> str:
        return f"<ChatModel {self.name} at {self.access.url}>"

    @property
    def tokens(self) -> tuple[int, int]:
        """Of prompts and of answers, so far."""
        return self._spent[0], self._spent[1]

    @property
    def dollars(self) -> float | None:
        """Spent so far; None where no price is known."""
        return None if self.price is None else self.price.dollars(*self.tokens)

    def count(self, text: str) -> int:
        """Tokens of a text: close for OpenAI's models, else rather too many."""
        return self._counter.count([text])[0]

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The answer, piece by piece.

        Raises:
            BrokenOff: it ended before its end, or was cut at `answer_tokens`.
            CostTooHigh: it could cost more than is left, or nobody knows what it costs.
            ProviderError: the endpoint refused, or failed once too often.
            ModelUnavailable: there is no key.
        """
        prompt = sum(self.count(message["content"]) + 8 for message in messages)
        self._check_cost(prompt)
        pieces, usage, finish = [], None, None
        try:
            with self._open(messages, prompt) as response:
                for chunk in response:
                    usage = getattr(chunk, "usage", None) or usage
                    for choice in chunk.choices or ():
                        finish = choice.finish_reason or finish
                        if piece := (choice.delta.content if choice.delta else None):
                            pieces.append(piece)
                            yield piece
        except Exception as error:
            raise self._broken(error) from None
        finally:
            counted = (prompt, self.count("".join(pieces)))
            said = (
                getattr(usage, "prompt_tokens", None),
                getattr(usage, "completion_tokens", None),
            )
            for side in (0, 1):
                value = said[side]
                self._spent[side] += value if isinstance(value, int) else counted[side]
        if finish == "length":
            raise BrokenOff(f"it reached the limit of {self.answer_tokens:,} tokens")
        if finish is None:
            raise BrokenOff("the connection ended before the answer did")

    def _check_cost(self, prompt: int) -> None:
        if self.max_cost is None:
            return
        if self.price is None:
            raise CostTooHigh(
                f"the price of {self.name} is not known, so a limit cannot be held to: write it "
                "into prices.json (docs/ask.md), or leave the limit out"
            )
        cost = self.price.dollars(
            self._spent[0] + self._unanswered[0] + prompt,
            self._spent[1] + self._unanswered[1] + self.answer_tokens,
        )
        if cost > self.max_cost:
            more = "more " if any(self._unanswered) else ""
            raise CostTooHigh(
                f"this question could bring the cost to {cost:.4f} dollars, over the limit of "
                f"{self.max_cost:.4f}. Nothing {more}was sent"
            )

    def _open(self, messages: Sequence[Message], prompt: int) -> Any:
        """The stream of an answer that has begun; asked again while that may help.

        A prompt of `prompt` tokens that is sent in vain counts against the cost limit.
        """
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        client, number = self._get_client(), 0
        while True:
            number += 1
            wait: float | None = None
            try:
                return client.chat.completions.create(messages=cast(Any, messages), **self._body)
            except APIStatusError as error:
                if self._without_part(error):
                    number -= 1
                    continue
                passing = error.status_code in (408, 409, 429) or error.status_code >= 500
                if not passing or error.code == "insufficient_quota":
                    raise ProviderError(self._refused(error)) from None
                said, wait = said_in(error, self.access), retry_after(error.response.headers)
            except APITimeoutError:
                said = f"no answer within {self.timeout:g} seconds"
                self._lose(prompt)
            except APIConnectionError as error:
                said = self.access.hide(str(error.__cause__ or error))
                if was_sent(error):
                    self._lose(prompt)
                else:
                    number = max(number, TRIES - 2)
            if number >= TRIES:
                raise ProviderError(f"{self.access.url} did not answer: {said}")
            sleep(backoff(number) if wait is None else wait)

    def _lose(self, prompt: int) -> None:
        """Count a request that was sent and not answered: it may be billed, answer and all."""
        self._unanswered[0] += prompt
        self._unanswered[1] += self.answer_tokens
        note = (
            "requests of {:,} tokens and up to {:,} of answers were sent, not answered, and may be "
            "billed; they count against --max-cost"
        )
        last = [n for n in self.notes if "were sent, not answered" in n]
        self.notes = [n for n in self.notes if n not in last] + [note.format(*self._unanswered)]
        if self.max_cost is not None:
            self._check_cost(prompt)

    def _without_part(self, error: APIStatusError) -> bool:
        """Leave out of requests what the endpoint says that it does not know; whether there was."""
        if error.status_code not in (400, 422):
            return False
        said = f"{error.param or ''} {said_in(error, self.access)}"
        for part, other in _OPTIONAL.items():
            if part not in self._body or part not in said or part in self._unknown:
                continue
            self._unknown.add(part)
            value = self._body.pop(part)
            if other is not None and other not in self._unknown:
                self._body[other] = value
            return True
        return False

    def _refused(self, error: APIStatusError) -> str:
        said = said_in(error, self.access)
        if error.status_code == 401:
            return key_refused(said, self.access)
        hint = ""
        if "web page" in said or error.status_code == 404:
            hint = f". Are model and base URL right? (--llm, --base-url, {URL_VARIABLE})"
        elif "context" in said.lower():
            hint = f". --window N says how much the model takes, {self.window:,} was assumed"
        return f"{self.access.url} refused the model {self.name!r}: {said}{hint}"

    def _broken(self, error: Exception) -> Exception:
        """What an error in the midst of an answer means."""
        if isinstance(error, (ProviderError, ModelUnavailable, MissingExtra, CostTooHigh)):
            return error
        reason = self.access.hide(str(error.__cause__ or error) or type(error).__name__)
        return BrokenOff(" ".join(reason.split())[:300])

    def _get_client(self) -> OpenAI:
        if self._client is None or self._pid != os.getpid():  # connections are not for two
            self._pid = os.getpid()
            model = f"the language model {self.name}"
            self._client = open_client("OpenAI", self.access, self.timeout, model)
        return self._client
