"""An entity's own past: 24 hours of 10-minute panes, for z-scores, `regular` and silence; logged when one closes.

This state reaches further back than a rewind is worth, so each new coarse pane writes the entity's whole ring to the
compacted state topic (latest record per key is all there is to know).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.windows.compiled import kernel

COARSE = 600_000_000
"""Length of a coarse pane, microseconds."""

SLOTS = 144
MEASURES = 4  # events per active pane, share of errors, mean latency; panes with events
AVERAGED = 3  # the first of them, of which `base` tells
PANES = 3
CELLS = 5  # of the open one: events, panes with events, errors, timed events, latency sum
BASE = 7  # how many panes, then mean and standard deviation of each measure
MIN_PANES = 6
REGULAR = 130  # 90 % of the slots, rounded up

_HEADER = struct.Struct("<BqqH")
_VERSION = 2
_HELD = {1: 3, 2: MEASURES}
"""Measures by version: rings that were logged before panes were counted are read, and say nothing of them."""


@dataclass(frozen=True, slots=True)
class Ring:
    """`offset`: of the record that closed the newest pane. `measures` float32 (SLOTS, MEASURES), NaN where absent;
    coarse pane c lies in row c % SLOTS, and panes up to SLOTS before `newest` are held."""

    offset: int
    newest: int
    measures: NDArray[np.float32]


def encode_ring(ring: Ring) -> bytes:
    rows = np.flatnonzero(~np.isnan(ring.measures[:, 0]))
    header = _HEADER.pack(_VERSION, ring.offset, ring.newest, len(rows))
    return header + rows.astype("<u1").tobytes() + ring.measures[rows].astype("<f4").tobytes()


def decode_ring(value: bytes) -> Ring:
    """Raises ValueError where the bytes are no ring."""
    try:
        version, offset, newest, n = _HEADER.unpack_from(value)
    except struct.error as error:
        raise ValueError("a logged coarse ring is cut short") from error
    held = _HELD.get(version)
    if held is None or len(value) != _HEADER.size + n + n * held * 4:
        raise ValueError(f"not a coarse ring of version {_VERSION}")
    rows = np.frombuffer(value, "<u1", n, _HEADER.size)
    measures = np.full((SLOTS, MEASURES), np.nan, np.float32)
    measures[rows, :held] = np.frombuffer(value, "<f4", n * held, _HEADER.size + n).reshape(n, held)
    return Ring(offset, newest, measures)


@kernel
def enter(ring: NDArray[np.float32], newest: int, pane: int, cells: NDArray[np.float64]) -> int:
    """Write a closed coarse pane of which `cells` (CELLS,) tells, forgetting what lies SLOTS back.

    Returns the newest pane. A pane that is not newer changes nothing: the ring was logged after it.
    """
    if pane <= newest:
        return newest
    for c in range(max(newest + 1, pane - SLOTS + 1), pane):
        ring[c % SLOTS, :] = np.nan
    if pane - newest > SLOTS:
        ring[:, :] = np.nan
    count, panes, errors, timed, latency = cells[0], cells[1], cells[2], cells[3], cells[4]
    ring[pane % SLOTS, 0] = count / panes
    ring[pane % SLOTS, 1] = errors / count
    ring[pane % SLOTS, 2] = latency / timed if timed > 0 else np.nan
    ring[pane % SLOTS, PANES] = panes
    return pane


@kernel
def summarise(ring: NDArray[np.float32], newest: int, base: NDArray[np.float64]) -> bool:
    """Mean and standard deviation of each measure over the ring into `base`; returns `regular`. Oldest pane first."""
    seen = 0
    for j in range(AVERAGED):
        n, total = 0, 0.0
        for c in range(newest - SLOTS + 1, newest + 1):
            x = ring[c % SLOTS, j]
            if not np.isnan(x):
                n += 1
                total += x
        mean = total / n if n >= MIN_PANES else np.nan
        squares = 0.0
        for c in range(newest - SLOTS + 1, newest + 1):
            x = ring[c % SLOTS, j]
            if not np.isnan(x):
                squares += (x - mean) * (x - mean)
        base[1 + 2 * j] = mean
        base[2 + 2 * j] = np.sqrt(squares / n) if n >= MIN_PANES else np.nan
        if j == 0:
            seen = n
    base[0] = seen
    return seen >= REGULAR


@kernel
def first_pane(number: int, pane: int) -> int:
    """The first pane, of `pane` microseconds, that starts in a coarse pane."""
    return -(-number * COARSE // pane)


@kernel
def occupied(ring: NDArray[np.float32], newest: int, first: int, stop: int, pane: int) -> tuple[int, int, int]:
    """Over the coarse panes in [first, stop) with events: panes with events, panes, coarse panes.

    The first of these coarse panes is left out: the entity may have begun within it.
    """
    active, seen, n = 0, 0, -1
    for c in range(max(first, newest - SLOTS + 1), min(stop, newest + 1)):
        here = ring[c % SLOTS, PANES]
        if not np.isnan(here):
            n += 1
            active += int(here) if n > 0 else 0
            seen += first_pane(c + 1, pane) - first_pane(c, pane) if n > 0 else 0
    return active, seen, max(0, n)


@kernel
def dispersion(ring: NDArray[np.float32], newest: int, stop: int, pane: int) -> tuple[float, int]:
    """How much the numbers of panes with events vary from coarse pane to coarse pane: 1 by chance, 0 for a clockwork.

    Fisher's index of dispersion, of binomial counts, over the coarse panes before `stop` that have events, but for the
    first; and how many these are. 0 for fewer than two of them.
    """
    n, total, squares = -1, 0.0, 0.0
    for c in range(newest - SLOTS + 1, min(stop, newest + 1)):
        x = float(ring[c % SLOTS, PANES])
        if not np.isnan(x):
            n += 1
            total += x if n > 0 else 0.0
            squares += x * x if n > 0 else 0.0
    if n < 2:
        return 0.0, max(0, n)
    by_chance = total * (1.0 - total / n * pane / COARSE)
    spread = max(0.0, squares - total * total / n)
    return (spread * n / (n - 1) / by_chance if by_chance > 0 else 0.0), n
