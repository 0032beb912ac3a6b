"""What the statistics of samples are computed from, for many entities in plain arrays.

Per entity: the last 30 samples; an hour of ten-minute panes (count, mean, sum of squared deviations, minimum, maximum
of each metric), and a day of ten-minute panes (mean of each metric). An entity's metrics ("series") lie next to each
other, from `first[e]`, `width[e]` of them. `origin` is the offset of the first record that a sample depends on.

The functions are compiled and change the arrays in place; none of them looks at more than one entity.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

RING = 30
PANE_US = 600_000_000
HOUR_PANES = 6
DAY_PANES = 144
REGULAR_PANES = 130  # 90 % of a day's panes
NEVER = -(1 << 62)
"""No pane, no time: below every other."""
NO_ORIGIN = (1 << 63) - 1

GAPS = 9
"""A cadence is the median of this many last gaps."""

MIN_GAPS = 3
CHANCE = 1e-6
"""A gap that is likelier than this, where samples come at random, is no silence."""

PATIENCE = 6
"""A slow entity is retired after this many cadences, if that is later than the setting …"""

MAX_PATIENCE = 24 * 3_600_000_000
"""… but not later than this, unless the setting is."""


class History(NamedTuple):
    """Arrays over E entities and S series."""

    held: NDArray[np.int32]  # (E,) samples in the ring
    time: NDArray[np.int64]  # (E, RING) ascending, epoch microseconds
    origin: NDArray[np.int64]  # (E, RING)
    pane: NDArray[np.int64]  # (E, HOUR_PANES) number of the pane held at number % HOUR_PANES
    pane_origin: NDArray[np.int64]  # (E, HOUR_PANES)
    day: NDArray[np.int64]  # (E, DAY_PANES) number of the closed pane held at number % DAY_PANES
    baseline: NDArray[np.int64]  # (E,) the pane that centre and spread were set for
    first: NDArray[np.int64]  # (E,)
    width: NDArray[np.int32]  # (E,)
    value: NDArray[np.float64]  # (S, RING) NaN where the sample lacks the metric
    seen: NDArray[np.int64]  # (S,) time of the newest sample that holds the metric
    stats: NDArray[np.float64]  # (S, HOUR_PANES, 5) count, mean, squares, minimum, maximum
    day_mean: NDArray[np.float32]  # (S, DAY_PANES)
    centre: NDArray[np.float64]  # (S,)
    spread: NDArray[np.float64]  # (S,)


ENTITY_FIELDS = ("held", "time", "origin", "pane", "pane_origin", "day", "baseline", "first", "width")
SERIES_FIELDS = ("value", "seen", "stats", "day_mean", "centre", "spread")


def empty_history(entities: int, series: int) -> History:
    """Arrays for that many entities and series, all of them blank."""
    return History(
        held=np.zeros(entities, np.int32),
        time=np.zeros((entities, RING), np.int64),
        origin=np.zeros((entities, RING), np.int64),
        pane=np.full((entities, HOUR_PANES), NEVER, np.int64),
        pane_origin=np.full((entities, HOUR_PANES), NO_ORIGIN, np.int64),
        day=np.full((entities, DAY_PANES), NEVER, np.int64),
        baseline=np.full(entities, NEVER, np.int64),
        first=np.zeros(entities, np.int64),
        width=np.zeros(entities, np.int32),
        value=np.full((series, RING), np.nan),
        seen=np.full(series, NEVER, np.int64),
        stats=np.zeros((series, HOUR_PANES, 5)),
        day_mean=np.full((series, DAY_PANES), np.nan, np.float32),
        centre=np.full(series, np.nan),
        spread=np.full(series, np.nan),
    )


@njit(cache=True)
def append_sample(h: History, e: int, t: int, origin: int) -> int:
    """Make room for a sample newer than all others; returns its place in the ring. All its metrics are missing yet."""
    n = h.held[e]
    rows = range(h.first[e], h.first[e] + h.width[e])
    if n == RING:
        n = RING - 1
        for i in range(n):
            h.time[e, i], h.origin[e, i] = h.time[e, i + 1], h.origin[e, i + 1]
        for s in rows:
            row = h.value[s]
            for i in range(n):
                row[i] = row[i + 1]
    h.time[e, n], h.origin[e, n] = t, origin
    for s in rows:
        h.value[s, n] = math.nan
    h.held[e] = n + 1
    return int(n)


@njit(cache=True)
def insert_sample(h: History, e: int, t: int, origin: int) -> int:
    """The place of a sample at `t` in the ring, made between the others where there is none; -1 if older than all.

    A full ring lets its oldest sample go.
    """
    n = h.held[e]
    at = n
    while at > 0 and h.time[e, at - 1] >= t:
        at -= 1
    if at < n and h.time[e, at] == t:
        h.origin[e, at] = min(h.origin[e, at], origin)
        return int(at)
    if at == n:
        return append_sample(h, e, t, origin)
    rows = range(h.first[e], h.first[e] + h.width[e])
    if n == RING:
        if at == 0:
            return -1
        at -= 1
        for i in range(at):
            h.time[e, i], h.origin[e, i] = h.time[e, i + 1], h.origin[e, i + 1]
        for s in rows:
            for i in range(at):
                h.value[s, i] = h.value[s, i + 1]
    else:
        for i in range(n, at, -1):
            h.time[e, i], h.origin[e, i] = h.time[e, i - 1], h.origin[e, i - 1]
        for s in rows:
            for i in range(n, at, -1):
                h.value[s, i] = h.value[s, i - 1]
        h.held[e] = n + 1
    h.time[e, at], h.origin[e, at] = t, origin
    for s in rows:
        h.value[s, at] = math.nan
    return int(at)


@njit(cache=True)
def pane_slot(h: History, e: int, pane: int, origin: int) -> int:
    """Where the hour holds `pane`, emptied for it if an older one was there; -1 if a newer one is there."""
    k = pane % HOUR_PANES
    if h.pane[e, k] > pane:
        return -1
    if h.pane[e, k] < pane:
        h.pane[e, k], h.pane_origin[e, k] = pane, origin
        for s in range(h.first[e], h.first[e] + h.width[e]):
            h.stats[s, k, 0] = 0.0
    h.pane_origin[e, k] = min(h.pane_origin[e, k], origin)
    return int(k)


@njit(cache=True)
def add_to_pane(h: History, s: int, k: int, x: float) -> None:
    """Welford's update of one pane of one series."""
    stats = h.stats[s, k]
    n = stats[0] + 1.0
    if n == 1.0:
        stats[1], stats[2], stats[3], stats[4] = x, 0.0, x, x
    else:
        gap = x - stats[1]
        stats[1] += gap / n
        stats[2] += gap * (x - stats[1])
        stats[3], stats[4] = min(stats[3], x), max(stats[4], x)
    stats[0] = n


@njit(cache=True)
def close_pane(h: History, e: int, pane: int) -> bool:
    """Take the pane's means into the day; False if the day holds that pane or a newer one in its place already."""
    j = pane % DAY_PANES
    if h.day[e, j] >= pane:
        return False
    h.day[e, j] = pane
    k = pane % HOUR_PANES
    for s in range(h.first[e], h.first[e] + h.width[e]):
        held = h.pane[e, k] == pane and h.stats[s, k, 0] > 0.0
        h.day_mean[s, j] = h.stats[s, k, 1] if held else math.nan
    return True


@njit(cache=True)
def is_regular(h: History, e: int, pane: int) -> bool:
    """Seen in at least 90 % of the 144 panes before `pane`."""
    n = 0
    for k in range(DAY_PANES):
        if pane - DAY_PANES <= h.day[e, k] < pane:
            n += 1
    return n >= REGULAR_PANES


@njit(cache=True)
def forget_samples(h: History, e: int) -> None:
    """Empty the ring and the hour; the day stays."""
    h.held[e] = 0
    for k in range(HOUR_PANES):
        h.pane[e, k], h.pane_origin[e, k] = NEVER, NO_ORIGIN
    for s in range(h.first[e], h.first[e] + h.width[e]):
        h.seen[s] = NEVER


@njit(cache=True)
def cadence_gaps(h: History, e: int) -> int:
    """How many gaps the cadence of `e` would be learned from; 0 while there are fewer than three."""
    n = min(h.held[e] - 1, GAPS)
    return int(n) if n >= MIN_GAPS else 0


@njit(cache=True)
def learned_cadence(h: History, e: int) -> int:
    """Median of the last nine gaps between samples (the larger middle one of an even number); 0 if unknown."""
    n = cadence_gaps(h, e)
    if n == 0:
        return 0
    newest = h.held[e] - 1
    gaps = np.empty(n, np.int64)
    for i in range(n):
        gaps[i] = h.time[e, newest - i] - h.time[e, newest - i - 1]
    return int(np.sort(gaps)[n // 2])


@njit(cache=True)
def chance_gap(h: History, e: int, cadence: int) -> int:
    """How long a gap chance makes once in a million times where the samples held came at random; 0 where they did not.

    Not at random came those of which at least half of the gaps are within a quarter of the cadence. Others are taken
    for a Poisson process of whose rate n gaps tell, with the prior 1/rate: P(gap > t) = (S / (S + t))^n, S their sum.
    """
    n, alike = h.held[e] - 1, 0
    for i in range(n):
        alike += 4 * abs(h.time[e, i + 1] - h.time[e, i] - cadence) <= cadence
    if 2 * alike >= n:
        return 0
    whole = h.time[e, n] - h.time[e, 0]
    return int(whole * (CHANCE ** (-1.0 / n) - 1.0))


@njit(cache=True)
def patience(retire_after: int, cadence: int) -> int:
    """How long an entity may send nothing before it is retired: longer where its cadence is slow."""
    return min(max(retire_after, PATIENCE * cadence), max(retire_after, MAX_PATIENCE))


@njit(cache=True)
def keeping(retire_after: int, cadence: int) -> int:
    """How long the samples of a retired entity are kept: on and on while its cadence could not be learned."""
    return 2 * retire_after if cadence == 0 else 0
