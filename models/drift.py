"""How far a day's vectors lie from those of training: the population stability index of what people can read in them.

Of each watched feature training leaves a histogram of what is left after the time of day: ten cells that hold as much
as each other, one on either side for what it has not seen, and one for missing values. A day's own histogram beside it
gives the index, the symmetric Kullback-Leibler divergence of both (Siddiqi, "Credit Risk Scorecards", 2006): 0 for the
same, customarily a shift from 0.25 on. But a single day is seldom like the whole: weekends are quiet, and a level that
wanders slowly is another one on any day. What training's own days had is the measure for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.naming import Naming
from models.thresholds import Series

Values = NDArray[np.float64]
Codes = NDArray[np.uint8]

TENTHS = 10
CELLS = TENTHS + 3
"""Below all of training, ten of equal shares, above all of training, missing."""

MISSING = CELLS - 1
SHIFTED, BEYOND = 0.25, 1.5

LEAST = 20
"""Windows of a day from which its histograms say anything."""

MOST_FEATURES = 128

_LEAST_DAYS = 5
"""Of training, with so many windows each, from which it says what a day may be like."""

_PRIOR = CELLS / 2
"""Rows that every histogram is given before any are counted, so that empty cells have a logarithm: half a row a cell in
training (Krichevsky and Trofimov, 1981), and as in training on a day, so that what both lack counts for nothing."""

_CLOCK = 0.9
"""Share of steps that lead upwards from which a feature is a clock, as an uptime is, and tells of time alone."""

_ROUNDING = 1e-9
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Reference:
    """What training knows of the d watched features: `columns` (d,) their places among those that the model uses.

    `edges` (d, TENTHS + 1) lie between cells, ascending, `shares` (d, CELLS) of them sum to 1, and `usual` (d,) is the
    highest index of training's own days, 0 where there were too few.
    """

    columns: NDArray[np.int64]
    edges: Values
    shares: Values
    usual: Values

    @property
    def judges(self) -> bool:
        """Whether training had days enough to say what any day may be like."""
        return bool((self.usual > 0.0).any())

    @classmethod
    def fit(cls, columns: NDArray[np.int64], used: Values, residual: Values, series: Series) -> Self:
        """Learn from n rows (n, d) of the watched features, and what is left of them after the time of day."""
        kept = ~_clocks(used, series)
        columns, used, residual = columns[kept], used[:, kept], np.ascontiguousarray(residual[:, kept])
        edges = _edges(residual, np.nanmax(np.abs(used), axis=0, initial=0.0))
        codes = _codes(residual, edges)
        whole = _histograms(codes, np.zeros(len(codes), np.int64), 1)[0]
        found = cls(columns, edges, _shares(whole), np.zeros(len(columns)))
        _, group = np.unique(series.entity.astype(np.int64) << 32 | series.time // _DAY_US, return_inverse=True)
        rows = np.bincount(group)
        days = _histograms(codes, group, len(rows))[rows >= LEAST]
        if len(days) < _LEAST_DAYS:
            return found
        usual = np.max([found.indices(day) for day in days], axis=0)
        return cls(columns, edges, found.shares, np.maximum(usual, _ROUNDING))

    def codes(self, residual: Values) -> Codes:
        """(n, d) the cell of each value (n, d), given as what is left after the time of day; NaN where missing."""
        return _codes(np.ascontiguousarray(residual), self.edges)

    def indices(self, counts: NDArray[np.integer]) -> Values:
        """(d,) the index of each feature by the rows counted in its cells (d, CELLS)."""
        seen = (counts + _PRIOR * self.shares) / (counts.sum(axis=1, keepdims=True) + _PRIOR)
        found: Values = ((seen - self.shares) * np.log(seen / self.shares)).sum(axis=1)
        return found

    def shifted(self, indices: Values) -> NDArray[np.bool_]:
        """(d,) whether these are as far beyond one and a half times what any day of training had as is customary.

        There are many features and few days of training: docs/detection.md has what it gives. Without those days to
        compare with nothing has shifted: by the customary bound nearly every day would have.
        """
        return np.asarray((indices > SHIFTED + BEYOND * self.usual) & self.judges)

    def to_arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"columns": self.columns, "edges": self.edges, "shares": self.shares, "usual": self.usual}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """Raises ValueError where the arrays do not fit together, or to a model of `width` features."""
        columns, usual = array_of(arrays, "columns", np.int64), array_of(arrays, "usual", np.float64)
        edges, shares = (array_of(arrays, name, np.float64, axes=2) for name in ("edges", "shares"))
        d = len(columns)
        fits = edges.shape == (d, TENTHS + 1) and shares.shape == (d, CELLS) and usual.shape == (d,)
        if not fits or d > MOST_FEATURES or not ((columns >= 0) & (columns < width)).all():
            raise ValueError("the arrays are no reference for drift")
        if not np.isfinite(edges).all() or (edges[:, 1:] < edges[:, :-1]).any():
            raise ValueError("the reference for drift has cells that overlap")
        if not ((shares > 0.0).all() and (np.abs(shares.sum(axis=1) - 1.0) < _ROUNDING).all()):
            raise ValueError("the reference for drift holds no shares")
        if not (np.isfinite(usual) & (usual >= 0.0)).all():
            raise ValueError("the reference for drift does not say what is usual")
        return cls(columns, edges, shares, usual)


def watched(named: Naming) -> NDArray[np.int64]:
    """The features that are watched: the readable ones, of a service those over five minutes; not endlessly many."""
    chosen = named.level
    if named.service:
        chosen = chosen & np.array([name.endswith("_5m") for name in named.names], np.bool_)
    return np.flatnonzero(chosen)[:MOST_FEATURES]


def _edges(residual: Values, size: Values) -> Values:
    """(d, TENTHS + 1) the least, the tenths and the largest of what is there.

    Several that coincide are a value that comes again and again: it gets a cell of its own, as wide as rounding is.
    """
    there = np.where(np.isnan(residual).all(axis=0), 0.0, residual)
    edges = np.nanquantile(there, np.linspace(0.0, 1.0, TENTHS + 1), axis=0).T.copy()
    for row, room in zip(edges, _ROUNDING * np.maximum(size, _ROUNDING), strict=True):
        for value in np.unique(row[1:][np.diff(row) == 0.0]):
            same = np.flatnonzero(row == value)
            row[same[0]], row[same[1:]] = value - room, value + room
        row[0], row[-1] = row[0] - room, row[-1] + room
        row.sort()
    return edges


def _clocks(values: Values, series: Series) -> NDArray[np.bool_]:
    """(d,) which features only ever rise."""
    order = np.lexsort((series.time, series.entity))
    steps = np.diff(values[order], axis=0)[series.entity[order][1:] == series.entity[order][:-1]]
    risen, known = np.count_nonzero(steps > 0.0, axis=0), np.count_nonzero(~np.isnan(steps), axis=0)
    return np.asarray((known > 0) & (risen >= _CLOCK * known))


def _shares(counts: NDArray[np.integer]) -> Values:
    filled = counts + _PRIOR / CELLS
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
