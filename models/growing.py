"""Growing trees on labelled rows: on the earlier part, for as long as the later gains; in the best way, if asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.detectors import BoostedTrees
from models.detectors.boosted_trees import Growth
from models.evaluation.points import Sweep
from models.labels import ANOMALOUS, UNKNOWN, Labels, from_time, later_part
from models.thresholds import Series

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

GRID: tuple[Growth, ...] = (
    Growth(),
    *(
        growth
        for growth in (Growth(depth, 0.1, leaf, seen) for depth, leaf, seen in product((3, 4, 6), (1.0, 5.0), (1, 3)))
        if growth != Growth()
    ),
)
"""Ways to grow that a search tries, the usual one first: of equals the first is taken."""

EDGES = (0.4, 0.6, 0.8)
"""Shares of the earlier part at which a search divides it: each piece is judged by trees grown on what lies before."""


@dataclass(frozen=True, slots=True)
class Grown:
    """Trees grown on the earlier part, how many and in which way."""

    detector: BoostedTrees
    trees: int
    growth: Growth


def grow(X: Values, label: Labels, series: Series, seed: int, *, search: bool, jobs: int) -> Grown:
    """Learn from the earlier labelled rows of X (n, d), judged by the later ones; `search` tries the ways of `GRID`.

    Raises ValueError where rows of one kind are missing in either part.
    """
    known, later, anomalous = label != UNKNOWN, later_part(label, series), label == ANOMALOUS
    before, after = known & ~later, known & later
    growth = _best(X[before], label[before], series.take(np.flatnonzero(before)), seed, jobs) if search else Growth()
    detector, trees = BoostedTrees.judged(X[before], anomalous[before], X[after], anomalous[after], growth, seed)
    return Grown(detector, trees, growth)


def _best(X: Values, label: Labels, series: Series, seed: int, jobs: int) -> Growth:
    """The way whose average precision is highest, on average over the folds."""
    from joblib import Parallel, delayed

    folds = _folds(label, series)
    if not folds:
        return GRID[0]
    anomalous = label == ANOMALOUS
    tasks = [
        delayed(_precision)(X[before], anomalous[before], X[after], anomalous[after], growth, seed)
        for growth in GRID
        for before, after in folds
    ]
    found = np.reshape(Parallel(n_jobs=jobs)(tasks), (len(GRID), len(folds)))
    return GRID[int(np.argmax(found.mean(axis=1)))]


def _precision(X: Values, y: Mask, later: Values, later_y: Mask, growth: Growth, seed: int) -> float:
    detector, _ = BoostedTrees.judged(X, y, later, later_y, growth, seed)
    return Sweep.of(detector.score(later), later_y).average_precision()


def _folds(label: Labels, series: Series) -> Sequence[tuple[Mask, Mask]]:
    """What comes before each edge, and what lies between it and the next; where both have rows of both kinds."""
    edges = np.quantile(series.time, EDGES)
    after = [from_time(label, series, float(edge)) for edge in edges]
    ends = [*after[1:], np.zeros(len(label), np.bool_)]
    folds = [(~start, start & ~end) for start, end in zip(after, ends, strict=True)]
    anomalous = label == ANOMALOUS
    return [fold for fold in folds if all(0 < np.count_nonzero(anomalous[part]) < part.sum() for part in fold)]
