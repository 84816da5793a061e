"""The three things a user does with a batch job: submit, status, fetch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veclab.cache import Cache
from veclab.errors import CostTooHigh, InputError, SpaceMismatch, VeclabError
from veclab.hints import typed
from veclab.models.named import require_used
from veclab.models.names import OPENAI
from veclab.models.openai.batch import fetch as answers
from veclab.models.openai.batch.generations import answered_by_another
from veclab.models.openai.batch.job_folder import JobFolder, Manifest, Part
from veclab.models.openai.batch.order import Order
from veclab.models.openai.batch.pack import Opening, Packing
from veclab.models.openai.batch.progress import Progress, survey
from veclab.models.openai.batch.remote import Remote
from veclab.models.openai.batch.submit import (
    Bill,
    bill,
    pack_again,
    pack_job,
    revive,
    send,
    settle,
)
from veclab.models.openai.canary import TWICE
from veclab.models.openai.endpoint import find_access, normal_url
from veclab.models.openai.model import OpenAIModel
from veclab.models.openai.prices import find_price
from veclab.report import Report


@dataclass(frozen=True, slots=True)
class Plan:
    """What one `submit` is going to send, and what that costs.

    Attributes:
        bill: files, requests, inputs, tokens, bytes.
        dollars: at the Batch API's price; None where the price is not known.
        full_dollars: of the same tokens without the Batch API.
        as_of: the day of the price table.
        report: of the corpus, from packing.
        again: inputs that are sent once more.
        refused: inputs left out, because they were refused before.
        order: what the job was asked for.
    """

    bill: Bill
    dollars: float | None
    full_dollars: float | None
    as_of: str | None
    report: Report
    again: int
    refused: int
    order: Order

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {n: getattr(self, n) for n in ("dollars", "full_dollars", "as_of", "again")}
        return asdict(self.bill) | values | {"refused": self.refused}

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, value) pairs for people."""
        held, report = self.bill, self.report
        rows = [
            ("texts", f"{report.texts:,}"),
            ("distinct", f"{report.distinct:,}"),
            ("from cache", f"{report.cached:,}"),
        ]
        shown = ("truncated", "split", "empty", "note")
        rows += [(n, v) for n, v in report.lines() if n in shown and v != "0"]
        if self.again:
            rows.append(("again", f"{self.again:,} inputs that had no usable answer"))
        if self.refused:
            rows.append(("refused", f"{self.refused:,} left out (--refused sends them again)"))
        if not held.files:
            return [*rows, ("to send", "nothing")]
        size = f"{held.bytes / 1e6:,.1f} MB" if held.bytes >= 1e5 else f"{held.bytes:,} bytes"
        count = f"{held.inputs:,} inputs in {held.requests:,} requests"
        rows.append(("to send", f"{count}, {held.files:,} file(s), {size}"))
        rows.append(("tokens", f"{held.tokens:,}"))
        rows.append(("cost", self._cost()))
        return rows

    def _cost(self) -> str:
        if self.dollars is None or self.full_dollars is None:
            return "the price of this model is not known (docs/openai.md says where to put it)"
        return (
            f"${self.dollars:,.4f}, instead of ${self.full_dollars:,.4f} without the Batch API "
            f"(prices of {self.as_of})"
        )


@dataclass(frozen=True, slots=True)
class Status:
    """A job as it is now.

    Attributes:
        path: of its folder.
        parts: its files and their batches.
        progress: where its inputs are; None where that was not looked up.
        order: what it was asked for.
        cancelled: batches that turned out to be there twice, and were stopped.
    """

    path: Path
    parts: list[Part]
    progress: Progress | None
    order: Order
    cancelled: list[str]

    @property
    def running(self) -> int:
        """Batches that are not finished."""
        return sum(part.running for part in self.parts)

    @property
    def unsent(self) -> int:
        """Files that are not sent."""
        return sum(part.batch_id is None for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "job": str(self.path),
            "running": self.running,
            "unsent": self.unsent,
            "batches": [asdict(part) for part in self.parts],
            "progress": None if self.progress is None else self.progress.to_dict(),
            "cancelled": self.cancelled,
            "embed": self.order.command(),
        }


def submit(
    path: Path,
    order: Order | None = None,
    *,
    packing: Packing | None = None,
    max_cost: float | None = None,
    refused: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    confirm: Callable[[], bool] | None = None,
    on_done: Callable[[int], None] | None = None,
    on_part: Callable[[Part], None] | None = None,
) -> Status:
    """Send a job to the Batch API, or go on sending it.

    The first time its texts are prepared, deduplicated and looked up as `veclab embed` would, and
    what is not in the cache goes into request files in the folder. Later, or after a kill, it
    goes on where it was: what is finished is fetched, and only what lacks a vector is sent again.

    Args:
        path: the job's folder, made if need be.
        order: what to embed; None for a job that is there already.
        packing: limits of requests and files, the account's queue among them.
        max_cost: dollars; when this run would cost more, nothing is sent.
        refused: send again what the endpoint refused.
        on_plan: called with the plan.
        confirm: called before anything is sent; False stops.
        on_done: called with the number of texts packed since the last call.
        on_part: called with each file that was sent.

    Raises:
        InputError: the folder holds another job, or something else; and what reading raises.
        EmptyText, TextTooLong: the policy is `error`.
        CostTooHigh: of `max_cost`; what was packed stays.
        ModelUnavailable, ProviderError: no key, a wrong one, no connection.
        OutputError: the folder cannot be written.
    """
    packing = packing or Packing()
    with _job(path, order) as folder:
        said, order = order, Order.from_dict(folder.manifest.request)
        remote = _connect(folder, order, said)
        again = left = 0
        with Cache.open() as cache:
            if not folder.manifest.packed:
                _pack(folder, order, cache, packing, on_done)
            else:
                settle(folder, remote)
                if answered_by_another(folder):
                    _look(order)
                answers.fetch(folder, remote, cache)
                revive(folder, packing)
                opening = _opening(order.load(False).provider)
                again, left = pack_again(folder, cache, packing, opening, refused=refused)
            plan = _plan(folder, order, again, left)
            if on_plan is not None:
                on_plan(plan)
            _check_cost(plan, max_cost, path)
            if plan.bill.files and (confirm is None or confirm()):
                send(folder, remote, packing.batch_tokens, on_part)
            return _status(folder, order)


def status(path: Path) -> Status:
    """Ask how far a job's batches are; a batch that turns out to be there twice is cancelled.

    Raises:
        InputError: there is no job.
        ModelUnavailable, ProviderError: no key, a wrong one, no connection.
    """
    with JobFolder.open(path) as folder:
        order = Order.from_dict(folder.manifest.request)
        answers.refresh(folder, _connect(folder, order))
        return _status(folder, order)


def fetch(path: Path, on_done: Callable[[int], None] | None = None) -> Status:
    """Bring the answers of finished batches into the cache; may be repeated at any time.

    Args:
        path: the job's folder.
        on_done: called with the number of inputs read since the last call.

    Raises:
        InputError: there is no job.
        BadVectors: a file did not come whole.
        CacheError: the cache cannot be written.
        ModelUnavailable, ProviderError: no key, a wrong one, no connection.
    """
    with JobFolder.open(path) as folder, Cache.open() as cache:
        order = Order.from_dict(folder.manifest.request)
        progress = answers.fetch(folder, _connect(folder, order), cache, on_done)
        return _status(folder, order, progress)


def write(path: Path, output: Path, on_done: Callable[[int], None] | None = None) -> Report:
    """Write the vectors of a job that is complete to a Parquet file; buys nothing.

    Raises:
        VeclabError: vectors are missing.
        InputError, OutputError: see `veclab.corpus.embed_file.embed_file`.
    """
    from veclab.corpus.embed_file import embed_file

    with JobFolder.open(path) as folder:
        order = Order.from_dict(folder.manifest.request)
        with Cache.open() as cache:
            if not survey(folder, cache).complete:
                raise VeclabError(f"{output} was not written: vectors are still missing")
    _trust(order)
    model, source = order.load(), order.open()
    policies = {**order.policies, **order.writing, "max_cost": 0.0}
    return embed_file(model, source, output, **policies, on_done=on_done)


@contextmanager
def _job(path: Path, order: Order | None) -> Iterator[JobFolder]:
    """Open the job in a folder, or make it; raises InputError when it is another."""
    if (path / "job.json").is_file():
        with JobFolder.open(path) as folder:
            there = Order.from_dict(folder.manifest.request)
            words = [] if order is None else there.difference(order)
            if words and folder.manifest.packed:
                raise InputError(
                    f"the job in {path} is another one: {'; '.join(words)}. Give another --job, or "
                    f"continue this one, without other options: "
                    f"{typed('batch', 'submit', '--job', path)}"
                )
            if order is not None and words:  # it had not really begun
                folder.manifest.request, folder.manifest.endpoint = order.to_dict(), None
                folder.save()
            yield folder
        return
    if order is None:
        raise InputError(f"there is no job in {path}: give an INPUT and a model to begin one")
    manifest = Manifest(uuid.uuid4().hex, time.time(), order.to_dict())
    with JobFolder.create(path, manifest) as folder:
        yield folder


def _trust(order: Order, said: Order | None = None) -> None:
    """Refuse an endpoint that only the job names, and neither the user (`said`) nor earlier use."""
    url = order.loading.get("base_url")
    if url is not None and (said is None or said.loading.get("base_url") != url):
        require_used(normal_url(url), "this job takes its vectors")


def _connect(folder: JobFolder, order: Order, said: Order | None = None) -> Remote:
    _trust(order, said)
    access = find_access(order.loading.get("base_url"))
    access.key()  # without one it fails here, before any work
    recorded = folder.manifest.endpoint
    if recorded is None:
        folder.manifest.endpoint = access.url
        folder.save()
    elif recorded != access.url:
        raise InputError(
            f"the job in {folder.path} was submitted to {recorded}, not to {access.url}: set "
            "OPENAI_BASE_URL to that"
        )
    return Remote(access, folder.manifest.job, folder.manifest.created)


def _pack(
    folder: JobFolder,
    order: Order,
    cache: Cache,
    packing: Packing,
    on_done: Callable[[int], None] | None,
) -> None:
    source = order.open()
    model = order.load(cache)
    run = model.start(**order.policies, on_done=on_done)
    provider = model.provider
    assert isinstance(provider, OpenAIModel)
    opening = _opening(provider)
    blocks = None
    if order.writing.get("chunks"):
        from veclab.corpus.embed_file import check_chunks
        from veclab.corpus.passages import blocks_of, check_passages

        check_chunks(order.policies.get("on_long"))
        check_passages(source.schema, model.max_tokens)
        role, prepare = order.policies.get("role"), order.policies.get("prepare", ())
        blocks = blocks_of(source, model, role, prepare, chunks=True)
    pack_job(folder, run, source, provider.text_of, provider.request, packing, opening, blocks)


def _look(order: Order) -> None:
    """Find out by one small request which model is there now; answers of batches are older."""
    provider = order.load(False).provider
    assert isinstance(provider, OpenAIModel)
    with suppress(SpaceMismatch):  # it is remembered, and the job goes on with it
        provider.look()


def _opening(provider: Any) -> Opening:
    assert isinstance(provider, OpenAIModel)
    return Opening(TWICE, sum(provider.counter.count(TWICE)))


def _plan(folder: JobFolder, order: Order, again: int, left: int) -> Plan:
    held = bill(folder)
    access = find_access(order.loading.get("base_url"))
    price = find_price(order.model.removeprefix(OPENAI), access.endpoint)
    return Plan(
        bill=held,
        dollars=None if price is None else price.dollars(held.tokens, batch=True),
        full_dollars=None if price is None else price.dollars(held.tokens),
        as_of=None if price is None else price.as_of,
        report=Report.from_dict(folder.manifest.plan),
        again=again,
        refused=left,
        order=order,
    )


def _check_cost(plan: Plan, max_cost: float | None, path: Path) -> None:
    if max_cost is None or not plan.bill.files:
        return
    if plan.dollars is None:
        raise CostTooHigh(
            f"the price of {plan.order.model} is not known, so a limit cannot be applied: add it "
            "to prices.json (docs/openai.md), or leave the limit out. Nothing was sent"
        )
    if plan.dollars > max_cost:
        raise CostTooHigh(
            f"sending {plan.bill.tokens:,} tokens would cost {plan.dollars:.4f} dollars, over the "
            f"limit of {max_cost:.4f}. Nothing was sent; what is packed is in {path}, and "
            f"{typed('batch', 'submit', '--job', path)} with a higher --max-cost continues"
        )


def _status(folder: JobFolder, order: Order, progress: Progress | None = None) -> Status:
    manifest = folder.manifest
    return Status(
        path=folder.path,
        parts=list(manifest.parts),
        progress=progress,
        order=order,
        cancelled=list(manifest.cancelled),
    )
