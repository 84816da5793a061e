"""Figures for Prometheus, by its conventions: base units, few series, no texts and no keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """What the server counts; `text` is what `/metrics` answers."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered.", "route", "status")
        self.seconds = self._histogram(
            "request_seconds", "Time from a request's head to its answer's end.", _SECONDS, "route"
        )
        self.in_flight = self._gauge("requests_in_flight", "Requests being answered.")
        self.rejected = self._counter(
            "rejected_requests", "Requests sent away: the queue was full."
        )
        self.cancelled = self._counter(
            "cancelled_requests",
            "Requests given up: the client left, its time was over, the server ended.",
            "reason",
        )
        for reason in ("left", "deadline", "end"):
            self.cancelled.labels(reason)
        self.texts = self._counter("texts", "Texts embedded for clients.", "model")
        self.tokens = self._counter("tokens", "Tokens of those texts.", "model")
        self.hits = self._counter("cache_hits", "Distinct texts found in the cache.", "model")
        self.computed = self._counter("computed_texts", "Texts that the model read.", "model")
        self.computed_tokens = self._counter(
            "computed_tokens", "Tokens that the model read.", "model"
        )
        self.padding = self._counter("padding_tokens", "Tokens computed as padding.", "model")
        self.batch = self._histogram("batch_texts", "Texts in a batch.", _SIZES, "model")
        self.wait = self._histogram(
            "wait_seconds",
            "Time from a request's arrival to the model's beginning with it.",
            _SECONDS,
            "model",
        )
        self.queue = self._gauge("queue_tokens", "Tokens admitted and not finished.", "model")

    def of_model(self, name: str, padded: bool) -> ModelMetrics:
        """Return the counters of one model."""
        return ModelMetrics(self, name, padded)

    def watch_queue(self, name: str, backlog: Callable[[], float]) -> None:
        """Let a model's queue be asked for when the figures are read."""
        self.queue.labels(name).set_function(backlog)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"veclab_{name}", said, labels, registry=self._registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(f"veclab_{name}", said, labels, registry=self._registry)

    def _histogram(self, name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"veclab_{name}", said, labels, buckets=buckets, registry=self._registry)


class ModelMetrics:
    """The counters of one model."""

    def __init__(self, metrics: Metrics, name: str, padded: bool) -> None:
        self._padded = padded
        self._texts, self._tokens = metrics.texts.labels(name), metrics.tokens.labels(name)
        self._hits, self._computed = metrics.hits.labels(name), metrics.computed.labels(name)
        self._computed_tokens = metrics.computed_tokens.labels(name)
        self._padding, self._batch = metrics.padding.labels(name), metrics.batch.labels(name)
        self._wait = metrics.wait.labels(name)

    def read(self, hits: int) -> None:
        """Count what was found in the cache."""
        if hits:
            self._hits.inc(hits)

    def batch(self, sizes: Sequence[int]) -> None:
        """Count a batch that was computed: the tokens of its texts."""
        tokens = sum(sizes)
        self._computed.inc(len(sizes))
        self._computed_tokens.inc(tokens)
        if self._padded:
            self._padding.inc(max(sizes) * len(sizes) - tokens)
        self._batch.observe(len(sizes))

    def answered(self, texts: int, tokens: int, waited: float | None) -> None:
        """Count a request that was answered."""
        self._texts.inc(texts)
        self._tokens.inc(tokens)
        if waited is not None:
            self._wait.observe(waited)
