"""The largest deviations of a vector: the mean of its three largest absolute scaled values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.detectors.base import Arrays, Matrix, check_training, width_of

LARGEST = 3
"""One value alone is often noise, many dilute what only two or three features show."""


_MOST = 1e140
"""Of a deviation in an explanation: sums of squares of it have a value."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """Robust z scores, read together. Learns nothing itself: centre and spread are the scaler's.

    `width` is d. The raw score is the mean of the `min(3, d)` largest |x|; the explanation of a feature is its x².
    """

    kind: ClassVar[str] = "deviation"
    width: int

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Deviation:
        check_training(X)
        return cls(X.shape[1])

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return largest(np.ascontiguousarray(X), min(LARGEST, self.width))

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return squares(np.ascontiguousarray(X), rows)

    def to_arrays(self) -> Arrays:
        return {"width": np.array(self.width, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Deviation:
        return cls(width_of(arrays))


@njit(cache=True)
def largest(X: Matrix, k: int) -> NDArray[np.float64]:
    """Mean of the k largest |x| of each row, by insertion into a sorted list of k."""
    out = np.empty(X.shape[0])
    top = np.empty(k)
    for i in range(X.shape[0]):
        top[:] = 0.0
        for j in range(X.shape[1]):
            x = abs(X[i, j])
            if x > top[k - 1]:  # false for NaN
                p = k - 1
                while p > 0 and top[p - 1] < x:
                    top[p] = top[p - 1]
                    p -= 1
                top[p] = x
        total = 0.0
        for p in range(k):
            total += top[p]
        out[i] = total / k
    return out


@njit(cache=True)
def squares(X: Matrix, rows: NDArray[np.intp]) -> Matrix:
    """x² of some rows, 0 where x is missing; sums of them have a value however large x is."""
    out = np.empty((len(rows), X.shape[1]))
    for i in range(len(rows)):
        for j in range(X.shape[1]):
            x = min(abs(X[rows[i], j]), _MOST)
            out[i, j] = 0.0 if np.isnan(X[rows[i], j]) else x * x
    return out
