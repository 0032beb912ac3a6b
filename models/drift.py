"""How far a day's vectors lie from those of training: the population stability index of what people can read in them.

Of each watched feature training leaves a histogram of ten cells that hold as much as each other, and one for missing
values, of what is left after the time of day. A day's own histogram beside it gives the index, the symmetric
Kullback-Leibler divergence of both (Siddiqi, "Credit Risk Scorecards", 2006): 0 for the same, customarily a shift from
0.25 on. A level that wanders slowly shifts on every single day; what training's own days had is the measure for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.naming import Naming
from models.thresholds import Series

Values = NDArray[np.float64]
Codes = NDArray[np.uint8]

CELLS = 11
"""Ten of equal shares in training, and the last one for missing values."""

MISSING = CELLS - 1
SHIFTED = 0.25

LEAST = 20
"""Windows of a day from which its histograms say anything."""

MOST_FEATURES = 128

_USUAL = 0.95
_LEAST_DAYS = 5
_HALF = 0.5
"""Added to every cell, so that an empty one has a logarithm (Krichevsky and Trofimov, 1981)."""

_ROUNDING = 1e-9
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Reference:
    """What training knows of the d watched features: `columns` (d,) their places among those that the model uses.

    `edges` (d, CELLS − 2) lie between cells, ascending, `shares` (d, CELLS) of them sum to 1, and `usual` (d,) is the
    index that 95 % of training's own days kept below, 0 where there were too few.
    """

    columns: NDArray[np.int64]
    edges: Values
    shares: Values
    usual: Values

    @classmethod
    def fit(cls, named: Naming, used: Values, expected: Values, series: Series) -> Self:
        """Learn from n rows (n, k) of the features used, and what was expected of them by the time of day."""
        columns = watched(named)
        residual = used[:, columns] - expected[:, columns]
        edges = _edges(residual, np.nanmax(np.abs(used[:, columns]), axis=0, initial=0.0))
        codes = _codes(residual, edges)
        whole = _histograms(codes, np.zeros(len(codes), np.int64), 1)[0]
        found = cls(columns, edges, _shares(whole), np.zeros(len(columns)))
        _, group = np.unique(series.entity.astype(np.int64) << 32 | series.time // _DAY_US, return_inverse=True)
        rows = np.bincount(group)
        days = _histograms(codes, group, len(rows))[rows >= LEAST]
        if len(days) < _LEAST_DAYS:
            return found
        usual = np.quantile(np.array([found.indices(day) for day in days]), _USUAL, axis=0)
        return cls(columns, edges, found.shares, usual)

    def codes(self, residual: Values) -> Codes:
        """(n, d) the cell of each value (n, d), given as what is left after the time of day; NaN where missing."""
        return _codes(np.ascontiguousarray(residual), self.edges)

    def indices(self, counts: NDArray[np.integer]) -> Values:
        """(d,) the index of each feature by the rows counted in its cells (d, CELLS)."""
        seen = _shares(counts)
        found: Values = ((seen - self.shares) * np.log(seen / self.shares)).sum(axis=1)
        return found

    def shifted(self, indices: Values) -> NDArray[np.bool_]:
        """(d,) whether these are beyond what is customary, and beyond what training's own days had."""
        return np.asarray(indices > np.maximum(SHIFTED, self.usual))

    def to_arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"columns": self.columns, "edges": self.edges, "shares": self.shares, "usual": self.usual}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """Raises KeyError or ValueError where the arrays do not fit together, or to a model of `width` features."""
        columns = np.asarray(arrays["columns"], np.int64)
        edges, shares, usual = (np.ascontiguousarray(arrays[name], np.float64) for name in ("edges", "shares", "usual"))
        d = len(columns)
        fits = edges.shape == (d, CELLS - 2) and shares.shape == (d, CELLS) and usual.shape == (d,)
        if not fits or d > MOST_FEATURES or not ((columns >= 0) & (columns < width)).all():
            raise ValueError("the arrays are no reference for drift")
        if not (np.isfinite(edges).all() and (shares > 0.0).all() and (shares <= 1.0).all() and (usual >= 0.0).all()):
            raise ValueError("the reference for drift holds no shares")
        return cls(columns, edges, shares, usual)


def watched(named: Naming) -> NDArray[np.int64]:
    """The features that are watched: the readable ones, of a service those over five minutes; not endlessly many."""
    chosen = named.level
    if named.service:
        chosen = chosen & np.array([name.endswith("_5m") for name in named.names], np.bool_)
    return np.flatnonzero(chosen)[:MOST_FEATURES]


def _edges(residual: Values, size: Values) -> Values:
    """(d, 9) the tenths of what is there.

    Several that coincide are a value that comes again and again: it gets a cell of its own, as wide as rounding is.
    """
    wanted = np.arange(1, CELLS - 1) / (CELLS - 1)
    there = np.where(np.isnan(residual).all(axis=0), 0.0, residual)
    edges = np.nanquantile(there, wanted, axis=0).T.copy()
    for row, room in zip(edges, _ROUNDING * np.maximum(size, _ROUNDING), strict=True):
        for value in np.unique(row[1:][np.diff(row) == 0.0]):
            same = np.flatnonzero(row == value)
            row[same[0]], row[same[1:]] = value - room, value + room
        row.sort()
    return edges


def _shares(counts: NDArray[np.integer]) -> Values:
    filled = counts + _HALF
    shares: Values = filled / filled.sum(axis=1, keepdims=True)
    return shares


def _histograms(codes: Codes, group: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """(groups, d, CELLS) how many rows of each group are in each cell."""
    d = codes.shape[1]
    counts = np.zeros((groups, d, CELLS), np.int64)
    np.add.at(counts, (group[:, None], np.arange(d), codes), 1)
    return counts


@njit(cache=True)
def _codes(residual: Values, edges: Values) -> Codes:
    n, d = residual.shape
    out = np.empty((n, d), np.uint8)
    for i in range(n):
        for j in range(d):
            x = residual[i, j]
            if np.isnan(x):
                out[i, j] = MISSING
                continue
            cell = 0
            while cell < edges.shape[1] and x > edges[j, cell]:
                cell += 1
            out[i, j] = cell
    return out
