"""Cumulative counters to increases, series by series in record order; a counter that starts again counts from 0."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.history import NEVER, NO_ORIGIN
from schemas.columns import COUNTER, RATE

_SECOND = 1e6


class Counters(NamedTuple):
    """What is known of S counters: the newest reading, and the one before it (of another time), of `base_time`.

    `origin` and `base_origin` are the offsets of the records they came from.
    """

    last: NDArray[np.float64]
    time: NDArray[np.int64]
    origin: NDArray[np.int64]
    base: NDArray[np.float64]
    base_time: NDArray[np.int64]
    base_origin: NDArray[np.int64]


def empty_counters(series: int) -> Counters:
    """State for that many counters, none of them read yet."""
    return Counters(
        last=np.full(series, np.nan),
        time=np.full(series, NEVER, np.int64),
        origin=np.full(series, NO_ORIGIN, np.int64),
        base=np.full(series, np.nan),
        base_time=np.full(series, NEVER, np.int64),
        base_origin=np.full(series, NO_ORIGIN, np.int64),
    )


@njit(cache=True)
def _increase(base: float, reading: float) -> float:
    if math.isnan(base):
        return math.nan
    return reading - base if reading >= base else reading


@njit(cache=True)
def to_increases(
    c: Counters,
    memory: int,
    series: NDArray[np.int64],
    kinds: NDArray[np.int8],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    origins: NDArray[np.int64],
) -> None:
    """Replace the readings of counters in `values` by increases (of rates: for each second), entry by entry in record
    order.

    An increase runs from the reading before it to this one. The first reading has none (NaN), nor has the first one
    more than `memory` (microseconds) after the last, nor one out of order, which changes nothing: the increase
    that follows covers its share. A reading for the time of the newest one replaces that. `series[j]` is the row of
    `c` (below 0: not kept), `origins[j]` the offset of entry j's record, lowered to that of the reading it builds on.
    """
    for j in range(len(series)):
        s, x, t = series[j], values[j], times[j]
        if (kinds[j] != COUNTER and kinds[j] != RATE) or s < 0:
            continue
        if not x >= 0.0:
            values[j] = math.nan
        elif c.time[s] == NEVER or t - c.time[s] > memory:
            c.base[s], c.base_origin[s] = math.nan, NO_ORIGIN
            c.last[s], c.time[s], c.origin[s] = x, t, origins[j]
            values[j] = math.nan
        elif t < c.time[s]:
            values[j] = math.nan
        else:
            if t > c.time[s]:
                c.base[s], c.base_time[s], c.base_origin[s] = c.last[s], c.time[s], c.origin[s]
                c.time[s] = t
            c.last[s], c.origin[s] = x, origins[j]
            values[j] = _increase(c.base[s], x)
            if kinds[j] == RATE:
                values[j] = values[j] * _SECOND / (t - c.base_time[s])  # NaN without a base
            origins[j] = min(origins[j], c.base_origin[s])
