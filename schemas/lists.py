"""Lists of different lengths that lie end to end in one array, as the bounds and counts of distributions do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def take_lists(
    start: NDArray[np.int64], values: NDArray[Any], rows: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The lists `rows`, in that order. List i is `values[start[i]:start[i + 1]]`, before and after."""
    lengths = start[rows + 1] - start[rows]
    ends = np.cumsum(lengths)
    inside = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start[rows] - (ends - lengths), lengths)
    return np.concatenate([np.zeros(1, np.int64), ends]), values[inside]
