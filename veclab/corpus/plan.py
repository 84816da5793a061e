"""What a run would do and cost, found out without asking any model anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from veclab.corpus import as_source
from veclab.corpus.passages import blocks_of, check_passages
from veclab.errors import CostTooHigh
from veclab.model import Model
from veclab.pipeline.batching import batch_size
from veclab.pipeline.embed import plan_block
from veclab.pipeline.run import OnEmpty, Run
from veclab.provider import Limits
from veclab.report import group_notes, shorten
from veclab.space import OnLong, Role

if TYPE_CHECKING:
    from veclab.corpus import Source
    from veclab.corpus.find import Input
    from veclab.models.openai.endpoint import Facts
    from veclab.models.openai.prices import Price


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        model: provider and name.
        texts: given, the empty ones included.
        distinct: different texts after preparation.
        cached: distinct texts whose vector is in the cache.
        empty: texts with nothing in them.
        over_limit: texts with more tokens than the model reads.
        over_limit_ids: the first 1,000 of them.
        partly_unknown: texts in which the model does not know some of the tokens that it reads.
        partly_unknown_ids: the first 1,000 of them.
        tokens_unknown: such tokens; any two of them are the same to the model.
        tokens: the model would read.
        requests: batches, each one request where the model is behind an endpoint.
        requests_one_by_one: what one request a text, cached or not, would be.
        dollars: None where the price is not known.
        dollars_batch: by the endpoint's Batch API; None where there is none.
        price: where the price comes from, in words.
        seconds: None where nothing is known to work it out from.
        pace: where the time comes from, in words.
        notes: what else the user should know.
    """

    model: str
    texts: int
    distinct: int
    cached: int
    empty: int
    over_limit: int
    over_limit_ids: list[str]
    partly_unknown: int
    partly_unknown_ids: list[str]
    tokens_unknown: int
    tokens: int
    requests: int
    requests_one_by_one: int
    dollars: float | None
    dollars_batch: float | None
    price: str
    seconds: float | None
    pace: str
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, value) pairs for people."""
        over = f"{self.over_limit:,}"
        if self.over_limit:
            over += f": {shorten(self.over_limit_ids)}"
        cost = "not known" if self.dollars is None else f"{self.dollars:,.4f} dollars"
        asked = "batches" if self.dollars == 0 else "requests"
        if self.dollars_batch is not None and self.dollars:
            cost += f", {self.dollars_batch:,.4f} by the Batch API"
        time = "not known" if self.seconds is None else _span(self.seconds)
        return [
            ("model", self.model),
            ("texts", f"{self.texts:,}"),
            ("distinct", f"{self.distinct:,}"),
            ("from cache", f"{self.cached:,}"),
            *([("empty", f"{self.empty:,}")] if self.empty else []),
            ("over limit", over),
            *([("not known", self._unknown())] if self.partly_unknown else []),
            ("tokens", f"{self.tokens:,}"),
            (asked, f"{self.requests:,} (one a text: {self.requests_one_by_one:,})"),
            ("cost", f"{'nothing' if self.dollars == 0 else cost}: {self.price}"),
            ("time", f"{time}: {self.pace}"),
            *(("note", note) for note in group_notes(self.notes)),
        ]

    def _unknown(self) -> str:
        held = f"{self.partly_unknown:,} texts hold {self.tokens_unknown:,} tokens that the model"
        return f"{held} does not know, all alike to it: {shorten(self.partly_unknown_ids)}"

    def __str__(self) -> str:
        return "\n".join(f"{label:>10}  {value}" for label, value in self.lines())


def plan_file(
    model: Model,
    source: Source | Input,
    *,
    column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    role: Role | None = None,
    on_long: OnLong = "truncate",
    on_empty: OnEmpty = "skip",
    prepare: Iterable[str] = (),
    chunks: bool = False,
    max_cost: float | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Plan:
    """Plan what `embed_file` would do with the same arguments. No model is called, nothing bought.

    Texts are read, prepared, looked up in the cache, counted and batched as in the run itself.
    What the run would stop at (`on_long`, `on_empty`, `max_cost`) is counted and said in a note.
    """
    source = as_source(source, column, id_column)
    prepare = (prepare,) if isinstance(prepare, str) else tuple(prepare)
    if chunks:
        check_passages(source.schema, model.max_tokens)
    blocks = blocks_of(source, model, role, prepare, chunks)
    policies = {"role": role, "on_long": on_long, "on_empty": on_empty, "prepare": prepare}
    each = ((block.ids, block.texts) for block in blocks)
    return _plan_blocks(model, each, source.notes, policies, max_cost, on_done)


def plan_texts(
    model: Model,
    texts: Sequence[str],
    *,
    role: Role | None = None,
    on_long: OnLong = "truncate",
    on_empty: OnEmpty = "error",
    prepare: Iterable[str] = (),
    max_cost: float | None = None,
) -> Plan:
    """Plan what `Model.embed` would do with these texts; see `plan_file`."""
    policies = {"role": role, "on_long": on_long, "on_empty": on_empty, "prepare": prepare}
    given: list[str | None] = list(texts)
    ids = [str(position) for position in range(1, len(given) + 1)]
    return _plan_blocks(model, [(ids, given)], (), policies, max_cost, None)


def _plan_blocks(
    model: Model,
    blocks: Iterable[tuple[list[str], list[str | None]]],
    notes: Sequence[str],
    policies: dict[str, Any],
    max_cost: float | None,
    on_done: Callable[[int], None] | None,
) -> Plan:
    model = _unasked(model)
    run = model.start(
        role=policies["role"],
        on_long="truncate" if policies["on_long"] == "error" else policies["on_long"],
        on_empty="skip",
        prepare=policies["prepare"],
        on_done=on_done,
    )
    limits = model.provider.limits
    tokens, requests = 0, 0
    for ids, texts in blocks:
        batches = plan_block(run, ids, texts).batches
        tokens += sum(batch_size(items, limits)[0] for items in batches)
        requests += len(batches)
    tokens += model.provider.first_tokens if requests else 0
    run.report.note(*notes)
    plan = _plan(model, run, limits, tokens, requests)
    plan.notes.extend(_stops(plan, policies, max_cost))
    return plan


def _stops(plan: Plan, policies: dict[str, Any], max_cost: float | None) -> Iterator[str]:
    """Say what the run itself would stop at."""
    if policies["on_long"] == "error" and plan.over_limit:
        yield f"the run would stop: {plan.over_limit:,} over the limit (--on-long error)"
    if policies["on_empty"] == "error" and plan.empty:
        yield f"the run would stop: {plan.empty:,} empty (--on-empty error)"
    if max_cost is not None and plan.dollars is not None and plan.dollars > max_cost:
        yield f"the run would stop before it buys anything: over --max-cost {max_cost:g}"


def check_cost(model: Model, source: Source, max_cost: float, **policies: Any) -> None:
    """Raise CostTooHigh if a run would cost more dollars than that; `policies` of `plan_file`."""
    plan = plan_file(model, source, **policies)
    if plan.dollars is not None and plan.dollars > max_cost:
        raise CostTooHigh(
            f"{plan.tokens:,} tokens in {plan.requests:,} requests would cost {plan.dollars:.4f} "
            f"dollars ({plan.price}), over the limit of {max_cost:.4f}. Nothing was bought"
        )


def _unasked(model: Model) -> Model:
    """Return the same model, to be planned with but never called.

    Of a model whose dimensions nobody has asked yet nothing can be in the cache.
    """
    from veclab.models.openai.model import OpenAIModel

    provider = model.provider
    if isinstance(provider, OpenAIModel) and provider.known_dimensions is None:
        return Model(provider.stand_in(), None, model.notes)
    return model


def _plan(model: Model, run: Run, limits: Limits, tokens: int, requests: int) -> Plan:
    from veclab.models.openai.model import OpenAIModel

    report, provider, space = run.report, model.provider, run.recipe.space
    price, facts, name = None, None, f"{space.provider}:{space.model}"
    if isinstance(provider, OpenAIModel):
        price, facts = provider.price, provider.facts
        name += f" at {provider.access.url}"
    seconds, pace = _time(facts, requests, tokens)
    return Plan(
        model=name,
        texts=report.texts,
        distinct=report.distinct,
        cached=report.cached,
        empty=report.empty,
        over_limit=report.truncated + report.split,
        over_limit_ids=report.truncated_ids + report.split_ids,
        partly_unknown=report.partly_unknown,
        partly_unknown_ids=report.partly_unknown_ids,
        tokens_unknown=report.tokens_unknown,
        tokens=tokens,
        requests=requests,
        requests_one_by_one=report.texts - report.empty,
        dollars=None if limits.price is None else tokens * limits.price / 1e6,
        dollars_batch=None if price is None else price.dollars(tokens, batch=True),
        price=_source(limits, price),
        seconds=seconds,
        pace=pace,
        notes=list(report.notes),
    )


def _source(limits: Limits, price: Price | None) -> str:
    if price is not None:
        return f"{price.per_million:g} dollars a million tokens, as of {price.as_of}"
    return "it runs here" if not limits.paid else "its price is not known"


def _time(facts: Facts | None, requests: int, tokens: int) -> tuple[float | None, str]:
    """Estimate the seconds at the account's limits, as far as an answer has told them before."""
    if facts is None:
        return None, "it depends on this machine"
    minutes = [
        amount / limit
        for amount, limit in (
            (requests, facts.requests_per_minute),
            (tokens, facts.tokens_per_minute),
        )
        if limit
    ]
    if not minutes:
        return None, "the first answer will tell the account's limits"
    told = [
        f"{limit:,.0f} {item} a minute"
        for limit, item in (
            (facts.requests_per_minute, "requests"),
            (facts.tokens_per_minute, "tokens"),
        )
        if limit
    ]
    return 60 * max(minutes), f"at {' and '.join(told)}, as reported on {facts.seen}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
