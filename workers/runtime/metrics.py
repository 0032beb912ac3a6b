"""Prometheus metrics of a worker, updated once per batch or commit. Base units; bounded labels."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workers.runtime.errors import WorkerError

_COMMIT_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Every metric that a worker has, by one name each. Label `worker` is constant for a process."""

    def __init__(self, worker: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._worker = worker

        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(f"faultline_{name}", text, ["worker", *more], registry=self.registry)

        def gauge(name: str, text: str, *more: str) -> Gauge:
            return Gauge(f"faultline_{name}", text, ["worker", *more], registry=self.registry)

        self._state = counter("state_seconds_total", "Time per state; adds up to about one second a second", "state")
        self._outcomes = counter("records_total", "Input records and events by outcome", "outcome")
        self._outputs = counter("outputs_total", "Records produced by topic", "topic")
        self._dead = counter("dead_letters_total", "Dead letters by error class", "error_class")
        self._aborts = counter("aborted_transactions_total", "Transactions aborted and sent again, by cause", "cause")
        self._unknown = counter("unknown_outcomes_total", "Transactions whose outcome had to be asked for")
        self._verdicts = counter("verdicts_total", "What became of slices of failed transactions", "verdict")
        self._recoveries = counter("recoveries_total", "Partitions loaded, by how", "how")
        self._checkpoints = counter("checkpoints_total", "Checkpoints by result", "result")
        self._rebalances = counter("rebalances_total", "Partitions that came and went", "event")
        self._ticks = counter("ticks_total", "Ticks appended to quiet partitions")
        self._commit = Histogram(
            "faultline_commit_seconds",
            "Duration of one commit",
            ["worker"],
            buckets=_COMMIT_BUCKETS,
            registry=self.registry,
        )
        self._lag = gauge("lag_records", "Records between the log's end and the next one to take", "topic", "partition")
        self._watermark = gauge("watermark_delay_seconds", "Wall clock minus watermark", "topic", "partition")
        self._headroom = gauge(
            "rebuild_headroom_records", "Records between the log's start and the rebuild point", "topic", "partition"
        )
        self._owned = gauge("partitions", "Partitions by state", "state")

    @contextmanager
    def state(self, name: str) -> Iterator[None]:
        """Everything inside counts as time in this state (a commit during a rebalance counts as polling, too)."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._state.labels(self._worker, name).inc(time.monotonic() - start)

    def counted(self, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            if count:
                self._outcomes.labels(self._worker, name).inc(count)

    def produced(self, topic: str, count: int) -> None:
        self._outputs.labels(self._worker, topic).inc(count)

    def dead_letter(self, error_class: str) -> None:
        self._dead.labels(self._worker, error_class).inc()

    def aborted(self, error: WorkerError) -> None:
        self._aborts.labels(self._worker, str(error).split(":", 1)[0][:40]).inc()

    def unknown_outcome(self, error: WorkerError) -> None:
        self._unknown.labels(self._worker).inc()

    def verdict(self, name: str) -> None:
        self._verdicts.labels(self._worker, name).inc()

    def recovered(self, how: str) -> None:
        self._recoveries.labels(self._worker, how).inc()

    def checkpoint(self, result: str) -> None:
        self._checkpoints.labels(self._worker, result).inc()

    def rebalanced(self, event: str, count: int) -> None:
        self._rebalances.labels(self._worker, event).inc(count)

    def ticked(self) -> None:
        self._ticks.labels(self._worker).inc()

    def committed(self, seconds: float) -> None:
        self._commit.labels(self._worker).observe(seconds)

    def position(self, topic: str, partition: int, lag: int, delay: float | None, headroom: int) -> None:
        where = (self._worker, topic, str(partition))
        self._lag.labels(*where).set(lag)
        self._headroom.labels(*where).set(headroom)
        if delay is not None:
            self._watermark.labels(*where).set(delay)

    def forget(self, topic: str, partition: int) -> None:
        """A partition went away: its gauges would otherwise stand still for ever."""
        for gauge in (self._lag, self._watermark, self._headroom):
            try:
                gauge.remove(self._worker, topic, str(partition))
            except KeyError:
                continue

    def owned(self, loaded: int, loading: int) -> None:
        self._owned.labels(self._worker, "loaded").set(loaded)
        self._owned.labels(self._worker, "loading").set(loading)
