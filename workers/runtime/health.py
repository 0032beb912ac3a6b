"""Liveness is progress while there is work; readiness is: assigned and loaded. And the gauges per partition."""

from __future__ import annotations

from typing import Any

from workers.runtime.clock import Clock
from workers.runtime.loop import Loop
from workers.runtime.metrics import Metrics
from workers.runtime.ports import Source

_STUCK_SECONDS = 120.0
_EVERY_SECONDS = 1.0


class Health:
    """Observed by the worker's thread about every second, asked by the probes' threads."""

    def __init__(self, loop: Loop[Any], source: Source, metrics: Metrics, clock: Clock) -> None:
        self._loop, self._source, self._metrics, self._clock = loop, source, metrics, clock
        self._observed_at = float("-inf")
        self._lag = 0
        self._loading = True

    def observe(self) -> None:
        """Once per cycle; does something about once a second."""
        now = self._clock.monotonic()
        if now - self._observed_at < _EVERY_SECONDS:
            return
        self._observed_at = now
        placed = self._loop.assigned_once or self._source.joined  # who gets no partition stands by, and is ready
        self._loading = not placed or bool(self._loop.loader.wanted)
        lag = 0
        for tp, partition in self._loop.partitions.items():
            bounds = self._source.known_bounds(tp)
            start, end = bounds if bounds else (partition.rebuild.offset, partition.next_offset)
            behind = 0 if partition.at_end else max(0, end - partition.next_offset)
            lag += behind
            delay = self._clock.time() - partition.watermark / 1e6 if partition.watermark > 0 else None
            self._metrics.position(*tp, behind, delay, partition.rebuild.offset - start)
        self._lag = lag

    def alive(self) -> str | None:
        """Stuck is: records are waiting, and none was processed for two minutes; or the cycle itself stands."""
        now = self._clock.monotonic()
        idle = now - self._loop.last_progress
        standing = now - self._loop.last_turn
        if standing > _STUCK_SECONDS:
            return f"the cycle stands since {standing:.0f} s"
        if self._lag and idle > _STUCK_SECONDS:
            return f"{self._lag} records wait and none was processed for {idle:.0f} s"
        return None

    def ready(self) -> str | None:
        return "partitions are being assigned or loaded" if self._loading else None
