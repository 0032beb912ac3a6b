"""One-class support vector machine: scikit-learn finds the boundary, a compiled kernel sum scores against it.

Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the Support of a High-Dimensional Distribution"
(Neural Computation 2001), with a Gaussian kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of, number_of
from models.detectors.base import Arrays, Matrix, check_training
from models.detectors.distances import (
    BLOCK,
    Single,
    in_spreads,
    read_reference,
    reference_of,
    spread_of,
    squared_distances,
    thinned,
)

LEARNED = 2_000
NU = 0.05
"""At most this share of the training rows lies outside, at least this share are support vectors."""

_LARGEST = 1e100
"""Beyond it products of these numbers may have no value."""


@dataclass(frozen=True, slots=True)
class OneClassSVM:
    """`reference` (d, m): the support vectors in units of `spread` (d,), with their `weight` (m,); `gamma` the
    kernel's, `offset` that of the boundary.

    The raw score is log offset − log Σ weight·exp(−gamma·distance²), above 0 outside. It ranks as the library's
    difference of the two does; but that one ends at `offset` for all that is far, and so has no tail to calibrate. A
    feature's explanation is its part in the squared distances to the support vectors, by what each adds to the sum.
    """

    kind: ClassVar[str] = "one_class_svm"
    spread: NDArray[np.float64]
    reference: Single
    weight: NDArray[np.float64]
    gamma: float
    offset: float

    @property
    def width(self) -> int:
        return len(self.spread)

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> OneClassSVM:
        from sklearn.svm import OneClassSVM as Trained

        check_training(X)
        spread = spread_of(X)
        rows = in_spreads(thinned(X, LEARNED), spread).astype(np.float64)
        variance = float(rows.var())
        gamma = 1.0 / (rows.shape[1] * variance) if variance > 0.0 else 1.0
        trained = Trained(kernel="rbf", gamma=gamma, nu=NU).fit(rows)
        vectors = np.asarray(trained.support_vectors_, np.float64)
        weight = np.asarray(trained.dual_coef_, np.float64).ravel()
        return cls(spread, reference_of(vectors, np.ones(len(spread))), weight, gamma, float(-trained.intercept_[0]))

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return _beyond(self.reference, in_spreads(X, self.spread), self.weight, self.gamma, math.log(self.offset))

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return _parts(self.reference, in_spreads(X[rows], self.spread), self.weight, self.gamma)

    def to_arrays(self) -> Arrays:
        return {
            "spread": self.spread,
            "reference": self.reference,
            "weight": self.weight,
            "gamma": np.array(self.gamma),
            "offset": np.array(self.offset),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> OneClassSVM:
        spread, reference = read_reference(arrays, LEARNED)
        weight = array_of(arrays, "weight", np.float64)
        gamma, offset = number_of(arrays, "gamma"), number_of(arrays, "offset")
        if weight.shape != reference.shape[1:] or not ((weight > 0) & (weight < _LARGEST)).all():
            raise ValueError("the weights are none of support vectors")
        if not (0 < gamma < _LARGEST and 0 < offset < _LARGEST):
            raise ValueError(f"gamma {gamma} and offset {offset} are no kernel's")
        return cls(spread, reference, weight, gamma, offset)


@njit(cache=True)
def _beyond(
    reference: Single, rows: Single, weight: NDArray[np.float64], gamma: float, log_offset: float
) -> NDArray[np.float64]:
    n, m = len(rows), reference.shape[1]
    out = np.empty(n)
    squares = np.empty((BLOCK, m), np.float32)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        squared_distances(reference, rows, start, size, squares)
        for i in range(size):
            near = np.float64(squares[i].min())  # in relation to it: far outside, the sum itself would vanish
            total = 0.0
            for r in range(m):
                total += weight[r] * math.exp(-gamma * (np.float64(squares[i, r]) - near))
            out[start + i] = log_offset - math.log(total) + gamma * near
    return out


@njit(cache=True)
def _parts(reference: Single, rows: Single, weight: NDArray[np.float64], gamma: float) -> Matrix:
    """(n, d), the kernel in relation to the nearest vector's."""
    n, d, m = len(rows), len(reference), reference.shape[1]
    out = np.zeros((n, d))
    squares = np.empty((1, m), np.float32)
    for i in range(n):
        squared_distances(reference, rows, i, 1, squares)
        near = np.float64(squares[0].min())
        for r in range(m):
            share = weight[r] * math.exp(-gamma * (np.float64(squares[0, r]) - near))
            for j in range(d):
                step = np.float64(reference[j, r]) - np.float64(rows[i, j])
                out[i, j] += share * step * step
    return out
