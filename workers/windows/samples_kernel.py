"""The sample engine's compiled core: what time and events do to one entity after another.

An entity's events and the passing of time are taken strictly in record order, so the result does not depend on how
records are cut into batches: first everything that the watermark before a record has passed, in time order, then the
record's event. A sample is appended when the watermark passes its time; at one time a ten-minute pane closes first,
then comes the sample, then retirement, then a missed sample.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.generic import COMMON_WIDTH, write_generic
from models.features.history import (
    HOUR_PANES,
    NEVER,
    NO_ORIGIN,
    PANE_US,
    History,
    add_to_pane,
    append_sample,
    cadence_gaps,
    chance_gap,
    close_pane,
    forget_samples,
    insert_sample,
    is_regular,
    keeping,
    learned_cadence,
    pane_slot,
    patience,
)
from models.features.host import HOST_WIDTH, write_host
from models.features.series import WIDTH, refresh_baseline
from workers.windows.samples_schedule import (
    APPLIED,
    BLANK,
    CADENCE,
    CADENCE_ORIGIN,
    COUNT_ORIGIN,
    DUE,
    FAR,
    FORGET_AT,
    HEARD,
    LAST_END,
    LAST_OFFSET,
    LATE_COUNT,
    LIVE,
    NEWEST,
    NEXT_TIME,
    OPEN_PANE,
    QUIET_FROM,
    QUIET_ORIGIN,
    RETIRED,
    SHOWN,
    SILENCE,
    SKEWED_COUNT,
    STATE,
    Schedule,
)
from workers.windows.silence import MISSED

IN_TIME, LATE, TOO_LATE, SKEWED = 0, 1, 2, 3
"""What became of an event: a sample to come, into windows only, and two that are signs of life alone."""

RECORD, SLOT, TIME, START, EVENTS, LATES, SKEWS, FLAGS, LAYOUT, AT = range(10)
"""Columns of a row of the result; AT is where its values begin, -1 if all are missing."""

SILENT, IS_RETIRED, REGULAR = 1, 2, 4


class Rules(NamedTuple):
    """The policy in numbers: microseconds; `declared` 0 where cadences are learned."""

    lateness: int
    retire_after: int
    declared: int
    host: bool


class Stretch(NamedTuple):
    """Records of a batch, and the breaks in which nobody watched, those before it as well.

    A break of record i starts at before[i] + lateness (the newest event time before it) and stops at most at
    after[i] + lateness. Breaks are ascending and apart.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    offsets: NDArray[np.int64]
    break_start: NDArray[np.int64]
    break_stop: NDArray[np.int64]


class Arrivals(NamedTuple):
    """Events grouped by entity, in record order within it. `record` is -1 for those that waited from before."""

    record: NDArray[np.int64]
    time: NDArray[np.int64]
    origin: NDArray[np.int64]
    outcome: NDArray[np.int8]
    interval: NDArray[np.int64]  # declared by the event; 0 if not
    start: NDArray[np.int64]  # its values are start:stop
    stop: NDArray[np.int64]
    series: NDArray[np.int64]
    value: NDArray[np.float64]
    value_origin: NDArray[np.int64]


class Result(NamedTuple):
    """Growing buffers. `used`: rows, values, closed panes, layout numbers and layouts so far.

    `closed`: record, slot, pane, where the means of its series begin in `values`, and of its newest sample the time
    and the last record's offset; an entity whose samples were forgotten is a row with pane NEVER and the time of that.
    `layouts`: slot, number of series, and these series, one layout after another.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    closed: NDArray[np.int64]
    layouts: NDArray[np.int64]
    used: NDArray[np.int64]


ROWS, VALUES, CLOSED, LAYOUTS, LAYOUT_COUNT = range(5)


def empty_result(rows: int, values: int) -> Result:
    """Buffers to begin with; they grow as needed."""
    return Result(
        np.empty((rows, 10), np.int64),
        np.empty(values, np.float64),
        np.empty((64, 6), np.int64),
        np.empty(256, np.int64),
        np.zeros(5, np.int64),
    )


@njit(cache=True)
def _needs(width: int) -> tuple[int, int, int, int]:
    """The most rows, values, closed panes and layout numbers that one step of an entity of that many series gives."""
    return 1, max(HOST_WIDTH, width * WIDTH + COMMON_WIDTH), 1, width + 2


@njit(cache=True)
def _lacks_room(out: Result, width: int) -> bool:
    """Whether the buffers might not hold what one more step gives."""
    rows, values, closed, layouts = _needs(width)
    return bool(
        out.used[ROWS] + rows > len(out.rows)
        or out.used[VALUES] + values > len(out.values)
        or out.used[CLOSED] + closed > len(out.closed)
        or out.used[LAYOUTS] + layouts > len(out.layouts)
    )


@njit(cache=True)
def _grown(out: Result, width: int) -> Result:
    """The same result; buffers that might not hold one more step are doubled."""
    rows, values, closed, layouts = _needs(width)
    a, b, c, d = out.rows, out.values, out.closed, out.layouts
    if out.used[ROWS] + rows > len(a):
        a = np.concatenate((a, np.empty((len(a) + rows, 10), np.int64)))
    if out.used[VALUES] + values > len(b):
        b = np.concatenate((b, np.empty(len(b) + values, np.float64)))
    if out.used[CLOSED] + closed > len(c):
        c = np.concatenate((c, np.empty((len(c) + closed, 6), np.int64)))
    if out.used[LAYOUTS] + layouts > len(d):
        d = np.concatenate((d, np.empty(len(d) + layouts, np.int64)))
    return Result(a, b, c, d, out.used)


@njit(cache=True)
def _retire_at(q: Schedule, rules: Rules, e: int) -> int:
    if q[e, STATE] == BLANK:
        return FAR
    if q[e, STATE] == RETIRED:
        return int(q[e, FORGET_AT])
    return int(q[e, HEARD]) + patience(rules.retire_after, q[e, CADENCE])


@njit(cache=True)
def _closing(q: Schedule, e: int) -> int:
    return (int(q[e, OPEN_PANE]) + 1) * PANE_US if q[e, OPEN_PANE] != NEVER else FAR


@njit(cache=True)
def _apply_breaks(q: Schedule, line: Stretch, e: int, until: int) -> bool:
    """Let the entity's silence stand still in breaks that began before `until`; True if that moved anything.

    One cadence of a break counts: where samples come every five minutes nobody watches in between, and an entity
    that stops must become silent all the same. A longer break says nothing about any one entity.
    """
    moved = False
    k = np.searchsorted(line.break_start, q[e, APPLIED], side="right")
    while k < len(line.break_start) and line.break_start[k] < until:
        q[e, APPLIED] = line.break_start[k]
        lost = line.break_stop[k] - max(line.break_start[k], q[e, NEWEST]) - q[e, CADENCE]
        if lost > 0 and q[e, STATE] == LIVE:
            q[e, QUIET_FROM] += lost
            if q[e, DUE] != FAR:
                q[e, DUE] += lost
            moved = True
        k += 1
    return moved


@njit(cache=True)
def _learn_cadence(h: History, q: Schedule, rules: Rules, e: int, interval: int, origin: int) -> None:
    """Declared by the sample, by the profile, or the median of the last gaps once there are three.

    Three of it are silence, or more where samples come at random.
    """
    q[e, CADENCE], q[e, CADENCE_ORIGIN] = 0, NO_ORIGIN
    if interval > 0:
        q[e, CADENCE], q[e, CADENCE_ORIGIN] = interval, origin
    elif rules.declared > 0:
        q[e, CADENCE] = rules.declared
    else:
        q[e, CADENCE] = learned_cadence(h, e)
        for i in range(h.held[e] - 1 - cadence_gaps(h, e), h.held[e]):
            q[e, CADENCE_ORIGIN] = min(q[e, CADENCE_ORIGIN], h.origin[e, i])
    q[e, SILENCE] = MISSED * q[e, CADENCE]
    if interval <= 0 and rules.declared <= 0 and q[e, CADENCE] > 0:
        q[e, SILENCE] = max(q[e, SILENCE], chance_gap(h, e, q[e, CADENCE]))


@njit(cache=True)
def _close(h: History, q: Schedule, line: Stretch, e: int, record: int, out: Result) -> None:
    pane = q[e, OPEN_PANE]
    q[e, OPEN_PANE] = NEVER
    if not close_pane(h, e, pane):
        return
    first, width = h.first[e], h.width[e]
    out.closed[out.used[CLOSED]] = (record, e, pane, out.used[VALUES], q[e, NEWEST], q[e, LAST_OFFSET])
    for s in range(first, first + width):
        out.values[out.used[VALUES] + s - first] = h.day_mean[s, pane % h.day.shape[1]]
    out.used[VALUES] += width
    out.used[CLOSED] += 1


@njit(cache=True)
def _set_layout(h: History, q: Schedule, present: NDArray[np.bool_], e: int, out: Result) -> None:
    """Which metrics are shown: those in the last 30 samples or in the last hour. A new set is written down."""
    first, width = h.first[e], h.width[e]
    pane = q[e, NEWEST] // PANE_US
    changed, shown = q[e, SHOWN] == -1, 0
    for s in range(first, first + width):
        now = h.seen[s] >= h.time[e, 0]
        p = pane
        while not now and p > pane - HOUR_PANES:
            now = h.pane[e, p % HOUR_PANES] == p and h.stats[s, p % HOUR_PANES, 0] > 0.0
            p -= 1
        changed = changed or now != present[s]
        present[s] = now
        shown += now
    if not changed:
        return
    at = out.used[LAYOUTS]
    out.layouts[at], out.layouts[at + 1] = e, shown
    at += 2
    for s in range(first, first + width):
        if present[s]:
            out.layouts[at] = s
            at += 1
    out.used[LAYOUTS] = at
    out.used[LAYOUT_COUNT] += 1
    q[e, SHOWN] = -1 - out.used[LAYOUT_COUNT]


@njit(cache=True)
def _write_row(
    h: History, q: Schedule, e: int, record: int, t: int, start: int, events: int, flags: int, at: int, out: Result
) -> None:
    if is_regular(h, e, t // PANE_US):
        flags |= REGULAR
    out.rows[out.used[ROWS]] = (
        record,
        e,
        t,
        start,
        events,
        q[e, LATE_COUNT],
        q[e, SKEWED_COUNT],
        flags,
        q[e, SHOWN],
        at,
    )
    out.used[ROWS] += 1
    q[e, LAST_END] = t
    q[e, LATE_COUNT], q[e, SKEWED_COUNT], q[e, COUNT_ORIGIN] = 0, 0, NO_ORIGIN


@njit(cache=True)
def _append(h: History, q: Schedule, ev: Arrivals, e: int, members: NDArray[np.int64]) -> int:
    """Merge events of one time into a new sample: per metric the last in record order. Returns a declared interval."""
    t = ev.time[members[0]]
    origin, interval = NO_ORIGIN, 0
    for i in members:
        q[e, LAST_OFFSET] = max(q[e, LAST_OFFSET], ev.origin[i])
        origin = min(origin, ev.origin[i])
        if ev.interval[i] > 0:
            interval = ev.interval[i]
        for j in range(ev.start[i], ev.stop[i]):
            origin = min(origin, ev.value_origin[j])
    at = append_sample(h, e, t, origin)
    k = pane_slot(h, e, t // PANE_US, origin)
    for i in members:
        for j in range(ev.start[i], ev.stop[i]):
            s = ev.series[j]
            if s >= 0 and not math.isnan(ev.value[j]):
                h.value[s, at] = ev.value[j]
                h.seen[s] = t
    for s in range(h.first[e], h.first[e] + h.width[e]):
        if not math.isnan(h.value[s, at]):
            add_to_pane(h, s, k, h.value[s, at])
    return int(interval)


@njit(cache=True)
def _release(
    h: History,
    q: Schedule,
    present: NDArray[np.bool_],
    rules: Rules,
    line: Stretch,
    ev: Arrivals,
    e: int,
    record: int,
    members: NDArray[np.int64],
    out: Result,
) -> None:
    """A sample whose time has come: into the windows, and out as a vector."""
    t = ev.time[members[0]]
    pane = t // PANE_US
    interval = _append(h, q, ev, e, members)
    newest = h.held[e] - 1
    q[e, STATE], q[e, NEWEST], q[e, OPEN_PANE], q[e, FORGET_AT] = LIVE, t, pane, FAR
    _learn_cadence(h, q, rules, e, interval, h.origin[e, newest])
    cadence = q[e, CADENCE]
    q[e, HEARD] = max(q[e, HEARD], t)
    if q[e, QUIET_FROM] <= t:
        q[e, QUIET_FROM], q[e, QUIET_ORIGIN] = t, NO_ORIGIN
    # By lateness, breaks before the sample's own record are over: what they were cannot matter after a rebuild.
    over = np.searchsorted(line.break_stop, t + rules.lateness, side="right")
    q[e, APPLIED] = line.break_start[over - 1] if over > 0 else NEVER
    silence = q[e, SILENCE]
    q[e, DUE] = t + silence if 0 < silence <= patience(rules.retire_after, cadence) else FAR
    refresh_baseline(h, e, pane)
    if rules.host:
        q[e, SHOWN] = 0
    else:
        _set_layout(h, q, present, e, out)
    at = out.used[VALUES]
    if rules.host:
        out.used[VALUES] = write_host(h, e, out.values, at)
    else:
        out.used[VALUES] = write_generic(h, e, present, out.values, at)
    start = q[e, LAST_END] if q[e, LAST_END] != NEVER else t
    if cadence > 0 and q[e, LAST_END] != NEVER:
        start = max(start, t - cadence)
    _write_row(h, q, e, record, t, start, len(members), 0, at, out)


@njit(cache=True)
def _miss(h: History, q: Schedule, e: int, record: int, out: Result) -> None:
    t, cadence = q[e, DUE], q[e, CADENCE]
    q[e, DUE] = t + cadence
    flags = SILENT if t - q[e, QUIET_FROM] >= q[e, SILENCE] else 0
    _write_row(h, q, e, record, t, max(q[e, LAST_END], t - cadence), 0, flags, -1, out)


@njit(cache=True)
def _retire(h: History, q: Schedule, rules: Rules, e: int, record: int, out: Result) -> None:
    """The last vector of an entity; its samples are kept on while too few are known to tell a slow entity."""
    t, cadence = _retire_at(q, rules, e), q[e, CADENCE]
    q[e, STATE], q[e, DUE] = RETIRED, FAR
    keep = keeping(rules.retire_after, cadence)
    q[e, FORGET_AT] = max(t + keep, _closing(q, e) if q[e, OPEN_PANE] != NEVER else NEVER)
    if q[e, LAST_END] == NEVER:
        return
    silent = SILENT if cadence > 0 and t - q[e, QUIET_FROM] >= q[e, SILENCE] else 0
    start = max(q[e, LAST_END], t - cadence) if cadence > 0 else q[e, LAST_END]
    _write_row(h, q, e, record, t, start, 0, silent | IS_RETIRED, -1, out)


@njit(cache=True)
def _forget(h: History, q: Schedule, e: int, record: int, out: Result) -> None:
    out.closed[out.used[CLOSED]] = (record, e, NEVER, 0, q[e, FORGET_AT], q[e, LAST_OFFSET])
    out.used[CLOSED] += 1
    forget_samples(h, e)
    q[e, STATE], q[e, NEWEST], q[e, HEARD] = BLANK, NEVER, NEVER
    q[e, QUIET_FROM], q[e, QUIET_ORIGIN] = NEVER, NO_ORIGIN
    q[e, CADENCE], q[e, CADENCE_ORIGIN], q[e, DUE], q[e, FORGET_AT] = 0, NO_ORIGIN, FAR, FAR
    q[e, SILENCE] = 0
    q[e, APPLIED], q[e, LAST_END] = NEVER, NEVER
    q[e, LATE_COUNT], q[e, SKEWED_COUNT], q[e, COUNT_ORIGIN] = 0, 0, NO_ORIGIN


@njit(cache=True)
def _sign_of_life(q: Schedule, rules: Rules, line: Stretch, ev: Arrivals, e: int, i: int) -> None:
    """Count an event that makes no sample; whoever sends it is not silent."""
    record = ev.record[i]
    if ev.outcome[i] == SKEWED:
        q[e, SKEWED_COUNT] += 1
    else:
        q[e, LATE_COUNT] += 1
    q[e, COUNT_ORIGIN] = min(q[e, COUNT_ORIGIN], ev.origin[i])
    # Breaks up to this record, its own included. A record that moves no time has none; that of a later one may start
    # at the same time.
    moves = line.after[record] > line.before[record]
    _apply_breaks(q, line, e, line.before[record] + rules.lateness + (1 if moves else 0))
    if line.after[record] > q[e, QUIET_FROM]:
        q[e, QUIET_FROM], q[e, HEARD], q[e, QUIET_ORIGIN] = line.after[record], line.after[record], ev.origin[i]


@njit(cache=True)
def _insert_late(h: History, q: Schedule, ev: Arrivals, e: int, i: int) -> None:
    """Put a late event among the samples. One at the time of a sample adds the metrics that this lacks."""
    t, origin = ev.time[i], ev.origin[i]
    for j in range(ev.start[i], ev.stop[i]):
        origin = min(origin, ev.value_origin[j])
    at = insert_sample(h, e, t, origin)
    pane, k = t // PANE_US, -1
    if q[e, NEWEST] == NEVER or pane > q[e, NEWEST] // PANE_US - HOUR_PANES:
        k = pane_slot(h, e, pane, origin)
    for j in range(ev.start[i], ev.stop[i]):
        s, x = ev.series[j], ev.value[j]
        if s < 0 or math.isnan(x) or (at >= 0 and not math.isnan(h.value[s, at])):
            continue
        if at >= 0:
            h.value[s, at] = x
        h.seen[s] = max(h.seen[s], t)
        if k >= 0:
            add_to_pane(h, s, k, x)


@njit(cache=True)
def _take(h: History, q: Schedule, rules: Rules, line: Stretch, ev: Arrivals, e: int, i: int) -> None:
    """An event that waits for nothing: late, too late, or skewed."""
    if ev.outcome[i] == LATE:
        if q[e, STATE] == BLANK:
            q[e, STATE], q[e, QUIET_FROM], q[e, HEARD] = LIVE, NEVER, NEVER
        _insert_late(h, q, ev, e, i)
        _sign_of_life(q, rules, line, ev, e, i)
    elif q[e, STATE] != BLANK:
        _sign_of_life(q, rules, line, ev, e, i)


@njit(cache=True)
def _advance(
    h: History,
    q: Schedule,
    present: NDArray[np.bool_],
    rules: Rules,
    line: Stretch,
    ev: Arrivals,
    e: int,
    limit: int,
    waiting: NDArray[np.int64],
    done: int,
    out: Result,
) -> tuple[bool, int]:
    """Do everything up to the watermark `limit` in time order; `waiting[done:]` are the samples to come.

    Returns whether it came to the end or the buffers lack room, and how many samples are done.
    """
    while True:
        sample = ev.time[waiting[done]] if done < len(waiting) else FAR
        closing, retiring = _closing(q, e), _retire_at(q, rules, e)
        t = min(min(sample, closing), min(retiring, q[e, DUE]))
        if t > limit:
            return True, done
        if _lacks_room(out, h.width[e]):
            return False, done
        record = np.searchsorted(line.after, t)
        if t == closing:
            _close(h, q, line, e, record, out)
        elif t == sample:
            first = done
            while done < len(waiting) and ev.time[waiting[done]] == t:
                done += 1
            _release(h, q, present, rules, line, ev, e, record, waiting[first:done], out)
        elif _apply_breaks(q, line, e, t):
            continue
        elif t != retiring:
            _miss(h, q, e, record, out)
        elif q[e, STATE] == LIVE:
            _retire(h, q, rules, e, record, out)
        else:
            _forget(h, q, e, record, out)


@njit(cache=True)
def _in_time_order(ev: Arrivals, first: int, stop: int) -> NDArray[np.int64]:
    """The events that wait for their time, by time, and in record order at one time."""
    chosen = np.empty(stop - first, np.int64)
    n, sorted_already, last = 0, True, NEVER
    for i in range(first, stop):
        if ev.outcome[i] == IN_TIME:
            chosen[n] = i
            n += 1
            sorted_already = sorted_already and ev.time[i] >= last
            last = ev.time[i]
    chosen = chosen[:n]
    if sorted_already:
        return chosen
    return chosen[np.argsort(ev.time[chosen], kind="mergesort")]


@njit(cache=True)
def run(
    h: History,
    q: Schedule,
    present: NDArray[np.bool_],
    rules: Rules,
    line: Stretch,
    ev: Arrivals,
    slots: NDArray[np.int64],
    first: NDArray[np.int64],
    ends: NDArray[np.int64],
    waits: NDArray[np.bool_],
    out: Result,
) -> Result:
    """Step every entity of `slots` (its events are first[k]:first[k + 1]) to the watermark ends[k].

    Records count from the stretch's start. `waits` tells of every event whether it is still to come.
    """
    for k in range(len(slots)):
        e = slots[k]
        waiting = _in_time_order(ev, first[k], first[k + 1])
        done = 0
        for i in range(first[k], first[k + 1] + 1):
            last = i == first[k + 1]
            if not last and ev.outcome[i] == IN_TIME:
                continue
            limit = ends[k] if last else min(line.before[ev.record[i]], ends[k])
            finished = False
            while not finished:
                finished, done = _advance(h, q, present, rules, line, ev, e, limit, waiting, done, out)
                if not finished:
                    out = _grown(out, h.width[e])
            if not last:
                _take(h, q, rules, line, ev, e, i)
        for i in waiting[done:]:
            waits[i] = True
        q[e, NEXT_TIME] = min(min(_closing(q, e), _retire_at(q, rules, e)), q[e, DUE])
    return out
