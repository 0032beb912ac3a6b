"""Forecasts of each metric from its own last samples, and how far what came was from them.

A linear autoregression (Box and Jenkins 1970) by ridge regression (Hoerl and Kennard 1970), in closed form. Errors are
held out: contiguous fifths of the training rows are foretold by what the others teach. Their quantiles give the
forecast an interval, which so needs no distribution (Papadopoulos et al. 2002; Lei et al. 2018, split conformal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.detectors.base import Arrays, Matrix, check_training
from models.detectors.distances import FLOOR, LIMIT, mean_of_rows
from models.views import SEQUENCE

RUN = len(SEQUENCE)

RIDGE = 1e-4
"""Added to the mean variance of a forecast's inputs: samples side by side are nearly alike, and there are many rows."""

FOLDS = 5
FEW = 50
"""Of fewer rows none is held out: all of them serve as both."""

INTERVAL = 0.99
"""Share of the samples that the interval is to hold."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sees the view `sequence`: runs of `RUN` values, oldest first, one run a metric; a last run may be shorter.

    Row j of `weights` (d, RUN) foretells feature j by the values of its run before it; of the first it knows nothing.
    `usual` (d,) is the root mean square of the held-out errors, infinite for what never moved. `below` and `above`
    (d // RUN,) are what an interval adds to the forecast of a metric's newest sample, NaN where nothing tells.

    The raw score is the root mean square of a row's errors, each in its usual one and at most LIMIT of them; a
    feature's explanation is its own error squared. The older samples have a say as well: what lasts differs from the
    forecasts of a few steps.
    """

    kind: ClassVar[str] = "forecast"
    weights: NDArray[np.float64]
    usual: NDArray[np.float64]
    below: NDArray[np.float64]
    above: NDArray[np.float64]

    @property
    def width(self) -> int:
        return len(self.usual)

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Forecast:
        check_training(X)
        d = X.shape[1]
        runs = np.pad(X, ((0, 0), (0, -d % RUN))).reshape(len(X), -1, RUN)
        whole: NDArray[np.bool_] = np.all(~np.isnan(runs), axis=2)
        rows = np.where(whole[:, :, None], runs, 0.0)
        weights, error = _learn(rows)
        squares = (error**2).sum(axis=0) / np.maximum(whole.sum(axis=0), 1)[:, None]
        moved = (np.ptp(np.nan_to_num(X, nan=0.0), axis=0) > 0.0) & whole.any(axis=0).repeat(RUN)[:d]
        usual = np.where(moved, np.maximum(np.sqrt(squares).reshape(-1)[:d], FLOOR), np.inf)
        last = np.where(whole, error[:, :, -1], np.nan)[:, : d // RUN]
        below, above = _interval(last)
        return cls(np.ascontiguousarray(weights.reshape(-1, RUN)[:d]), usual, below, above)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return np.sqrt(mean_of_rows(self._squares(X)))

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return self._squares(X[rows])

    def expected(self, X: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """What the newest sample of each of the d // RUN metrics was expected to be, and the bounds of its interval.

        Each (n, d // RUN), in the units of X; NaN where a value of the metric's past is missing.
        """
        found = _newest(np.ascontiguousarray(X), self.weights)
        return found, found + self.below, found + self.above

    def _squares(self, X: Matrix) -> Matrix:
        return _squared_errors(np.ascontiguousarray(X), self.weights, self.usual)

    def to_arrays(self) -> Arrays:
        return {"weights": self.weights, "usual": self.usual, "below": self.below, "above": self.above}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Forecast:
        usual, below, above = (array_of(arrays, name, np.float64) for name in ("usual", "below", "above"))
        weights = array_of(arrays, "weights", np.float64, axes=2)
        fits = (
            len(usual) > 0
            and bool((usual > 0).all())
            and weights.shape == (len(usual), RUN)
            and bool(np.isfinite(weights).all())
            and below.shape == above.shape == (len(usual) // RUN,)
            and not np.isinf([below, above]).any()
            and bool((np.isnan(below) & np.isnan(above) | (below <= above)).all())
        )
        if not fits:
            raise ValueError("the arrays are no forecast")
        return cls(weights, usual, below, above)


def _learn(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Weights (m, RUN, RUN) of all of these rows (n, m, RUN), and the errors (n, m, RUN) held out from them."""
    n = len(rows)
    folds = np.array_split(np.arange(n), FOLDS) if n >= FEW else []
    parts = [_products(rows[fold]) for fold in folds]
    products = np.sum(parts, axis=0) if parts else _products(rows)
    weights = _solved(products)
    held = [_errors(rows[fold], _solved(products - part)) for fold, part in zip(folds, parts, strict=True)]
    return weights, np.concatenate(held) if held else _errors(rows, weights)


def _products(rows: Matrix) -> Matrix:
    """(m, RUN, RUN) sums of products of the values of a run."""
    runs = rows.transpose(1, 2, 0)
    products: Matrix = runs @ runs.transpose(0, 2, 1)
    return products


def _solved(products: Matrix) -> Matrix:
    weights = np.zeros(products.shape)
    for p in range(1, RUN):
        inputs = products[:, :p, :p]
        least = RIDGE * np.trace(inputs, axis1=1, axis2=2) / p
        ridge = np.where(least > 0.0, least, 1.0)[:, None, None] * np.eye(p)
        weights[:, p, :p] = np.linalg.solve(inputs + ridge, products[:, :p, p, None])[:, :, 0]
    return weights


def _errors(rows: Matrix, weights: Matrix) -> Matrix:
    errors: Matrix = rows - np.einsum("nmq,mpq->nmp", rows, weights)
    return errors


def _interval(errors: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(m,) bounds that hold the next of so many errors (n, m) by `INTERVAL`; the extremes where there are too few."""
    n, ordered = np.count_nonzero(~np.isnan(errors), axis=0), np.sort(errors, axis=0)  # NaN last
    outside = np.maximum(((n + 1) * (1.0 - INTERVAL) / 2.0).astype(np.int64), 1)
    metrics = np.arange(errors.shape[1])
    low = ordered[np.minimum(outside - 1, len(errors) - 1), metrics]
    high = ordered[np.maximum(n - outside, 0), metrics]
    return low, high


@njit(cache=True)
def _squared_errors(X: Matrix, weights: Matrix, usual: NDArray[np.float64]) -> Matrix:
    """(n, d) squares of the errors in their usual ones. Sums run from the oldest value on, row by row."""
    n, d = X.shape
    out = np.empty((n, d))
    for i in range(n):
        for j in range(d):
            first = j - j % RUN
            error = 0.0 if np.isnan(X[i, j]) else X[i, j]
            for q in range(first, j):
                x = X[i, q]
                error -= weights[j, q - first] * (0.0 if np.isnan(x) else x)
            error = abs(error / usual[j])
            error = error if error < LIMIT else LIMIT  # also where numbers beyond all bounds took each other away
            out[i, j] = error * error
    return out


@njit(cache=True)
def _newest(X: Matrix, weights: Matrix) -> Matrix:
    n, m = len(X), X.shape[1] // RUN
    out = np.zeros((n, m))
    for i in range(n):
        for k in range(m):
            first = k * RUN
            for q in range(RUN - 1):
                out[i, k] += weights[first + RUN - 1, q] * X[i, first + q]
    return out
