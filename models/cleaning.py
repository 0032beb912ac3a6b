"""Finding what is plainly anomalous in training data, before anything is learned from it.

Rolling windows smear an anomaly over the rows behind it: of data with one anomalous row in a hundred, six in a hundred
rows can be disturbed, and a calibration on them would call the anomaly usual. So whole stretches are left out: each
peak far outside of what the body of the scores leads one to expect, with its surroundings as far as they are raised.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.detectors.deviation import Deviation
from models.periods import Places
from models.scaling import Scaler

TRUSTED = 0.9
"""Share of the rows that the scale goes by here: up to a tenth may be disturbed."""

PEAK = 10.0
"""How many times the body's slope above its median a peak lies: e⁻¹⁰ if the tail were exponential."""

RAISED = 2.0
"""How many times it a row must be to belong to the stretch around a peak."""

MOST = 0.3
"""At most this share of the rows is left out, whatever they look like."""


def plainly_anomalous(
    X: NDArray[np.float64], places: Places, series: NDArray[np.int32], contamination: float
) -> NDArray[np.bool_]:
    """(n,) whether a row is to be left out of training; X (n, d) in time order within each series.

    At most `contamination` · n peaks are followed, the highest first.
    """
    scaled = Scaler.fit(X, places, TRUSTED).transform(X, places)
    score = Deviation(X.shape[1]).score(scaled)
    middle, high = np.quantile(score, (0.5, 0.9))
    slope = float(high - middle) / math.log(5.0)
    out = np.zeros(len(X), np.bool_)
    if slope <= 0.0:
        return out
    raised = score > middle + RAISED * slope
    starts, stops = stretches(raised, series)
    peaks = np.maximum.reduceat(score, starts) if len(starts) else np.empty(0)  # unraised rows between do not exceed
    most = math.ceil(contamination * len(X))
    for stretch in np.argsort(-peaks, kind="stable")[:most].tolist():
        if peaks[stretch] <= middle + PEAK * slope:
            break
        rows = slice(int(starts[stretch]), int(stops[stretch]))
        if np.count_nonzero(out) + rows.stop - rows.start > MOST * len(X):
            break
        out[rows] = True
    return out


def stretches(raised: NDArray[np.bool_], series: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where runs of raised rows of one series begin and end (exclusive)."""
    breaks = np.append(True, series[1:] != series[:-1])
    before = np.append(False, raised[:-1]) & ~breaks
    after = np.append(raised[1:], False) & ~np.append(breaks[1:], True)
    return np.flatnonzero(raised & ~before), np.flatnonzero(raised & ~after) + 1
