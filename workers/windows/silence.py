"""When an entity counts as silent: three of its own cadences without a sign of life, in time that somebody watched.

Where events come at random, as few users make few requests, three cadences pass without one many times a day: there a
gap has to be longer than chance makes it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features.history import CHANCE
from workers.windows.compiled import kernel

MISSED = 3
UNKNOWN = -1

LOOSE = 6
"""With so many panes to a cadence random gaps are hardly ever alike; with fewer the hours before have to agree."""

EVEN = 0.3
"""Of the dispersion that chance has, of panes with events (`coarse.dispersion`) and, at first, of gaps."""


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


@kernel
def may_be_chance(active: int, seen: int, quiet: int) -> bool:
    """Whether `quiet` panes without events may follow by chance on `seen` panes, of which `active` had events.

    Each pane has events independently of the others, with a probability that only those panes tell of (its prior is
    Haldane's, so that one gap-less stretch is trusted): the predictive chance of the gap is
    prod((seen - active + i) / (seen + i), i < quiet).
    """
    chance = 1.0
    for i in range(quiet):
        chance *= (seen - active + i) / (seen + i)
        if chance < CHANCE:
            return False
    return True


@kernel
def gaps_are_alike(panes: NDArray[np.int64], n: int, cadence: int) -> bool:
    """Whether all but one of the gaps between n active panes are a cadence (in panes), give or take a pane or 1/8."""
    other = 0
    for i in range(n - 1):
        other += abs(panes[i + 1] - panes[i] - cadence) > max(1, cadence // 8)
    return other <= 1


@kernel
def gaps_are_even(panes: NDArray[np.int64], n: int) -> bool:
    """Whether the gaps between n active panes vary far less than they do by chance (geometrically)."""
    mean, squares = (panes[n - 1] - panes[0]) / (n - 1), 0.0
    for i in range(n - 1):
        squares += (panes[i + 1] - panes[i] - mean) ** 2
    return bool(squares <= EVEN * mean * (mean - 1.0) * max(1, n - 2))
