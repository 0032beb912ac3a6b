"""When an entity counts as silent: three of its own cadences without a sign of life, in time that somebody watched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.windows.compiled import kernel

GAPS = 9
"""A cadence is the median of this many last gaps."""

MISSED = 3
UNKNOWN = -1


@kernel
def cadence_of(panes: NDArray[np.int64], n: int, pane: int, declared: int) -> int:
    """The cadence in microseconds of an entity whose last n active panes are panes[:n], ascending.

    Declared where given, else the median of the gaps between active panes (so bursts inside a pane say nothing, and
    a cadence is never shorter than a pane); the larger of the two middle gaps if they are even; UNKNOWN without a gap.
    """
    if declared > 0:
        return declared
    if n < 2:
        return UNKNOWN
    for i in range(n - 1):
        gap, shorter, equal = panes[i + 1] - panes[i], 0, 0
        for j in range(n - 1):
            shorter += panes[j + 1] - panes[j] < gap
            equal += panes[j + 1] - panes[j] == gap
        if shorter <= (n - 1) // 2 < shorter + equal:
            return int(gap) * pane
    return UNKNOWN


@kernel
def unwatched_excess(stretch: int, cadence: int) -> int:
    """How much of a stretch that nobody watched does not count towards silence: all beyond one cadence.

    One cadence has to count: where samples come every five minutes, nobody watches in between, and an entity that
    stops must become silent all the same. A longer gap says nothing about any one entity.
    """
    if cadence == UNKNOWN:
        return stretch
    return max(0, stretch - cadence)


@kernel
def is_silent(quiet: int, cadence: int) -> bool:
    """Whether that many microseconds without a sign of life (excess taken off) are three missed cadences."""
    return cadence != UNKNOWN and quiet >= MISSED * cadence
