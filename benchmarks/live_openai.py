"""Does OpenAI's own endpoint do what docs/openai.md says of it? Each claim is asked, for a cent.

    make live        # or: python -m benchmarks.live_openai

It needs your OPENAI_API_KEY (environment or .env) and spends at most 0.01 dollars of it: what all
claims can cost is added up before anything is sent, and what was billed is added up as it goes.
Writes the day and the outcome into docs/openai.md and benchmarks/results/live_openai.json. What
cannot be provoked (429, 5xx, time-outs) is tested against tests/openai_server.py instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import veclab
from veclab.models.openai.client import open_client, said_in
from veclab.models.openai.endpoint import DEFAULT_URL, Access, find_access
from veclab.models.openai.model import KNOWN
from veclab.models.openai.prices import find_price
from veclab.models.openai.rate_limit import seconds
from veclab.models.openai.responses import check_answer
from veclab.models.openai.token_counts import ExactCounter

ROOT = Path(__file__).resolve().parents[1]
DOCS, RESULTS = ROOT / "docs" / "openai.md", ROOT / "benchmarks" / "results" / "live_openai.json"
MOST_DOLLARS = 0.01
SMALL, LARGE, ADA = "text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"
MARK = "Checked against OpenAI's own endpoint"
TEXTS = [
    "how much protein a day",
    "Straße, naïve, Ελληνικά, русский",
    "日本語のテキスト",
    "<|endoftext|> is ordinary text",
    "👩‍👩‍👧 " * 3,
]


class NotSo(Exception):
    """A claim does not hold; says what came instead."""


class NotChecked(Exception):
    """The account does not allow to find out."""


class OverBudget(Exception):
    """Going on could cost more than is allowed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one claim: `holds`, `does not hold`, `not checked`, and why."""

    claim: str
    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim in words, how to find out, and the tokens that costs at most, by model."""

    words: str
    check: Callable[[Endpoint], None]
    tokens: dict[str, int]

    @property
    def dollars(self) -> float:
        return sum(dollars(model, tokens) for model, tokens in self.tokens.items())


def dollars(model: str, tokens: int) -> float:
    price = find_price(model)
    assert price is not None
    return price.dollars(tokens)


class Endpoint:
    """The endpoint, asked past all of veclab's own requests; counts what was billed."""

    def __init__(self, access: Access) -> None:
        self.access, self.spent, self.requests = access, 0.0, 0
        self.client = open_client("OpenAI", access, 120.0, "the live check")
        self.headers: Any = {}

    def ask(self, texts: Sequence[str], model: str = SMALL, **body: Any) -> dict[str, Any]:
        """Send one request, once; the answer as JSON. Raises the client's errors."""
        self.requests += 1
        body = {"encoding_format": "float", **body}
        raw = self.client.embeddings.with_raw_response.create(input=texts, model=model, **body)
        self.headers = raw.headers
        answer: dict[str, Any] = json.loads(raw.content)
        self.spent += dollars(model, answer["usage"]["total_tokens"])
        return answer

    def vectors(self, texts: Sequence[str], model: str = SMALL, **body: Any) -> np.ndarray:
        return check_answer(self.ask(texts, model, **body), len(texts), None)[0]

    def refuses(self, status: int, texts: Sequence[str], model: str = SMALL, **body: Any) -> str:
        """Make sure of a refusal with that status; what was said."""
        from openai import APIStatusError

        try:
            self.ask(texts, model, **body)
        except APIStatusError as error:
            said = said_in(error, self.access)
            expect(error.status_code == status, f"refused with {said}, not with {status}")
            return said
        raise NotSo(f"it was answered, where {status} was expected")


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotSo(otherwise)


# -- the claims ------------------------------------------------------------------------------------


def dimensions(endpoint: Endpoint) -> None:
    for model, known in KNOWN.items():
        found = endpoint.vectors(["a"], model).shape[1]
        expect(found == known.dimensions, f"{model} has {found} dimensions")


def shorter(endpoint: Endpoint) -> None:
    for model in (SMALL, LARGE):
        full = endpoint.vectors(["a cat"], model)[0]
        short = endpoint.vectors(["a cat"], model, dimensions=256)[0]
        expect(len(short) == 256, f"{model} gave {len(short)} dimensions for 256")
        start = full[:256] / np.linalg.norm(full[:256])
        close = float(start @ short / np.linalg.norm(short))
        expect(close > 0.999, f"{model}: not the first 256 numbers (cosine {close:.4f})")
    endpoint.refuses(400, ["a"], ADA, dimensions=256)


def forms(endpoint: Endpoint) -> None:
    floats = endpoint.vectors(TEXTS)
    packed = endpoint.vectors(TEXTS, encoding_format="base64")
    cosines = (floats * packed).sum(axis=1)
    expect(bool((cosines > 0.999).all()), f"base64 and numbers differ: {cosines.min():.4f}")


def unit_length(endpoint: Endpoint) -> None:
    lengths = np.linalg.norm(endpoint.vectors(TEXTS), axis=1)
    expect(bool((abs(lengths - 1) < 1e-3).all()), f"lengths of {lengths.min()}, {lengths.max()}")


def token_counts(endpoint: Endpoint) -> None:
    counter = ExactCounter("cl100k_base")
    for text in TEXTS:
        told = endpoint.ask([text])["usage"]["total_tokens"]
        expect(told == counter.count([text])[0], f"{told} tokens in {text!r}")


def many_texts(endpoint: Endpoint) -> None:
    answer = endpoint.ask(["a"] * 2048)
    expect(len(answer["data"]) == 2048, f"{len(answer['data'])} vectors came for 2,048 texts")
    endpoint.refuses(400, ["a"] * 2049)


def order(endpoint: Endpoint) -> None:
    indices = [item.get("index") for item in endpoint.ask(TEXTS)["data"]]
    expect(sorted(indices) == list(range(len(TEXTS))), f"the indices are {indices}")


def long_text(endpoint: Endpoint) -> None:
    endpoint.ask([" a" * 8191])
    endpoint.refuses(400, [" a" * 8193])


def request_tokens(endpoint: Endpoint) -> None:
    from openai import RateLimitError

    texts = [" a" * 8191]
    try:
        endpoint.refuses(400, texts * 37)
        endpoint.ask(texts * 36)
    except RateLimitError as error:
        raise NotChecked(said_in(error, endpoint.access)) from None
    except NotSo as error:
        if "429" in str(error):
            raise NotChecked(str(error)) from None
        raise


def empty_string(endpoint: Endpoint) -> None:
    endpoint.refuses(400, ["a", ""])


def unknown_model(endpoint: Endpoint) -> None:
    from openai import APIStatusError

    try:
        endpoint.client.embeddings.create(input=["a"], model="there-is-no-such-model")
    except APIStatusError as error:
        expect(error.status_code == 404, f"refused with {said_in(error, endpoint.access)}")
    else:
        raise NotSo("it was answered")


def wrong_key(endpoint: Endpoint) -> None:
    from openai import AuthenticationError

    wrong = endpoint.client.with_options(api_key="sk-veclab-live-check-no-key")
    try:
        wrong.embeddings.create(input=["a"], model=SMALL)
    except AuthenticationError:
        return
    raise NotSo("it was answered")


def headers(endpoint: Endpoint) -> None:
    endpoint.ask(["a"])
    for kind in ("requests", "tokens"):
        for name in ("limit", "remaining"):
            value = endpoint.headers.get(f"x-ratelimit-{name}-{kind}", "")
            expect(value.isdecimal(), f"x-ratelimit-{name}-{kind} is {value!r}")
        reset = endpoint.headers.get(f"x-ratelimit-reset-{kind}")
        expect(seconds(reset) is not None, f"x-ratelimit-reset-{kind} is {reset!r}")


def bought_once(endpoint: Endpoint) -> None:
    """By veclab itself, with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for again in (False, True):
            model = veclab.load(
                f"openai:{SMALL}", base_url=endpoint.access.url, dimensions=256, cache=folder
            )
            most = None if endpoint.access.endpoint else MOST_DOLLARS / 10  # priced at OpenAI only
            report = model.embed([*TEXTS, TEXTS[0]], max_cost=most).report
            assert report is not None
            assert model.cache is not None
            model.cache.close()
            endpoint.spent += dollars(SMALL, report.tokens_bought)
            expect((report.tokens_bought == 0) == again, f"bought {report.tokens_bought} tokens")


CLAIMS = (
    Claim("the models' dimensions", dimensions, {SMALL: 1, LARGE: 1, ADA: 1}),
    Claim("`dimensions` shortens what may be shortened", shorter, {SMALL: 8, LARGE: 8, ADA: 2}),
    Claim("base64 and numbers are the same vectors", forms, {SMALL: 200}),
    Claim("vectors have unit length", unit_length, {SMALL: 100}),
    Claim("tokens are those of cl100k_base", token_counts, {SMALL: 100}),
    Claim("2,048 texts a request, not more", many_texts, {SMALL: 2048 + 2049}),
    Claim("every vector has its index", order, {SMALL: 100}),
    Claim("8,191 tokens a text; more are refused", long_text, {SMALL: 8191 + 8193}),
    Claim("300,000 tokens a request, not more", request_tokens, {SMALL: 36 * 8191}),
    Claim("an empty text is refused", empty_string, {SMALL: 1}),
    Claim("an unknown model is a 404", unknown_model, {SMALL: 1}),
    Claim("a wrong key is a 401", wrong_key, {}),
    Claim("x-ratelimit headers tell the limits", headers, {SMALL: 1}),
    Claim("each text is bought once", bought_once, {SMALL: 200}),
)


def check(access: Access, claims: Sequence[Claim] = CLAIMS) -> Iterator[Outcome]:
    """Ask each claim, in order. Raises OverBudget before anything is sent, or as it goes."""
    most = sum(claim.dollars for claim in claims)
    if most > MOST_DOLLARS:
        raise OverBudget(f"the claims could cost {most:.4f} dollars, over {MOST_DOLLARS}")
    endpoint = Endpoint(access)
    for claim in claims:
        if endpoint.spent + claim.dollars > MOST_DOLLARS:
            raise OverBudget(f"{endpoint.spent:.4f} dollars are spent: {claim.words} not asked")
        try:
            claim.check(endpoint)
        except NotSo as error:
            yield Outcome(claim.words, "does not hold", str(error))
        except NotChecked as error:
            yield Outcome(claim.words, "not checked", str(error))
        except Exception as error:  # the others are asked all the same
            why = access.hide(f"{type(error).__name__}: {error}")
            yield Outcome(claim.words, "does not hold", " ".join(why.split())[:300])
        else:
            yield Outcome(claim.words, "holds")


def write(outcomes: Sequence[Outcome], docs: Path, results: Path, day: str) -> str:
    """Write day and outcome into the page and the results; the line of the page."""
    counts = {
        name: sum(o.outcome == name for o in outcomes)
        for name in ("holds", "does not hold", "not checked")
    }
    line = f"{MARK} on {day}: {counts['holds']} of {len(outcomes)} claims hold"
    for outcome in outcomes:
        if outcome.outcome != "holds":
            line += f"; {outcome.claim}: {outcome.outcome}"
    line += " (`make live`)."
    page = docs.read_text(encoding="utf-8").splitlines()
    (at,) = (i for i, text in enumerate(page) if text.startswith(MARK))
    page[at] = line
    docs.write_text("\n".join(page) + "\n", encoding="utf-8")
    found = {"day": day, "claims": [asdict(outcome) for outcome in outcomes]}
    results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return line


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS, results: Path = RESULTS) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", help="another endpoint, for trying this out")
    options = parser.parse_args(arguments)
    access = find_access(options.base_url or DEFAULT_URL)
    if access.source is None:
        print(f"nothing was sent: {access.looked}", file=sys.stderr)
        return 2
    most = sum(claim.dollars for claim in CLAIMS)
    print(f"{len(CLAIMS)} claims at {access.url}, key from {access.source}: ", end="")
    print(f"at most {most:.4f} dollars")
    outcomes = []
    try:
        for outcome in check(access):
            outcomes.append(outcome)
            why = f": {outcome.why}" if outcome.why else ""
            print(f"{outcome.outcome:>14}  {outcome.claim}{why}", flush=True)
    except OverBudget as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 3
    print(write(outcomes, docs, results, datetime.now(UTC).date().isoformat()))
    return int(any(outcome.outcome == "does not hold" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
