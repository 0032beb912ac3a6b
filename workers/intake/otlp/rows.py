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
    rows = np.zeros((n + 1, width), np.int64)
    for place, column in enumerate(columns):
        rows[:n, place] = column
    starts = np.arange(n, dtype=np.int64) * (8 * width)
    codes, first = intern(rows.reshape(-1).view(np.uint8), starts, np.full(n, 8 * width, np.int64), SECRET)
    return codes, first
