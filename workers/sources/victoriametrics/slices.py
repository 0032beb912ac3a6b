"""The past as a grid of steps, cut into slices that fit into memory and into one answer of the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from workers.sources.columns import metric_events

MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Some steps of all services: `time` (t,) epoch seconds, ascending; `values` (t, s, m), NaN where there is none."""

    time: NDArray[np.int64]
    services: Sequence[str]
    metrics: Sequence[str]
    values: NDArray[np.float64]

    @property
    def end(self) -> int:
        return int(self.time[-1])

    def rows(self) -> tuple[NDArray[np.int64], Strings, NDArray[np.float64]]:
        """Times (epoch microseconds), services and values (n, m) of what has a value, by time and then service."""
        at, who = np.nonzero(np.isfinite(self.values).any(axis=2))
        return self.time[at] * MICROS, Strings(who.astype(np.int32), tuple(self.services)), self.values[at, who]

    def events(self, source: str) -> Events:
        """One event of the kind `metric` for each step of a service that has a value."""
        time, entity, values = self.rows()
        return metric_events(time, entity, "metric", source, list(self.metrics), values)


def aligned(moment: float, step: int) -> int:
    """The last moment of the grid that is not after this one (epoch seconds): a multiple of the step."""
    return int(moment // step) * step


def spans(start: int, end: int, step: int, most: int) -> Iterator[tuple[int, int]]:
    """[first, last] moments of the grid from start to end, both included, `most` moments at a time."""
    at = start
    while at <= end:
        last = min(at + (most - 1) * step, end)
        yield at, last
        at = last + step
