"""Mahalanobis distance under the covariance of probabilistic principal components.

Tipping and Bishop, "Probabilistic Principal Component Analysis" (J. R. Statist. Soc. B 1999): the leading components
keep their own variance, all directions across share one. So it sees a metric that is far out as well as metrics that
stop moving together, each of them within its own range.
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
from models.detectors.distances import LIMIT, spread_of

KEPT = 0.9
"""Share of the variance that the leading components explain."""

LEAST = 0.01
"""Least variance of a direction, in squared spreads: rounding is no surprise."""


@dataclass(frozen=True, slots=True)
class Mahalanobis:
    """`components` (q, d), orthonormal rows through `centre` (d,), both in units of `spread` (d,); `inverse` (q + 1,)
    one over the standard deviation along each, and last the one across all of them.

    The raw score is the distance. A feature's explanation is its square in the whitened row Σ^(−1/2)·(x − centre),
    whose squares sum to the squared distance (Garthwaite and Koch 2016, `corr-max`).
    """

    kind: ClassVar[str] = "mahalanobis"
    spread: NDArray[np.float64]
    centre: NDArray[np.float64]
    components: NDArray[np.float64]
    inverse: NDArray[np.float64]

    @property
    def width(self) -> int:
        return len(self.spread)

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Mahalanobis:
        check_training(X)
        spread = spread_of(X)
        rows = np.clip(np.nan_to_num(X, nan=0.0) / spread, -LIMIT, LIMIT)
        centre = rows.mean(axis=0)
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False, bias=True)))
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        moving, total = int(np.count_nonzero(np.isfinite(spread))), float(values.sum())
        kept = int(np.searchsorted(np.cumsum(values), KEPT * total) + 1) if total > 0.0 else 0
        kept = max(0, min(kept, moving - 1))
        across = float(values[kept:].sum()) / max(1, moving - kept)
        components = vectors[:, :kept].T
        strongest = components[np.arange(kept), np.argmax(np.abs(components), axis=1)]
        components = components * np.sign(strongest)[:, None]  # of a direction's two signs always the same
        inverse = 1.0 / np.sqrt(np.maximum(np.append(values[:kept], across), LEAST))
        return cls(spread, centre, np.ascontiguousarray(components), inverse)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return _lengths(self._whitened(X))

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        squares: Matrix = self._whitened(X[rows]) ** 2
        return squares

    def _whitened(self, X: Matrix) -> Matrix:
        return _whitened(np.ascontiguousarray(X), self.spread, self.centre, self.components, self.inverse)

    def to_arrays(self) -> Arrays:
        return {
            "spread": self.spread,
            "centre": self.centre,
            "components": self.components,
            "inverse": self.inverse,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Mahalanobis:
        spread, centre, inverse = (array_of(arrays, name, np.float64) for name in ("spread", "centre", "inverse"))
        components = array_of(arrays, "components", np.float64, axes=2)
        kept, d = components.shape
        fits = (
            centre.shape == spread.shape == (d,)
            and kept < d
            and inverse.shape == (kept + 1,)
            and bool((spread > 0).all() and (np.abs(centre) <= LIMIT).all())
            and bool(((inverse > 0) & (inverse <= 1.0 / math.sqrt(LEAST))).all())
        )
        if not fits:
            raise ValueError("the arrays are no Mahalanobis distance")
        if not (np.abs(components) <= 2.0).all() or not np.allclose(components @ components.T, np.eye(kept), atol=1e-6):
            raise ValueError("the components are not orthonormal")
        return cls(spread, centre, components, inverse)


@njit(cache=True)
def _whitened(
    X: Matrix,
    spread: NDArray[np.float64],
    centre: NDArray[np.float64],
    components: NDArray[np.float64],
    inverse: NDArray[np.float64],
) -> Matrix:
    """(n, d). Sums run in the order of features and components, row by row."""
    n, d = X.shape
    kept = len(components)
    out = np.empty((n, d))
    row = np.empty(d)
    for i in range(n):
        for j in range(d):
            x = X[i, j] / spread[j]
            row[j] = (min(max(x, -LIMIT), LIMIT) if x == x else 0.0) - centre[j]
            out[i, j] = row[j] * inverse[kept]
        for q in range(kept):
            share = 0.0
            for j in range(d):
                share += row[j] * components[q, j]
            share *= inverse[q] - inverse[kept]
            for j in range(d):
                out[i, j] += share * components[q, j]
    return out


@njit(cache=True)
def _lengths(rows: Matrix) -> NDArray[np.float64]:
    n, d = rows.shape
    out = np.empty(n)
    for i in range(n):
        total = 0.0
        for j in range(d):
            total += rows[i, j] * rows[i, j]
        out[i] = np.sqrt(total)
    return out
