"""What any model says of n vectors, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 3
"""Contributions named with a score."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why, per row: the TOP metrics with the largest shares, largest first; all arrays (n, TOP).

    `metric` and `feature` number the features of the vector: the value to read, with its `actual` and the expected
    `low` … `high` (NaN: not known), and the feature that contributed most. −1 where there are fewer metrics. Shares
    are of a whole of 1 over all metrics.
    """

    metric: NDArray[np.int32]
    feature: NDArray[np.int32]
    share: NDArray[np.float64]
    up: NDArray[np.bool_]
    actual: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> Reasons:
        nan = np.full((n, TOP), np.nan)
        none = np.full((n, TOP), -1, np.int32)
        return cls(none, none.copy(), np.zeros((n, TOP)), np.zeros((n, TOP), np.bool_), nan, nan.copy(), nan.copy())


@dataclass(frozen=True, slots=True)
class Scored:
    """`score` 0 … 10 with the boundary 1.0; `mean` that of the members' scores, each by itself; `confidence` 0 … 1;
    `note` one text per row, often empty.
    """

    score: NDArray[np.float64]
    mean: NDArray[np.float64]
    confidence: NDArray[np.float64]
    reasons: Reasons
    note: Sequence[str]
