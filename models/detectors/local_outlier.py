"""Local outlier factor: how much thinner the training rows lie around a row than around its neighbours.

Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers" (SIGMOD 2000), for rows that are not
among the training rows themselves (scikit-learn's `novelty=True`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.detectors.base import Arrays, Matrix, check_training
from models.detectors.distances import (
    LIMIT,
    Single,
    in_spreads,
    parts_of_distances,
    read_reference,
    reference_of,
    search,
    spread_of,
    thinned,
)

REFERENCE = 2_000
NEAREST = 20

_LEAST = 1e-10
"""Added to mean distances, so that rows on top of each other have a density."""

_ROUNDING = 1e-3
"""Of distances, in single precision."""


@dataclass(frozen=True, slots=True)
class LocalOutlier:
    """`reference` (d, m): training rows in units of `spread` (d,); `reach` (m,) their distance to their own k-th
    neighbour, `density` (m,) their local reachability density.

    The raw score is the factor itself, about 1 inside; a feature's explanation its part in the squared distances.
    """

    kind: ClassVar[str] = "local_outlier_factor"
    spread: NDArray[np.float64]
    reference: Single
    reach: NDArray[np.float64]
    density: NDArray[np.float64]

    @property
    def width(self) -> int:
        return len(self.spread)

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> LocalOutlier:
        check_training(X)
        spread = spread_of(X)
        kept = thinned(X, REFERENCE)
        reference = reference_of(kept, spread)
        m = len(kept)
        if m == 1:
            return cls(spread, reference, np.zeros(1), np.array([1.0 / _LEAST]))
        # Each row is its own nearest one, or stands among its equals: one more is asked for, and itself left out.
        distance, which = search(reference, in_spreads(kept, spread), min(NEAREST, m - 1) + 1)
        distance, which = _without_oneself(distance, which)
        reach = distance[:, -1].copy()
        return cls(spread, reference, reach, _densities(distance, which, reach))

    def score(self, X: Matrix) -> NDArray[np.float64]:
        distance, which = search(self.reference, in_spreads(X, self.spread), self._nearest)
        return _factors(_densities(distance, which, self.reach), which, self.density)

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return parts_of_distances(self.reference, in_spreads(X[rows], self.spread), self._nearest)

    @property
    def _nearest(self) -> int:
        return max(1, min(NEAREST, int(self.reference.shape[1]) - 1))

    def to_arrays(self) -> Arrays:
        return {"spread": self.spread, "reference": self.reference, "reach": self.reach, "density": self.density}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LocalOutlier:
        spread, reference = read_reference(arrays, REFERENCE)
        reach, density = (array_of(arrays, name, np.float64) for name in ("reach", "density"))
        furthest = 2.0 * LIMIT * math.sqrt(len(spread)) * (1.0 + _ROUNDING)
        fits = (
            reach.shape == density.shape == reference.shape[1:]
            and bool(((reach >= 0) & (reach <= furthest)).all())
            and bool(((density >= 1.0 / (furthest + _LEAST)) & (density <= 1.0 / _LEAST)).all())
        )
        if not fits:
            raise ValueError("reach and density are none of the reference's rows")
        return cls(spread, reference, reach, density)


@njit(cache=True)
def _without_oneself(
    distance: NDArray[np.float64], which: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of k + 1 neighbours of each reference row the k others; where it is not among them, the k nearest."""
    m, k = distance.shape[0], distance.shape[1] - 1
    near, found = np.empty((m, k)), np.empty((m, k), np.int64)
    for r in range(m):
        at = 0
        for p in range(k + 1):
            if which[r, p] != r and at < k:
                near[r, at], found[r, at] = distance[r, p], which[r, p]
                at += 1
    return near, found


@njit(cache=True)
def _densities(
    distance: NDArray[np.float64], which: NDArray[np.int64], reach: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) one over the mean reachability distance to the neighbours."""
    n, k = distance.shape
    out = np.empty(n)
    for i in range(n):
        total = 0.0
        for p in range(k):
            total += max(distance[i, p], reach[which[i, p]])
        out[i] = 1.0 / (total / k + _LEAST)
    return out


@njit(cache=True)
def _factors(own: NDArray[np.float64], which: NDArray[np.int64], density: NDArray[np.float64]) -> NDArray[np.float64]:
    n, k = which.shape
    out = np.empty(n)
    for i in range(n):
        total = 0.0
        for p in range(k):
            total += density[which[i, p]]
        out[i] = total / k / own[i]
    return out
