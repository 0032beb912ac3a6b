"""The pane engine's loop: record by record, first close the panes that time has passed, then count the record's event.

One call works through a batch and stops early only where Python has to take something away (a full buffer of rows,
state to be logged); it goes on from its cursor. So a replay that closes thousands of panes in one batch costs no more
Python than a batch that closes one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.history import GAPS
from workers.runtime.stage import NO_WATERMARK
from workers.windows import coarse, fixed
from workers.windows.compiled import kernel
from workers.windows.panes_row import write_row
from workers.windows.panes_silence import coarse_pane, excuse, is_quiet
from workers.windows.panes_store import CLOSED, COUNT, ERRORS, NONE, SUM, TIMED, Memory, Plan, Table
from workers.windows.panes_update import RETIRED, apply_event, leave, look_ahead
from workers.windows.panes_windows import advance

# What a call stopped for.
FINISHED, ROWS_FULL, LOG = 0, 1, 2

# Cells of the cursor: record and event; whether the record's panes are being closed, which, how far in the order of
# names, in which coarse pane, whether a break was excused; how much is in the buffers; and what nobody reads.
RECORD, EVENT, CLOSING, PANE, PLACE, COARSE_PANE, EXCUSED = 0, 1, 2, 3, 4, 5, 6
ROW, RINGS, GONE, UNREAD, CURSOR = 7, 8, 9, 10, 11

_AHEAD = 64  # events looked ahead at

Cursor = NDArray[np.int64]


class Time(NamedTuple):
    """The batch's timeline (see `engine.Timeline`) and the serial number of the batch."""

    offsets: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    watched: NDArray[np.int64]
    serial: int


class Buffers(NamedTuple):
    """What the loop hands to Python. `rings`, `gone` (n, 2): seats to log and logged seats that left, with records.

    `cells` (n, stretches, width) has the weight in each of the sketch's first buckets, for profiles in which buckets
    mean kinds of messages; its width is 0 for the others.
    """

    rows: Table
    cells: NDArray[np.float64]
    rings: NDArray[np.int32]
    gone: NDArray[np.int32]
    scratch: NDArray[np.int64]
    outcomes: NDArray[np.int64]


@kernel
def run(
    plan: Plan,
    memory: Memory,
    order: NDArray[np.int32],
    events: Table,
    time: Time,
    stop: int,
    cursor: Cursor,
    buffers: Buffers,
) -> int:
    """Go on from the cursor to record `stop`. `order` lists the seats by the entities' names."""
    while cursor[RECORD] < stop:
        i = cursor[RECORD]
        before, after = time.before[i], time.after[i]
        if not cursor[CLOSING]:
            if cursor[GONE] >= len(buffers.gone) - 1:
                return LOG
            cursor[CLOSING] = 1
            cursor[PANE] = (before if before != NO_WATERMARK else after) // plan.pane
            cursor[COARSE_PANE] = coarse_pane(plan, cursor[PANE])
            cursor[PLACE] = 0
            cursor[EXCUSED] = 0
        if after != NO_WATERMARK:
            status = _close(plan, memory, order, time, i, cursor, buffers)
            if status != FINISHED:
                return status
        row = cursor[EVENT]
        if row < len(events) and events[row].record == i:
            if row % _AHEAD == 0:
                cursor[UNREAD] = look_ahead(memory, events, row, min(row + _AHEAD, len(events)))
            now, open_pane = after + plan.lateness, cursor[PANE]
            gone = apply_event(
                plan, memory, events, row, time.offsets[i], open_pane, now, time.serial, buffers.outcomes
            )
            if gone != NONE:
                _note_gone(cursor, buffers, gone, i)
            cursor[EVENT] += 1
        cursor[CLOSING] = 0
        cursor[RECORD] += 1
    return FINISHED


@kernel
def _close(
    plan: Plan, memory: Memory, order: NDArray[np.int32], time: Time, i: int, cursor: Cursor, buffers: Buffers
) -> int:
    """Close every pane that ends at or before the watermark after record i."""
    to = time.after[i] // plan.pane
    seen_until = time.before[i] + plan.lateness  # the newest event time before this record
    broke = time.before[i] != NO_WATERMARK and time.watched[i] > seen_until
    while True:
        if coarse_pane(plan, cursor[PANE]) != cursor[COARSE_PANE]:
            if not _close_coarse(memory, order, i, time.offsets[i], cursor, buffers):
                return LOG
            cursor[COARSE_PANE] = coarse_pane(plan, cursor[PANE])
            cursor[PLACE] = 0
            if cursor[RINGS] > 0:
                return LOG
        pane = cursor[PANE]
        start = pane * plan.pane
        if broke and not cursor[EXCUSED] and (pane >= to or start > seen_until):
            excuse(plan, memory, order, seen_until, time.watched[i])
            cursor[EXCUSED] = 1
        if pane >= to:
            memory.ends[CLOSED] = to - 1
            return FINISHED
        watched = start + plan.pane > time.watched[i] or (broke and start <= seen_until)
        if not watched and cursor[PLACE] == 0:
            unwatched_to = min(to, max(pane + 1, time.watched[i] // plan.pane))
            cursor[PANE] = _next_of_interest(plan, memory, order, pane, unwatched_to)
            if cursor[PANE] != pane:
                continue
        if not _visit(plan, memory, order, i, time.offsets[i], watched, cursor, buffers):
            return ROWS_FULL
        memory.ends[CLOSED] = pane
        cursor[PANE] = pane + 1
        cursor[PLACE] = 0
        if cursor[GONE] > 0:
            return LOG


@kernel
def _visit(
    plan: Plan,
    memory: Memory,
    order: NDArray[np.int32],
    i: int,
    offset: int,
    watched: bool,
    cursor: Cursor,
    buffers: Buffers,
) -> bool:
    """Give every active entity its vector of one pane, in order of names; False where a buffer is full.

    In a pane that nobody watched only those get one that have events in it or that are to be retired.
    """
    pane = cursor[PANE]
    end = (pane + 1) * plan.pane
    live = _has_events(plan, memory, pane)
    while cursor[PLACE] < len(order):
        seat = order[cursor[PLACE]]
        of = memory.seats[seat]
        due = end - of.sign_time >= plan.retire_after
        if not of.active or not (watched or live or due):
            cursor[PLACE] += 1
            continue
        if of.active_count == 0 and of.sign_time >= end and of.panes[pane % plan.ring] == NONE:
            cursor[PLACE] += 1  # not yet born in this pane: an event behind it made the entity
            continue
        if cursor[ROW] >= len(buffers.rows) or cursor[GONE] >= len(buffers.gone):
            return False
        advance(plan, memory, seat, pane)
        record = of.panes[pane % plan.ring]
        if record != NONE:
            _note_active(memory, seat, pane, record)
            if watched:
                of.unwatched = 0
            _add_coarse(plan, memory, seat, pane, record)
        elif not (watched or due):
            cursor[PLACE] += 1
            continue
        retired = due and record == NONE
        silent = watched and record == NONE and is_quiet(plan, memory, seat, end)
        write_row(
            plan,
            memory,
            seat,
            pane,
            record,
            silent,
            retired,
            i,
            buffers.rows,
            cursor[ROW],
            buffers.cells[cursor[ROW]],
            buffers.scratch,
        )
        cursor[ROW] += 1
        if retired:
            if of.logged:
                _note_gone(cursor, buffers, seat, i)
            leave(plan, memory, seat, offset)
            buffers.outcomes[RETIRED] += 1
        cursor[PLACE] += 1
    return True


@kernel
def _has_events(plan: Plan, memory: Memory, pane: int) -> bool:
    of_all = memory.panes[pane % plan.ring]
    return bool(of_all.tag == pane and of_all.live > 0)


@kernel
def _next_of_interest(plan: Plan, memory: Memory, order: NDArray[np.int32], pane: int, to: int) -> int:
    """The first pane from `pane` on, before `to`, that has events or retires an entity; `to` if there is none."""
    found = to
    for ahead in range(pane, min(to, pane + plan.ring)):
        if _has_events(plan, memory, ahead):
            found = ahead
            break
    for seat in order:
        of = memory.seats[seat]
        if of.active:
            due = -(-(of.sign_time + plan.retire_after) // plan.pane) - 1
            found = min(found, max(due, pane))
    return found


@kernel
def _note_active(memory: Memory, seat: int, pane: int, record: int) -> None:
    """Remember a pane with events for the cadence, with the offset that a rebuild has to start from."""
    of = memory.seats[seat]
    n = of.active_count
    if n > GAPS:
        for j in range(GAPS):
            of.active_panes[j] = of.active_panes[j + 1]
            of.active_offsets[j] = of.active_offsets[j + 1]
        n = GAPS
    of.active_panes[n] = pane
    of.active_offsets[n] = memory.records[record].first
    of.active_count = n + 1


@kernel
def _note_gone(cursor: Cursor, buffers: Buffers, seat: int, i: int) -> None:
    buffers.gone[cursor[GONE], 0] = seat
    buffers.gone[cursor[GONE], 1] = i
    cursor[GONE] += 1


@kernel
def _add_coarse(plan: Plan, memory: Memory, seat: int, pane: int, record: int) -> None:
    """Count a closing pane into the open coarse pane that it starts in."""
    of, sums = memory.seats[seat], memory.records[record].cells
    number = coarse_pane(plan, pane)
    if of.coarse_open != number:
        of.coarse_open = number
        of.coarse_cells[:] = 0.0
    of.coarse_cells[0] += sums[COUNT] / fixed.COUNT_UNIT
    of.coarse_cells[1] += 1.0
    of.coarse_cells[2] += sums[ERRORS] / fixed.COUNT_UNIT
    of.coarse_cells[3] += sums[TIMED] / fixed.COUNT_UNIT
    of.coarse_cells[4] += fixed.value(sums, SUM)


@kernel
def _close_coarse(
    memory: Memory, order: NDArray[np.int32], i: int, offset: int, cursor: Cursor, buffers: Buffers
) -> bool:
    """Enter the closed coarse pane into the rings of all who have events in it; False where the buffer is full."""
    while cursor[PLACE] < len(order):
        seat = order[cursor[PLACE]]
        of = memory.seats[seat]
        if of.active and of.coarse_open == cursor[COARSE_PANE]:
            if cursor[RINGS] >= len(buffers.rings):
                return False
            of.coarse_newest = coarse.enter(of.coarse_ring, of.coarse_newest, of.coarse_open, of.coarse_cells)
            of.regular = coarse.summarise(of.coarse_ring, of.coarse_newest, of.base)
            of.coarse_open = -1
            of.logged = True
            of.logged_offset = max(of.logged_offset, offset)
            buffers.rings[cursor[RINGS], 0] = seat
            buffers.rings[cursor[RINGS], 1] = i
            cursor[RINGS] += 1
        cursor[PLACE] += 1
    return True


@kernel
def anchor(plan: Plan, memory: Memory, order: NDArray[np.int32], watermark: int, reach: int) -> int:
    """The first offset that retained state depends on, or -1: the last `reach` panes, and each entity's cadence."""
    lowest = np.int64(-1)
    oldest = watermark // plan.pane - reach
    for at in range(plan.ring):
        of_all = memory.panes[at]
        if of_all.tag >= oldest and (lowest < 0 or of_all.first < lowest):
            lowest = of_all.first
    for seat in order:
        of = memory.seats[seat]
        if of.active:
            needed = of.active_offsets[0] if of.active_count > GAPS else of.birth
            if lowest < 0 or needed < lowest:
                lowest = needed
    return int(lowest)
