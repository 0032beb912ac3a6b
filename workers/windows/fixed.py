"""Exact sums for numba kernels: a number is added to a pane and later taken from its windows without residue.

Floats do not add and subtract exactly, so rolling totals kept by adding the new pane and taking away the old one would
drift and depend on history; re-adding 180 panes at each close would be slow. Here a sum is two int64 cells, whole
units and 2⁻⁵² fractions. Sums are then exact, the same in every order, and equal to the merge of their panes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workers.windows.compiled import kernel

COUNT_UNIT = 1 << 20
"""Weights are counted in int64 multiples of 1 / COUNT_UNIT."""

MAX_WEIGHT = float(1 << 32)
SQUARE_UNIT = 1024.0
"""Squares are summed in units of this, so that a day of slow requests stays inside int64."""

_BITS = 52
_ONE = float(1 << _BITS)
_MASK = (1 << _BITS) - 1


@kernel
def add(cells: NDArray[np.int64], at: int, x: float) -> None:
    """Add x ≥ 0 to the sum in cells[at], cells[at + 1]."""
    whole = math.floor(x)
    low = cells[at + 1] + np.int64(np.rint((x - whole) * _ONE))
    cells[at] += np.int64(whole) + (low >> _BITS)
    cells[at + 1] = low & _MASK


@kernel
def merge(into: NDArray[np.int64], cells: NDArray[np.int64], at: int, sign: int) -> None:
    """Add (sign 1) or take away (sign -1) another sum."""
    low = into[at + 1] + sign * cells[at + 1]
    into[at] += sign * cells[at] + (low >> _BITS)
    into[at + 1] = low & _MASK


@kernel
def value(cells: NDArray[np.int64], at: int) -> float:
    return float(cells[at]) + float(cells[at + 1]) / _ONE
