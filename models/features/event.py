"""Features of a single API or log event: what it says itself, and how it stands in its entity's last five minutes.

The window is thirty ten-second slices, and holds what was read before the event (and, in counts, itself). So a vector
depends on the order of reading and not on when anything was read. Six slices more are kept for events that are up to a
minute out of order; the context of one further back is what is left of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.history import NEVER, NO_ORIGIN
from models.features.levels import ERROR_LEVEL, WARNING_LEVEL
from models.features.sets import Feature, FeatureSet
from models.features.time import TIME_FEATURES, write_time

SLICE_US = 10_000_000
SLICES = 30
WINDOW_US = SLICES * SLICE_US
HELD = SLICES + 6
RECENT = 64
"""Distinct times of an entity's newest events that are remembered to number events of one time."""

ERROR_STATUS = 500

_BEFORE = "the events of the last five minutes (thirty slices of ten seconds) read before it"

EVENT = FeatureSet(
    "event",
    1,
    (
        Feature("latency_ms", "milliseconds", "latency of the event"),
        Feature("level", "score", "TRACE, DEBUG, INFO 0, WARN 1, ERROR 2, FATAL and CRITICAL 3"),
        Feature("status_class", "class", "first digit of status_code"),
        Feature("error", "flag", "1 if level ≥ ERROR, status_code ≥ 500 or error=true"),
        Feature(
            "latency_ms__z_5m", "ratio", f"(x − m) / max(s, 0.05·|m|, 1e-3), m and s mean and deviation of {_BEFORE}"
        ),
        Feature("latency_ms__mean_5m", "milliseconds", f"mean over {_BEFORE}"),
        Feature("latency_ms__std_5m", "milliseconds", f"standard deviation (n − 1) over {_BEFORE}"),
        Feature("latency_ms__min_5m", "milliseconds", f"minimum over {_BEFORE}"),
        Feature("latency_ms__max_5m", "milliseconds", f"maximum over {_BEFORE}"),
        Feature("events__count_5m", "events", f"{_BEFORE}, and itself"),
        Feature("events__count_10s", "events", "the same in its own slice alone"),
        Feature("errors__count_5m", "events", f"errors among {_BEFORE}, and itself"),
        Feature("errors__rate_5m", "ratio", "errors__count_5m / events__count_5m"),
        Feature("warnings__rate_5m", "ratio", "warnings / events__count_5m"),
        Feature(
            "event__gap_s", "seconds", "since the entity's newest event in these five minutes; negative if out of order"
        ),
        *TIME_FEATURES,
    ),
)

EVENT_WIDTH = len(EVENT.features)
Z_LIMIT = 100.0
MIN_TIMED = 5

# Cells of a slice.
COUNT, ERRORS, WARNINGS, TIMED, MEAN, SQUARES, LOW, HIGH, CELLS = range(9)


class EventHistory(NamedTuple):
    """Slices and newest times of E entities. `origin`: offset of the first record that a cell depends on."""

    slice: NDArray[np.int64]  # (E, HELD) number of the slice held at number % HELD
    origin: NDArray[np.int64]  # (E, HELD)
    cells: NDArray[np.float64]  # (E, HELD, CELLS)
    time: NDArray[np.int64]  # (E, RECENT) distinct times, ascending; the first `times` of them
    place: NDArray[np.int64]  # (E, RECENT) events of that time so far
    time_origin: NDArray[np.int64]  # (E, RECENT)
    times: NDArray[np.int64]  # (E,)


class Saying(NamedTuple):
    """What an event says itself; NaN where it does not."""

    latency: float
    level: float
    status: float
    error: bool


def empty_event_history(entities: int) -> EventHistory:
    """That many entities without an event."""
    return EventHistory(
        np.full((entities, HELD), NEVER, np.int64),
        np.full((entities, HELD), NO_ORIGIN, np.int64),
        np.zeros((entities, HELD, CELLS)),
        np.full((entities, RECENT), NEVER, np.int64),
        np.zeros((entities, RECENT), np.int64),
        np.full((entities, RECENT), NO_ORIGIN, np.int64),
        np.zeros(entities, np.int64),
    )


def event_features(
    times: NDArray[np.int64],
    latency: NDArray[np.float64],
    level: NDArray[np.float64],
    status: NDArray[np.float64],
    error: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The `event` features (`EVENT.names`) of one entity's events in the order they were read, one row each.

    `times` epoch microseconds; `latency` in ms, `level` as a score (`LEVELS`), `status` codes, NaN where an event has
    none; `error` where it says error=true. Bit for bit what the `event` profile emits live.
    """
    h = empty_event_history(1)
    out = np.empty((len(times), EVENT_WIDTH))
    for i in range(len(times)):
        said = Saying(float(latency[i]), float(level[i]), float(status[i]), bool(error[i]))
        observe(h, 0, int(times[i]), 0, said, out[i])
    return out


@njit(cache=True)
def observe(h: EventHistory, e: int, t: int, origin: int, said: Saying, out: NDArray[np.float64]) -> int:
    """Write the features of an event of `e` to `out`, then count it; returns its place among events of its time."""
    failed = said.error or said.level >= ERROR_LEVEL or said.status >= ERROR_STATUS
    warned = said.level == WARNING_LEVEL and not failed
    merged = np.zeros(CELLS)
    _merge(h, e, t // SLICE_US, merged)
    own = _slot(h, e, t // SLICE_US)
    in_slice = h.cells[e, own, COUNT] if own >= 0 else 0.0
    _write_own(said, failed, merged, out)
    out[9] = merged[COUNT] + 1.0
    out[10] = in_slice + 1.0
    out[11] = merged[ERRORS] + (1.0 if failed else 0.0)
    out[12] = out[11] / out[9]
    out[13] = (merged[WARNINGS] + (1.0 if warned else 0.0)) / out[9]
    n = h.times[e]
    near = n > 0 and t - h.time[e, n - 1] < WINDOW_US
    out[14] = (t - h.time[e, n - 1]) / 1e6 if near else math.nan
    write_time(t, out, 15)
    if own >= 0:
        _count(h, e, own, t // SLICE_US, origin, said.latency, failed, warned)
    return _number(h, e, t, origin, int(in_slice))


@njit(cache=True)
def _write_own(said: Saying, failed: bool, merged: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    out[0] = said.latency
    out[1] = said.level
    out[2] = np.floor(said.status / 100.0)
    out[3] = 1.0 if failed else 0.0
    out[4:9] = math.nan
    timed = merged[TIMED]
    if timed > 0.0:
        out[5], out[7], out[8] = merged[MEAN], merged[LOW], merged[HIGH]
    if timed > 1.0:
        out[6] = math.sqrt(merged[SQUARES] / (timed - 1.0))
    if timed >= MIN_TIMED and not math.isnan(said.latency):
        z = (said.latency - out[5]) / max(out[6], 0.05 * abs(out[5]), 1e-3)
        out[4] = min(max(z, -Z_LIMIT), Z_LIMIT)


@njit(cache=True)
def _slot(h: EventHistory, e: int, number: int) -> int:
    """Where slice `number` lies, emptied for it if an older one was there; -1 if a newer one is there."""
    k = number % HELD
    if h.slice[e, k] > number:
        return -1
    if h.slice[e, k] < number:
        h.slice[e, k], h.origin[e, k] = number, NO_ORIGIN
        h.cells[e, k, :] = 0.0
    return int(k)


@njit(cache=True)
def _merge(h: EventHistory, e: int, newest: int, merged: NDArray[np.float64]) -> None:
    """Add up the slices up to `newest`, oldest first."""
    merged[LOW], merged[HIGH] = math.inf, -math.inf
    for number in range(newest - SLICES + 1, newest + 1):
        k = number % HELD
        if h.slice[e, k] != number:
            continue
        cells = h.cells[e, k]
        merged[COUNT] += cells[COUNT]
        merged[ERRORS] += cells[ERRORS]
        merged[WARNINGS] += cells[WARNINGS]
        if cells[TIMED] > 0.0:
            both = merged[TIMED] + cells[TIMED]
            gap = cells[MEAN] - merged[MEAN]
            merged[MEAN] += gap * cells[TIMED] / both
            merged[SQUARES] += cells[SQUARES] + gap * gap * merged[TIMED] * cells[TIMED] / both
            merged[TIMED] = both
            merged[LOW], merged[HIGH] = min(merged[LOW], cells[LOW]), max(merged[HIGH], cells[HIGH])


@njit(cache=True)
def _count(
    h: EventHistory, e: int, k: int, number: int, origin: int, latency: float, failed: bool, warned: bool
) -> None:
    cells = h.cells[e, k]
    h.origin[e, k] = min(h.origin[e, k], origin)
    cells[COUNT] += 1.0
    cells[ERRORS] += 1.0 if failed else 0.0
    cells[WARNINGS] += 1.0 if warned else 0.0
    if math.isnan(latency):
        return
    cells[TIMED] += 1.0
    if cells[TIMED] == 1.0:
        cells[MEAN], cells[LOW], cells[HIGH] = latency, latency, latency
        return
    gap = latency - cells[MEAN]
    cells[MEAN] += gap / cells[TIMED]
    cells[SQUARES] += gap * (latency - cells[MEAN])
    cells[LOW], cells[HIGH] = min(cells[LOW], latency), max(cells[HIGH], latency)


@njit(cache=True)
def _number(h: EventHistory, e: int, t: int, origin: int, in_slice: int) -> int:
    """The event's place among those of its time: 0, 1, …; never one that an event of that time had before.

    Only the newest times are known; an event older than all of them takes its place in the slice, which is higher.
    """
    n = h.times[e]
    at = n
    while at > 0 and h.time[e, at - 1] >= t:
        at -= 1
    if at < n and h.time[e, at] == t:
        h.place[e, at] += 1
        h.time_origin[e, at] = min(h.time_origin[e, at], origin)
        return int(h.place[e, at]) - 1
    if n == RECENT and at == 0:
        return in_slice
    if n == RECENT:
        at -= 1
        for i in range(at):
            _move(h, e, i + 1, i)
    else:
        for i in range(n, at, -1):
            _move(h, e, i - 1, i)
        h.times[e] = n + 1
    h.time[e, at], h.place[e, at], h.time_origin[e, at] = t, 1, origin
    return 0


@njit(cache=True)
def _move(h: EventHistory, e: int, source: int, target: int) -> None:
    h.time[e, target], h.place[e, target] = h.time[e, source], h.place[e, source]
    h.time_origin[e, target] = h.time_origin[e, source]
