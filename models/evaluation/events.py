"""How good alarms are event by event: unbroken runs of anomalous rows found, alarms outside of them, and delays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.evaluation.points import ratio
from models.evaluation.streams import Stream, spans

MINUTE = 60_000_000
HOUR = 60 * MINUTE

TOLERANCE = 30 * MINUTE
"""Alarms this long before or after an event count neither for nor against: people draw its edges roughly."""

SOON = 30.0
"""Minutes within which an event should be found."""

_SHARES = 1.0 - np.geomspace(1e-4, 0.3, 200)
"""Quantiles of the score that are tried as thresholds: one row in ten thousand flagged, up to a third."""


@dataclass(frozen=True, slots=True)
class EventCount:
    """`delays` has the minutes to the first flagged row of each event that was found; `days` are entity-days."""

    events: int
    delays: tuple[float, ...]
    false_alarms: int
    days: float

    @classmethod
    def of(cls, stream: Stream, flagged: NDArray[np.bool_] | None = None) -> Self:
        """Count. An alarm outside of events that goes on is raised again every hour: flagging all is not free."""
        flagged = stream.flagged if flagged is None else flagged
        found = spans(stream.label)
        at = np.flatnonzero(flagged)
        first = np.append(at, len(flagged))[np.searchsorted(at, found[:, 0])]
        hit = first <= found[:, 1]
        delays = (stream.time[first[hit]] - stream.time[found[hit, 0]]) / MINUTE
        outside = spans(flagged & ~_near(stream, found))
        an_hour = max(1, round(HOUR / stream.step)) if stream.step else 1
        alarms = int(np.ceil((outside[:, 1] - outside[:, 0] + 1) / an_hour).sum())
        return cls(len(found), tuple(delays.tolist()), alarms, stream.days)

    @classmethod
    def sum(cls, counts: Sequence[EventCount]) -> Self:
        """Over several entities."""
        return cls(
            sum(one.events for one in counts),
            tuple(delay for one in counts for delay in one.delays),
            sum(one.false_alarms for one in counts),
            sum(one.days for one in counts),
        )

    @property
    def found(self) -> int:
        return len(self.delays)

    @property
    def f1(self) -> float:
        return ratio(2 * self.found, self.found + self.false_alarms + self.events)

    def figures(self) -> Mapping[str, float]:
        """NaN where there is nothing to divide by, and no delay where nothing was found."""
        return {
            "event_precision": ratio(self.found, self.found + self.false_alarms),
            "event_recall": ratio(self.found, self.events),
            "event_f1": self.f1,
            "false_alarms_per_day": ratio(self.false_alarms, self.days),
            "delay_minutes": float(np.median(self.delays)) if self.delays else float("nan"),
            "found_within_30min": ratio(sum(delay <= SOON for delay in self.delays), self.events),
        }


def best_event_f1(stream: Stream) -> float:
    """The event F1 of the best threshold that labels could choose: what the ranking allows, no result. NaN without."""
    if not stream.label.any():
        return float("nan")
    thresholds = np.unique(np.quantile(stream.score, _SHARES))
    return max(EventCount.of(stream, stream.score > threshold).f1 for threshold in thresholds.tolist())


def _near(stream: Stream, found: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Rows in an event or within the tolerance of one."""
    time = stream.time
    opens = np.searchsorted(time, time[found[:, 0]] - TOLERANCE, side="left")
    closes = np.searchsorted(time, time[found[:, 1]] + TOLERANCE, side="right")
    depth = np.zeros(len(time) + 1, np.int64)
    np.add.at(depth, opens, 1)
    np.add.at(depth, closes, -1)
    inside: NDArray[np.bool_] = np.cumsum(depth)[:-1] > 0
    return inside
