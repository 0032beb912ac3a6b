"""How records move event time on one partition: watermark, skew, ticks, and the time that nobody watched.

The watermark is the running maximum of min(event time, reference time) − lateness, where the reference time is the
earlier of `observed_at` and the record's own Kafka timestamp. So a fast clock cannot make everyone late. An event
whose time lies too far ahead of its reference time is skewed: it becomes a dead letter and does not vouch for its
time. While the partition is live it still shows that time passes, as a tick would; behind old data it shows nothing,
or one bad record would end a whole replay.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import Timeline
from workers.windows.ticks import Tick

EARLIEST = 63_072_000_000_000
"""1972-01-01: whatever claims to be older gives seconds for milliseconds."""

_NOBODY = NO_WATERMARK
_END_AHEAD = 3_600_000_000  # how far a closing tick may go beyond its reference time
_EVENT, _IDLE, _END = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TimePolicy:
    """Microseconds. A jump of more than `unwatched_after` means that nobody watched in between."""

    lateness: int = 10_000_000
    max_skew: int = 300_000_000
    live_within: int = 60_000_000
    unwatched_after: int = 60_000_000


@dataclass(frozen=True, slots=True)
class TimeState:
    """Where time stands. `watched_since` is the event time from which on the partition was watched without a break,
    `break_offset` the record that ended the last break; `last_offset` the last record read (-1: none), and
    `behind` how far the last event or tick lay behind its reference time: it says whether this is live. A closing tick
    counts with its own time: behind a finished replay of old data nobody is silent."""

    watermark: int = NO_WATERMARK
    watched_since: int = _NOBODY
    break_offset: int = -1
    last_offset: int = -1
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """What a batch did to time: the timeline, which events are skewed, which records are ticks that count."""

    timeline: Timeline
    skewed: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    state: TimeState


def pass_time(
    policy: TimePolicy,
    state: TimeState,
    offsets: NDArray[np.int64],
    stamps: NDArray[np.int64],
    events: Events,
    ticks: dict[int, Tick | None],
) -> Passage:
    """Move time by a batch: `stamps` are the records' Kafka timestamps, `ticks` those records that are one."""
    m = len(offsets)
    moments = np.full((m, 3), NULL_TIME, np.int64)  # event or tick time, reference time, the tick's as_of
    kinds = np.full(m, -1, np.int8)
    moments[:, 1] = stamps
    kinds[events.record] = _EVENT
    moments[events.record, 0] = events.time
    observed = np.where(events.observed_at == NULL_TIME, np.iinfo(np.int64).max, events.observed_at)
    moments[events.record, 1] = np.minimum(stamps[events.record], observed)
    for record, tick in ticks.items():
        if tick is not None:
            kinds[record] = _END if tick.kind == "end" else _IDLE
            moments[record, 0], moments[record, 2] = tick.time, tick.as_of
    before, after, watched = (np.empty(m, np.int64) for _ in range(3))
    bad, counted = np.zeros(m, np.bool_), np.zeros(m, np.bool_)
    place = np.array(astuple(state), np.int64)
    limits = np.array([policy.lateness, policy.max_skew, policy.live_within, policy.unwatched_after], np.int64)
    _pass(limits, place, offsets, kinds, moments, before, after, watched, bad, counted)
    moved = TimeState(*place.tolist())
    return Passage(Timeline(offsets, before, after, watched), bad[events.record], counted, moved)


@njit(cache=True)
def _pass(
    limits: NDArray[np.int64],
    place: NDArray[np.int64],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.int8],
    moments: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    watched: NDArray[np.int64],
    bad: NDArray[np.bool_],
    counted: NDArray[np.bool_],
) -> None:
    lateness, max_skew, live_within, unwatched_after = limits[0], limits[1], limits[2], limits[3]
    for i in range(len(offsets)):
        watermark = place[0]
        before[i] = watermark
        time, reference, as_of = moments[i, 0], moments[i, 1], moments[i, 2]
        reached = NO_WATERMARK
        if kinds[i] == _EVENT:
            bad[i] = time > reference + max_skew or time < EARLIEST
            if not bad[i]:
                reached = min(time, reference)
                place[4] = reference - time
            elif watermark != NO_WATERMARK and reference - (watermark + lateness) <= live_within:
                reached = reference
        elif kinds[i] != -1:
            place[4] = reference - time
            if 0 <= place[3] <= as_of < offsets[i] and time >= EARLIEST:
                counted[i] = True
                reached = min(time, reference if kinds[i] == _IDLE else reference + _END_AHEAD)
        if reached != NO_WATERMARK and reached - lateness > watermark:
            if watermark == NO_WATERMARK or reached - lateness - watermark > unwatched_after:
                place[1] = reached
                place[2] = offsets[i]
            place[0] = reached - lateness
        after[i] = place[0]
        watched[i] = place[1]
        place[3] = offsets[i]
