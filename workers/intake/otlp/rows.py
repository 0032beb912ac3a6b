"""Rows of numbers as codes: what interning does for texts, for combinations of columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.interning import intern
from schemas.strings import SECRET

Codes = NDArray[np.int32]


def codes_of_rows(*columns: NDArray[np.integer]) -> tuple[Codes, NDArray[np.int64]]:
    """Codes of the rows' distinct combinations in order of first occurrence, and where each occurs first."""
    n, width = len(columns[0]), len(columns)
    begins = np.zeros(n, np.bool_)
    begins[:1] = True
    for column in columns:  # rows that are as the one before need no look-up
        begins[1:] |= column[1:] != column[:-1]
    runs = np.flatnonzero(begins)
    rows = np.zeros((len(runs) + 1, width), np.int64)
    for place, column in enumerate(columns):
        rows[:-1, place] = column[runs]
    starts = np.arange(len(runs), dtype=np.int64) * (8 * width)
    codes, first = intern(rows.reshape(-1).view(np.uint8), starts, np.full(len(runs), 8 * width, np.int64), SECRET)
    if len(runs) == n:
        return codes, first
    return np.repeat(codes, np.diff(np.append(runs, n))), runs[first]
