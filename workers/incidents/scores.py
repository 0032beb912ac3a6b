"""A score as the lifecycle needs it: few fields, checked, severity as a rank."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEVERITIES = (None, "low", "medium", "high", "critical")
"""By rank; a window that is not anomalous has rank 0."""
LOW, CRITICAL = 1, 4

ROLES = frozenset({"champion", "fallback"})
"""Roles of models whose scores may open incidents. A challenger's never do."""

_RANKS = {name: rank for rank, name in enumerate(SEVERITIES)}
_KEPT_CONTRIBUTIONS = 5


@dataclass(frozen=True, slots=True)
class Contribution:
    """A metric's share in a score. `direction` is `up` or `down`; range and actual value where the score told them."""

    metric: str
    feature: str
    share: float
    direction: str
    actual: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """One scored window of an entity. Times are epoch microseconds, [start, end); `severity` is a rank."""

    score_id: str
    start: int
    end: int
    score: float
    severity: int
    silent: bool
    retired: bool
    regular: bool
    events: int
    contributions: tuple[Contribution, ...]
    note: str
    confidence: float | None = None
    """Of an anomalous window."""

    @property
    def anomalous(self) -> bool:
        return self.severity > 0


def read_window(score: Mapping[str, Any]) -> Window:
    """The window of a decoded `Score` record; what only anomalous ones have is not looked for in the others."""
    anomalous = score["is_anomaly"]
    return Window(
        score_id=score["id"],
        start=score["window_start"],
        end=score["window_end"],
        score=score["anomaly_score"],
        severity=(_RANKS.get(score["severity"]) or LOW) if anomalous else 0,
        silent=score["silent"],
        retired=score["retired"],
        regular=score["regular"],
        events=score["event_count"],
        contributions=_contributions(score) if anomalous else (),
        note=score["note"] if anomalous else "",
        confidence=_finite(score["confidence"]) if anomalous else None,
    )


def _contributions(score: Mapping[str, Any]) -> tuple[Contribution, ...]:
    ranges = {e["metric"]: e for e in score["expected"]}
    found = []
    for one in score["contributions"][:_KEPT_CONTRIBUTIONS]:
        expected = ranges.get(one["metric"], {})
        found.append(
            Contribution(
                metric=one["metric"],
                feature=one["feature"],
                share=_finite(one["share"]) or 0.0,
                direction=one["direction"],
                actual=_finite(expected.get("actual")),
                low=_finite(expected.get("low")),
                high=_finite(expected.get("high")),
            )
        )
    return tuple(found)


def _finite(number: float | None) -> float | None:
    """Without NaN and the infinities, which say here what None says: not known, or no bound."""
    return number if number is not None and math.isfinite(number) else None
