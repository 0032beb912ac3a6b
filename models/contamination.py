"""Finding the anomalies that training data is full of: at a rate of one interval in ten even.

So many disturb every mean and quantile that they could be told by. But a view that forgets soon has half of its rows in
order whatever happens, and what is found first makes the rest plainer: so the body of the scores is measured anew
without it, until nothing more comes out. What comes at one time of day on most days is a habit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.cleaning import MOST, RAISED, stretches
from models.detectors.deviation import Deviation
from models.naming import Naming
from models.periods import Places
from models.scaling import Scaler
from models.thresholds import Series
from models.views import View, columns_of

Mask = NDArray[np.bool_]

TRUSTED = 0.9
"""Share of a feature's deviations that its scale goes by: most kinds of anomaly leave most features alone."""

BODY = 0.75
"""Upper end of the part of the scores that their slope is measured on."""

PEAK = 7.0
"""How many times the slope above the median a peak lies: e⁻⁷ if the tail were exponential, and by far less often so."""

ROUNDS = 6

HABIT, HABIT_DAYS = 2 / 3, 3
"""Share of the days, of at least so many, on which a habit comes within the same five minutes."""

_FIVE_MINUTES = 12.0  # of an hour


def anomalies(view: str, named: Naming, X: NDArray[np.float64], places: Places, series: Series) -> Mask:
    """(n,) whether a row of X (n, d), in time order within each entity, is anomalous, as a view shows it.

    At most three rows in ten are named.
    """
    columns = columns_of(view, named.names)
    named, X = named.take(columns), np.ascontiguousarray(X[:, columns])
    found = np.zeros(len(X), np.bool_)
    for _ in range(ROUNDS):
        kept = np.flatnonzero(~found)
        scaled = _scaler(named, X[kept], places.take(kept)).transform(X, places)
        seen = View.fit(view, named, X[kept]).of(X, scaled)
        before, found = found, _peaks(Deviation(seen.shape[1]).score(seen), kept, series.entity)
        if (found == before).all():
            break
    return found & ~_habitual(found, places, series.entity)


def peaks(score: NDArray[np.float64], found: Mask, places: Places, series: Series) -> Mask:
    """The same of anybody's scores (n,), measured by those that are not among what was `found` before."""
    again = _peaks(score, np.flatnonzero(~found), series.entity)
    return again & ~_habitual(again, places, series.entity)


def _scaler(named: Naming, X: NDArray[np.float64], places: Places) -> Scaler:
    return Scaler.fit(X, places, TRUSTED, named.counts, named.of_kinds)


def with_what_follows(found: Mask, series: Series, microseconds: int) -> Mask:
    """The rows found, and those so soon behind that a longer window holds them yet; not where half of all would go."""
    longer = found.copy()
    last, entity = -1, -1
    for i, (time, whose) in enumerate(zip(series.time.tolist(), series.entity.tolist(), strict=True)):
        if whose != entity:
            last, entity = -1, whose
        if found[i]:
            last = time
        longer[i] |= last >= 0 and time - last <= microseconds
    return longer if np.count_nonzero(longer) <= len(longer) / 2 else found


def _peaks(score: NDArray[np.float64], kept: NDArray[np.intp], entity: NDArray[np.int32]) -> Mask:
    """The stretches around peaks of the score, the highest first; its slope is that of the rows that were kept."""
    out = np.zeros(len(score), np.bool_)
    middle, high = np.quantile(score[kept], (0.5, BODY))
    slope = float(high - middle) / math.log(0.5 / (1.0 - BODY))
    starts, stops = stretches(score > middle + RAISED * slope, entity)
    if slope <= 0.0 or len(starts) == 0:
        return out
    peaks = np.maximum.reduceat(score, starts)
    for stretch in np.argsort(-peaks, kind="stable").tolist():
        rows = slice(int(starts[stretch]), int(stops[stretch]))
        if peaks[stretch] <= middle + PEAK * slope or np.count_nonzero(out) + rows.stop - rows.start > MOST * len(out):
            break
        out[rows] = True
    return out


def _habitual(found: Mask, places: Places, entity: NDArray[np.int32]) -> Mask:
    """(n,) whether a row lies in five minutes of the day in which most days have something found."""
    of_day = np.stack([entity.astype(np.int64), (places.hour * _FIVE_MINUTES).astype(np.int64)])
    _, bucket = np.unique(of_day, axis=1, return_inverse=True)
    bucket = bucket.ravel()
    days = _days(bucket, places.day)
    there = np.zeros_like(days)
    some = _days(bucket[found], places.day[found])
    there[: len(some)] = some
    habit: Mask = (days >= HABIT_DAYS) & (there >= HABIT * days)
    return habit[bucket]


def _days(bucket: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many days each bucket has rows on."""
    seen = np.unique(np.stack([bucket, day.astype(np.int64)]), axis=1)[0]
    return np.bincount(seen).astype(np.int64)
