"""Arithmetic of histograms: what came since the last reading, and quantiles of that."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bounds = NDArray[np.float64]
Counts = NDArray[np.int64]


@njit(cache=True)
def quantile(bounds: Bounds, counts: Counts, fraction: float) -> float:
    """The value below which that fraction of the observations lies; NaN without any.

    Observations are taken to lie evenly in their bucket. The first bucket begins at 0, or at its own bound where that
    is not above 0; of the last one, which has no end, its beginning is all that is known. (As Prometheus reckons.)
    """
    total = 0.0
    for count in counts:
        total += count
    if total <= 0.0 or len(bounds) == 0:
        return math.nan
    rank, seen = fraction * total, 0.0
    for i in range(len(counts)):
        seen += counts[i]
        if seen >= rank and counts[i] > 0:
            if i == len(bounds):
                return float(bounds[-1])
            low = bounds[i - 1] if i > 0 else min(0.0, bounds[0])
            return float(low + (bounds[i] - low) * (rank - (seen - counts[i])) / counts[i])
    return float(bounds[-1])


@njit(cache=True)
def increase(base_bounds: Bounds, base_counts: Counts, bounds: Bounds, counts: Counts) -> Counts:
    """By bucket of `bounds`, what came to a cumulative histogram since its last reading (`base_…`).

    The older buckets may be finer, as those of exponential histograms are before they are merged, or fewer. If one of
    them, with observations, lies in several new ones, or fewer are counted than before, the histogram has begun anew
    and all of it is new.
    """
    came = counts.copy()
    at = 0
    for i in range(len(base_counts)):
        if base_counts[i] == 0:
            continue
        low = base_bounds[i - 1] if i > 0 else -math.inf
        high = base_bounds[i] if i < len(base_bounds) else math.inf
        while at < len(bounds) and bounds[at] <= low:
            at += 1
        if at < len(bounds) and high > bounds[at]:
            return counts.copy()
        came[at] -= base_counts[i]
    for count in came:
        if count < 0:
            return counts.copy()
    return came
