"""What one target's delivery counts, beside the metrics that every worker has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

SENT, DIGESTED, REFUSED, FAILED, RESENT = "sent", "digested", "refused", "failed", "resent"
"""Outcomes of pages: sent singly; sent within a digest; given up; an attempt that failed (the page is held); sent
again for those that forget."""


class DeliveryMetrics:
    def __init__(self, target: str, registry: CollectorRegistry) -> None:
        self._target = target
        self._pages = Counter(
            "faultline_pages_total", "Pages by target and outcome", ["target", "outcome"], registry=registry
        )
        self._held = Gauge("faultline_pages_held", "Pages that wait to be delivered", ["target"], registry=registry)
        self._open = Gauge(
            "faultline_breaker_open", "1 while a target is left alone after failures", ["target"], registry=registry
        )
        self._held.labels(target).set(0)
        self._open.labels(target).set(0)
        for outcome in (SENT, DIGESTED, REFUSED, FAILED, RESENT):
            self._pages.labels(target, outcome).inc(0)

    def pages(self, outcome: str, count: int) -> None:
        self._pages.labels(self._target, outcome).inc(count)

    def held(self, count: int) -> None:
        self._held.labels(self._target).set(count)

    def breaker(self, open: bool) -> None:
        self._open.labels(self._target).set(int(open))
