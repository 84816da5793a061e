"""Models of Cohere: input types as roles, limits, dimensions.

Nobody has asked Cohere itself with this yet: no key was there. It is tested against a server that
holds to Cohere's published specification (tests/models/cohere).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from veclab.errors import InputError
from veclab.models.cohere.dialect import CohereDialect
from veclab.models.openai.canary import Canary
from veclab.models.openai.endpoint import COHERE_SERVICE, find_access
from veclab.models.openai.model import OpenAIModel
from veclab.models.openai.prices import find_price
from veclab.models.openai.requests import Requests
from veclab.models.openai.served_space import ServedSpace
from veclab.models.openai.token_counts import EstimatingCounter
from veclab.provider import Limits
from veclab.space import Role


@dataclass(frozen=True, slots=True)
class Known:
    """What Cohere publishes about a model: docs.cohere.com/docs/cohere-embed.

    Attributes:
        dimensions: of its vectors, the first of those that can be chosen.
        others: which else can be asked for.
        context: tokens of a text at most.
    """

    dimensions: int
    context: int
    others: tuple[int, ...] = ()


KNOWN = {
    "embed-v4.0": Known(1536, 128_000, (256, 512, 1024)),
    "embed-english-v3.0": Known(1024, 512),
    "embed-multilingual-v3.0": Known(1024, 512),
    "embed-english-light-v3.0": Known(384, 512),
    "embed-multilingual-light-v3.0": Known(384, 512),
}
BATCH_TEXTS = 96  # of one request, by the specification
CONCURRENCY = 8
_ROLES: Mapping[Role, str] = {"document": "search_document", "query": "search_query"}
# What may stand behind a model's name: what its texts are embedded for, in a Space of its own.
_PURPOSES = ("classification", "clustering")


class CohereModel(OpenAIModel):
    """A provider for `POST /v2/embed`; sent, paced and asked again as any other endpoint.

    `embed-v4.0` takes the roles `document` and `query` as Cohere's input types search_document and
    search_query; without a role a text is a document. `embed-v4.0/clustering` and
    `embed-v4.0/classification` embed for that purpose, whatever the role.

    Texts are sent with `truncate: NONE`: one over the model's limit is refused by name, never cut
    unseen.
    """

    provider = "cohere"
    # Its vectors must not depend on the role of the texts that happen to come first.
    canary_apart = True
    known = None

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
            model: its name at Cohere; behind a slash the purpose, if it is not search.
            dimensions: ask for shorter vectors; embed-v4.0 has 256, 512, 1024 and 1536.
            base_url: of the endpoint; None for CO_API_URL, else Cohere's.
            max_tokens: read so many tokens of a text, as they are estimated here.
            timeout: seconds for one request, all in all.
            concurrency: most requests on their way at once.

        Raises:
            InputError: the model has no such dimensions or purpose, or the URL cannot be used.
            MissingExtra: the extra `cohere` is not installed.
        """
        self.model = model
        self._name, self._purpose = _parts(model)
        self._published = KNOWN.get(self._name)
        self.access = find_access(base_url, COHERE_SERVICE)
        self.asked_dimensions = _asked(self._name, self._published, dimensions)
        self.counter = EstimatingCounter()
        self.tokenizer_digest = None
        self.price = find_price(self._name, self.access.url)
        self.limits = Limits(
            max_tokens=max_tokens,
            batch_tokens=BATCH_TEXTS * 1024,
            batch_texts=BATCH_TEXTS,
            concurrency=concurrency,
            padded=False,
            block_texts=BATCH_TEXTS * 128,
            price=None if self.price is None else self.price.per_million,
        )
        if self._purpose is None:
            self.prompts = (("default", _ROLES["document"]), *_ROLES.items())
        else:
            self.prompts = (("default", self._purpose),)
        self.canary = Canary(self.access.url, model)
        self.served = ServedSpace(self.access.url, model, self.asked_dimensions)
        self._dialect = CohereDialect()
        self._sending = {"timeout": timeout, "most": concurrency}
        self.requests = self._make_requests(self._purpose or _ROLES["document"])
        self._queries = self._make_requests(self._purpose or _ROLES["query"])
        self.notes = self._notes()

    def _make_requests(self, input_type: str) -> Requests:
        body = {**self.request, "input_type": input_type}
        requests = Requests(self.access, body, dialect=self._dialect, **self._sending)  # type: ignore[arg-type]
        requests.on_limit = self._shrink
        requests.on_space = self.served.met
        return requests

    def _notes(self) -> list[str]:
        most = "" if self._published is None else f" ({self._published.context:,} tokens)"
        return [
            *(note for note in super()._notes() if not note.startswith("the tokenizer of ")),
            f"token counts of {self.model} are estimates (one for two bytes); a text over its limit"
            f"{most} is refused by Cohere, not cut (max_tokens cuts, by the estimate)",
        ]

    @property
    def known_dimensions(self) -> int | None:
        """Length of its vectors as far as it is known without asking."""
        if self.asked_dimensions is None and self._published is not None:
            return self._published.dimensions
        return super().known_dimensions

    @property
    def request(self) -> dict[str, Any]:
        """The body of every request, without `texts` and `input_type`."""
        body = {"model": self._name, "embedding_types": ["float"], "truncate": "NONE"}
        if self.asked_dimensions is None:
            return body
        return {**body, "output_dimension": self.asked_dimensions}

    def reads_role(self, role: Role | None) -> bool:
        """Return whether it is the role of a query: a document is what a text is anyhow."""
        return self._purpose is None and role == "query"

    def requests_for(self, role: Role | None) -> Requests:
        """Return what sends texts with the input type of a role."""
        return self._queries if role == "query" else self.requests

    def stop(self) -> None:
        """Let batches that wait for their turn fail; those on their way are answered as usual."""
        super().stop()
        self._queries.stop()

    def pop_warnings(self) -> list[str]:
        """Return what Cohere had to say in its answers, and of the check for a change."""
        said = [f"Cohere says: {warning}" for warning in self._dialect.warnings]
        self._dialect.warnings.clear()
        return super().pop_warnings() + said


def _parts(model: str) -> tuple[str, str | None]:
    name, slash, purpose = model.partition("/")
    if slash and purpose not in _PURPOSES:
        raise InputError(
            f"{model!r}: behind the slash may stand {' or '.join(_PURPOSES)}; for search leave it "
            "out, role='document' and role='query' (--role) are its input types"
        )
    return name, purpose or None


def _asked(model: str, known: Known | None, dimensions: int | None) -> int | None:
    """Return what to put into requests: nothing where it is the model's own size."""
    if dimensions is None or known is None or dimensions == known.dimensions:
        return dimensions if known is None else None
    if dimensions not in known.others:
        sizes = ", ".join(map(str, sorted((*known.others, known.dimensions))))
        raise InputError(f"{model} has {sizes} dimensions; it cannot give {dimensions:,}")
    return dimensions
