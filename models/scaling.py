"""Robust scaling with the time of day: what is left of a feature after what that quarter of an hour usually brings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.periods import Places

SLOTS = 96
"""Quarters of an hour in a local day."""

MIN_DAYS = 2
MIN_SLOT_ROWS = 8
FLOOR = 0.02
"""Least scale of a feature, as a share of its range in training: else quiet ones turn rounding noise into alarms."""

LIMIT = 50.0
"""Scaled values are held to ±LIMIT: further out, distance says no more."""

CHANCE = 0.5
"""Spread of the root of a number that comes by chance alone (Poisson)."""

_VIEWS = ((0.5, 1.4826), (0.9, 1 / 1.645), (0.995, 1 / 6), (1.0, 1 / 10))
"""Quantiles of the absolute deviation, each as a scale. The first two are a normal spread's own; the last two only
matter for features that rest and jump: what they are known to do is then no more than 6 and 10 spreads away."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Expected value per day class, slot and feature, and one scale per feature.

    `centre` is (2, 96, d): working days and weekends. Between the middles of two slots the centre is interpolated.
    `scale` is (d,), infinite for features that never moved in training or were never there: those stay 0.

    `counts` (d,) marks numbers of events: of these it is the roots that are compared. Events that come by chance
    scatter by the root of their number, so one scale holds by day and by night (Bartlett 1936).

    Of what is also `by_chance` a scale of a root is never below that of chance alone, half, and there is one where
    nothing ever moved: that a kind of message never came, or came like a clock, says what would be unusual of it.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    counts: NDArray[np.bool_]

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float64],
        places: Places,
        trusted: float = 1.0,
        counts: NDArray[np.bool_] | None = None,
        by_chance: NDArray[np.bool_] | None = None,
    ) -> Scaler:
        """Learn from n rows (NaN = missing). Slots seen on fewer than two days share the median of all rows.

        Nothing beyond the quantiles `1 − trusted` and `trusted` of a feature has a say in its scale.
        """
        counts = np.zeros(X.shape[1], np.bool_) if counts is None else counts
        centre = _centres(X, places)
        slot, share = slot_position(places.hour)
        expected = _expected(centre, places.weekend, slot, share)
        X, expected = _rooted(X, counts), _rooted(expected, counts)
        scale = _scales(X, X - expected, trusted)
        if by_chance is not None:
            scale = np.where(by_chance, np.maximum(np.where(np.isinf(scale), 0.0, scale), CHANCE), scale)
        return cls(centre, scale, counts)

    def transform(self, X: NDArray[np.float64], places: Places) -> NDArray[np.float64]:
        """(n, d) scaled values, NaN where missing; each row by itself."""
        slot, share = slot_position(places.hour)
        return _scaled(np.ascontiguousarray(X), self.centre, self.scale, self.counts, places.weekend, slot, share)

    def expected(self, places: Places, columns: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """(n, d) expected values, of some of the features if these are given."""
        slot, share = slot_position(places.hour)
        centre = self.centre if columns is None else np.ascontiguousarray(self.centre[:, :, columns])
        return _expected(centre, places.weekend, slot, share)

    def to_arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"centre": self.centre, "scale": self.scale, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Scaler:
        """Raises ValueError where the arrays do not fit together."""
        centre = array_of(arrays, "centre", np.float64, axes=3)
        scale, counts = array_of(arrays, "scale", np.float64), array_of(arrays, "counts", np.bool_)
        if (
            counts.shape != scale.shape
            or centre.shape != (2, SLOTS, len(scale))
            or not np.isfinite(centre).all()
            or not (scale > 0).all()
        ):
            raise ValueError("the arrays are no scaler")
        return cls(centre, scale, counts)


def slot_position(hour: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The slot whose middle lies before a moment (−1 before the day's first), and how far it is to the next."""
    at = hour * (SLOTS / 24) - 0.5
    slot = np.floor(at).astype(np.int64)
    return slot, at - slot


def _rooted(X: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n, d) with the roots of numbers of events in their place."""
    return np.where(counts, np.sqrt(np.maximum(X, 0.0)), X) if counts.any() else X


def _centres(X: NDArray[np.float64], places: Places) -> NDArray[np.float64]:
    """Medians by day class and slot, smoothed with the neighbours (1-2-1)."""
    whole = _median(X)
    centre = np.empty((2, SLOTS, X.shape[1]))
    slots = np.minimum((places.hour * (SLOTS / 24)).astype(np.int64), SLOTS - 1)
    for weekend in range(2):
        rows = np.flatnonzero(places.weekend == bool(weekend))
        known = np.full((SLOTS, X.shape[1]), np.nan)
        if len(np.unique(places.day[rows])) >= MIN_DAYS:
            for slot in np.unique(slots[rows]):
                own = rows[slots[rows] == slot]
                if len(own) >= MIN_SLOT_ROWS and len(np.unique(places.day[own])) >= MIN_DAYS:
                    known[slot] = _median(X[own], whole)
        centre[weekend] = _smooth(known, whole)
    return centre


def _smooth(known: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Known slots averaged with known neighbours; unknown ones take the nearest known one of that feature."""
    there = ~np.isnan(known[:, 0])
    if not there.any():
        return np.broadcast_to(whole, known.shape).copy()
    filled = np.where(there[:, None], known, 0.0)
    weight, total = 2.0 * there, 2.0 * filled
    for step in (-1, 1):
        weight = weight + np.roll(there, step)
        total = total + np.roll(filled, step, axis=0)
    smooth: NDArray[np.float64] = total / np.maximum(weight, 1.0)[:, None]
    places = np.arange(SLOTS)
    found = places[there]
    gap = np.abs(places[:, None] - found)
    nearest = found[np.argmin(np.minimum(gap, SLOTS - gap), axis=1)]
    spread: NDArray[np.float64] = smooth[nearest]
    return spread


def _median(X: NDArray[np.float64], default: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Column medians of what is there; where nothing is, `default` (else 0)."""
    ordered = np.sort(X, axis=0)  # NaN last
    count = np.count_nonzero(~np.isnan(X), axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    columns = np.arange(X.shape[1])
    middle = 0.5 * ordered[low, columns] + 0.5 * ordered[np.minimum(high, len(X) - 1), columns]
    return np.where(count > 0, middle, 0.0 if default is None else default)


def _scales(X: NDArray[np.float64], residual: NDArray[np.float64], trusted: float) -> NDArray[np.float64]:
    """The largest of several views of the spread; infinite if nothing moved."""
    there = np.count_nonzero(~np.isnan(X), axis=0)
    safe = np.where(np.isnan(X), np.where(there > 0, _median(X), 0.0), X)
    size = np.where(np.isnan(residual), 0.0, np.abs(residual))
    extent = np.quantile(safe, trusted, axis=0) - np.quantile(safe, 1.0 - trusted, axis=0)
    spread = np.max([part * np.quantile(size, share, axis=0) for share, part in _VIEWS if share <= trusted], axis=0)
    least = np.maximum(FLOOR * extent, 1e-12 * np.maximum(1.0, np.abs(_median(X))))
    moved = (safe.max(axis=0) > safe.min(axis=0)) & (there >= 2)
    return np.where(moved, np.maximum(spread, least), np.inf)


@njit(cache=True)
def _expected(
    centre: NDArray[np.float64],
    weekend: NDArray[np.bool_],
    slot: NDArray[np.int64],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    n, d = len(slot), centre.shape[2]
    out = np.empty((n, d))
    for i in range(n):
        day = centre[1 if weekend[i] else 0]
        a, b = max(slot[i], 0), min(slot[i] + 1, len(day) - 1)
        for j in range(d):
            out[i, j] = day[a, j] + share[i] * (day[b, j] - day[a, j])
    return out


@njit(cache=True)
def _scaled(
    X: NDArray[np.float64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
    counts: NDArray[np.bool_],
    weekend: NDArray[np.bool_],
    slot: NDArray[np.int64],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    n, d = X.shape
    out = np.empty((n, d))
    for i in range(n):
        day = centre[1 if weekend[i] else 0]
        a, b = max(slot[i], 0), min(slot[i] + 1, len(day) - 1)
        for j in range(d):
            x, expected = X[i, j], day[a, j] + share[i] * (day[b, j] - day[a, j])
            if counts[j]:
                x = math.sqrt(x) if x > 0.0 else 0.0 * x  # NaN stays
                expected = math.sqrt(max(expected, 0.0))
            z = (x - expected) / scale[j]
            out[i, j] = min(max(z, -LIMIT), LIMIT) if z == z else z
    return out
