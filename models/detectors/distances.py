"""Rows against a reference of training rows: the searches that several detectors share.

Everything is in single precision and in units of a spread per feature, features side by side (d, m): so a feature's
values of all m reference rows lie in one run of memory. Sums go over the features in their order, one after the other
for each reference row, so a row's distances are the same bytes whatever rows are searched for beside it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.detectors.base import Arrays, Matrix

FLOOR, RANGE_FLOOR = 0.02, 0.01
"""Least spread of a feature, in its unit and as a share of its range: what rests, and trembles a little or jumps once,
would else rule all distances. (A step ranges over twice what its metric does.)"""

LIMIT = 20.0
"""A feature is held to that many spreads: one that is far off must not hide all others."""

BLOCK = 8
"""Rows that go through the reference together, so that it is read from memory that much less often."""

Single = NDArray[np.float32]


def spread_of(X: Matrix) -> NDArray[np.float64]:
    """(d,) one spread per feature: its standard deviation, at least the floors; infinite where nothing moved."""
    known = np.nan_to_num(X, nan=0.0)
    extent = np.ptp(known, axis=0)
    spread: NDArray[np.float64] = np.maximum(known.std(axis=0), np.maximum(RANGE_FLOOR * extent, FLOOR))
    return np.where(extent > 0.0, spread, np.inf)


def thinned(X: Matrix, most: int) -> Matrix:
    """At most `most` rows, evenly taken."""
    return X if len(X) <= most else X[np.arange(most) * len(X) // most]


def reference_of(X: Matrix, spread: NDArray[np.float64]) -> Single:
    """(d, m) the rows as a reference."""
    return np.ascontiguousarray(in_spreads(X, spread).T)


def read_reference(arrays: Arrays, most: int) -> tuple[NDArray[np.float64], Single]:
    """The spread (d,) and the reference (d, m) of at most so many rows. Raises ValueError where they do not fit
    together; they may come from anyone.
    """
    spread, reference = array_of(arrays, "spread", np.float64), array_of(arrays, "reference", np.float32, axes=2)
    fits = (
        len(reference) == len(spread) > 0
        and 1 <= reference.shape[1] <= most
        and bool((spread > 0).all())
        and bool((np.abs(reference) <= LIMIT).all())
    )
    if not fits:
        raise ValueError("spread and reference do not fit together")
    return spread, reference


@njit(cache=True)
def in_spreads(X: Matrix, spread: NDArray[np.float64]) -> Single:
    """(n, d) scaled once more, and held to ±LIMIT; a missing value is 0."""
    out = np.empty(X.shape, np.float32)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            x = X[i, j] / spread[j]
            out[i, j] = np.float32(min(max(x, -LIMIT), LIMIT)) if x == x else np.float32(0.0)
    return out


@njit(cache=True)
def _add_squares(feature: Single, x: np.float32, squares: Single) -> None:
    for r in range(len(feature)):
        step = feature[r] - x
        squares[r] += step * step


@njit(cache=True)
def squared_distances(reference: Single, rows: Single, start: int, size: int, out: Single) -> None:
    """The squared distances of rows[start : start + size] to the reference, into out[:size]; out is (≥ size, m)."""
    out[:] = np.float32(0.0)
    for j in range(len(reference)):
        for i in range(size):
            _add_squares(reference[j], rows[start + i, j], out[i])


@njit(cache=True)
def nearest(squares: Single, near: Single, which: NDArray[np.int64]) -> None:
    """The smallest squares in ascending order, and where they are, by insertion into a sorted list."""
    near[:] = np.float32(np.inf)
    which[:] = 0
    last = len(near) - 1
    for r in range(len(squares)):
        x = squares[r]
        if x < near[last]:
            p = last
            while p > 0 and near[p - 1] > x:
                near[p], which[p] = near[p - 1], which[p - 1]
                p -= 1
            near[p], which[p] = x, r


@njit(cache=True)
def search(reference: Single, rows: Single, k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distances (n, k) to the k nearest reference rows, ascending, and which they are; of equals the first."""
    n, m = len(rows), reference.shape[1]
    distance, which = np.empty((n, k)), np.empty((n, k), np.int64)
    squares, near = np.empty((BLOCK, m), np.float32), np.empty(k, np.float32)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        squared_distances(reference, rows, start, size, squares)
        for i in range(size):
            nearest(squares[i], near, which[start + i])
            for p in range(k):
                distance[start + i, p] = np.sqrt(np.float64(near[p]))
    return distance, which


@njit(cache=True)
def mean_of_rows(values: Matrix) -> NDArray[np.float64]:
    """(n,) the mean of each row, summed from left to right."""
    n, k = values.shape
    out = np.empty(n)
    for i in range(n):
        total = 0.0
        for p in range(k):
            total += values[i, p]
        out[i] = total / k
    return out


@njit(cache=True)
def parts_of_distances(reference: Single, rows: Single, k: int) -> Matrix:
    """(n, d) the squared distance along each feature, on average over a row's k nearest."""
    n, d = rows.shape
    _, which = search(reference, rows, k)
    out = np.zeros((n, d))
    for i in range(n):
        for j in range(d):
            for p in range(k):
                step = np.float64(reference[j, which[i, p]]) - np.float64(rows[i, j])
                out[i, j] += step * step / k
    return out
