"""What one event does to the pane engine's memory: signs of life, births, evictions, and the pane it falls into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.windows import fixed, sketch
from workers.windows.compiled import kernel
from workers.windows.panes_store import (
    ACTIVE,
    ALIVE,
    CLOSED,
    COUNT,
    DENSE_FROM,
    ERRORS,
    FREE_CHUNKS,
    FREE_RECORDS,
    NONE,
    QUEUE_HEAD,
    QUEUE_TAIL,
    SQUARES,
    SUM,
    TIMED,
    WARNINGS,
    Memory,
    Plan,
    Table,
)
from workers.windows.panes_windows import advance, clear_windows, count_bit, dense_row, free_pane

# Cells of the outcome counts.
IN_PANES, LATE_IN_CLOSED_PANE, DROPPED_LATE, SKEWED, EVICTED, BORN, RETIRED, OUTCOMES = 0, 1, 2, 3, 4, 5, 6, 7

EVENT = np.dtype(
    [
        ("record", np.int32),  # of the batch
        ("seat", np.int32),
        ("time", np.int64),
        ("pane", np.int64),  # that the time falls into
        ("weight", np.float64),
        ("latency", np.float64),  # NaN: none
        ("path", np.int16),  # bit, or NONE
        ("error", np.bool_),
        ("warning", np.bool_),
        ("skewed", np.bool_),
    ],
    align=True,
)
"""A profile's event with what the formulas need of it."""


@kernel
def apply_event(
    plan: Plan,
    memory: Memory,
    events: Table,
    row: int,
    offset: int,
    open_pane: int,
    now: int,
    serial: int,
    outcomes: NDArray[np.int64],
) -> int:
    """Take one event when time has passed its record: panes before `open_pane` are closed, `now` is the newest time.

    Returns the seat that had to leave for it if that was logged, or NONE.
    """
    event = events[row]
    of, pane = memory.seats[event.seat], event.pane
    if event.skewed:
        outcomes[SKEWED] += 1
        if of.active:
            of.skewed += 1
            of.unwatched = 0
            sign_of_life(memory, event.seat, now, offset)
        return NONE
    if pane < open_pane - plan.longest:
        outcomes[DROPPED_LATE] += 1
        if of.active:
            of.late += 1
            of.unwatched = 0
            sign_of_life(memory, event.seat, now, offset)
        return NONE
    evicted = NONE
    if not of.active:
        if memory.ends[ALIVE] >= plan.max_entities:
            evicted = _evict(plan, memory, offset)
            outcomes[EVICTED] += 1
        _be_born(memory, event.seat, open_pane - 1, offset)
        outcomes[BORN] += 1
    advance(plan, memory, event.seat, open_pane - 1)
    late = pane < open_pane
    outcomes[IN_PANES] += 1
    if late:
        outcomes[LATE_IN_CLOSED_PANE] += 1
        of.late += 1
        of.unwatched = 0
    sign_of_life(memory, event.seat, now if late else event.time, offset)
    record = _pane_record(plan, memory, event.seat, pane, late, offset, serial)
    _count_event(plan, memory, events, row, pane, record, late)
    return evicted


@kernel
def look_ahead(memory: Memory, events: Table, first: int, last: int) -> int:
    """Read what events [first, last) will touch; the sum has no meaning.

    With many entities most of it lies outside the processor's caches. Asked for one event after the other it comes
    one after the other; read in loops in which nothing waits for anything, several come at a time.
    """
    total = 0
    for row in range(first, last):
        total += memory.seats[events[row].seat].active
    for row in range(first, last):
        of, pane = memory.seats[events[row].seat], events[row].pane
        if of.active and of.recent_pane == pane:
            total += memory.records[of.recent_record].cells[SQUARES] + memory.records[of.recent_record].head
    for row in range(first, last):
        of, pane = memory.seats[events[row].seat], events[row].pane
        if of.active and of.recent_pane == pane and memory.records[of.recent_record].head != NONE:
            total += memory.chunks[memory.records[of.recent_record].head, 0]
    return total


@kernel
def sign_of_life(memory: Memory, seat: int, time: int, offset: int) -> None:
    """Note that the entity lives, and make it the most recently active one.

    Time that nobody watched is made up for when the pane closes that an event lies in: what closes before it, closes
    without it.
    """
    of = memory.seats[seat]
    of.sign_time = max(of.sign_time, time)
    of.sign_offset = offset
    if len(memory.queue) > 0:
        tail = memory.ends[QUEUE_TAIL]
        memory.queue[tail, 0] = offset
        memory.queue[tail, 1] = seat
        memory.ends[QUEUE_TAIL] = tail + 1


@kernel
def leave(plan: Plan, memory: Memory, seat: int, offset: int) -> None:
    """Retire or evict at a record: free everything of the seat.

    A past that was recalled from a record still ahead belongs to a later life of the entity, and stays.
    """
    of = memory.seats[seat]
    first = of.closed - plan.longest + 1
    for pane in range(first, first + plan.ring):
        if of.panes[pane % plan.ring] != NONE:
            of_all = memory.panes[pane % plan.ring]
            if of_all.tag == pane and pane > memory.ends[CLOSED]:
                of_all.live -= 1
            free_pane(plan, memory, seat, pane)
    of.active = False
    memory.ends[ALIVE] -= 1
    if of.logged_offset <= offset:
        of.coarse_newest = -1
        of.coarse_ring[:, :] = np.nan
        of.base[:] = np.nan
        of.regular = False
        of.logged = False
        of.logged_offset = -1


@kernel
def _evict(plan: Plan, memory: Memory, offset: int) -> int:
    """Make room: the least recently active leaves. Returns its seat if it was logged, or NONE."""
    queue, head = memory.queue, memory.ends[QUEUE_HEAD]
    while True:
        of = memory.seats[queue[head, 1]]
        if of.active and of.sign_offset == queue[head, 0]:
            break
        head += 1
    memory.ends[QUEUE_HEAD] = head + 1
    seat, logged = queue[head, 1], of.logged
    leave(plan, memory, seat, offset)
    return int(seat) if logged else NONE


@kernel
def _be_born(memory: Memory, seat: int, closed: int, offset: int) -> None:
    of = memory.seats[seat]
    of.active = True
    of.birth = offset
    of.sign_time = 0
    of.unwatched = 0
    of.late = 0
    of.skewed = 0
    of.closed = closed
    of.recent_pane = NONE
    of.active_count = 0
    of.coarse_open = -1
    clear_windows(memory, seat)
    memory.ends[ALIVE] += 1


@kernel
def _pane_record(plan: Plan, memory: Memory, seat: int, pane: int, late: bool, offset: int, serial: int) -> int:
    """The seat's record of a pane, made if need be."""
    at, of = pane % plan.ring, memory.seats[seat]
    of_all = memory.panes[at]
    if of_all.tag != pane:
        of_all.tag = pane
        of_all.first = offset
        of_all.live = 0
    of_all.touched = serial
    if of.recent_pane == pane:
        return int(of.recent_record)
    number = int(of.panes[at])
    of.recent_pane = pane
    if number != NONE:
        of.recent_record = number
        return number
    memory.ends[FREE_RECORDS] -= 1
    number = int(memory.free_records[memory.ends[FREE_RECORDS]])
    of.panes[at] = number
    of.recent_record = number
    record = memory.records[number]
    record.cells[:] = 0
    record.bits[:] = 0
    record.low = np.inf
    record.high = -np.inf
    record.first = offset
    record.head = NONE
    if late:
        for w in range(len(plan.windows)):
            of.totals[w, ACTIVE] += pane > of.closed - plan.windows[w]
    else:
        of_all.live += 1
    return number


@kernel
def _count_event(plan: Plan, memory: Memory, events: Table, row: int, pane: int, number: int, late: bool) -> None:
    """Add the event to its pane; where that has closed, to the windows that hold it as well."""
    event, record = events[row], memory.records[number]
    fresh = event.path != NONE and not _set_bit(memory, number, event.path)
    _add(record.cells, events, row)
    bucket, units = 0, 0
    if not np.isnan(event.latency):
        bucket, units = sketch.bucket_of(event.latency), sketch.units_of(event.weight)
        record.low = min(record.low, event.latency)
        record.high = max(record.high, event.latency)
        record.head, memory.ends[FREE_CHUNKS] = sketch.put(
            memory.chunks, memory.free_chunks, memory.ends[FREE_CHUNKS], record.head, bucket, units
        )
    if late:
        _count_late(plan, memory, events, row, pane, fresh, bucket, units)


@kernel
def _count_late(
    plan: Plan, memory: Memory, events: Table, row: int, pane: int, fresh: bool, bucket: int, units: int
) -> None:
    event = events[row]
    of = memory.seats[event.seat]
    for w in range(len(plan.windows)):
        if pane <= of.closed - plan.windows[w]:
            continue
        _add(of.totals[w], events, row)
        if fresh:
            count_bit(memory, event.seat, w, event.path, 1)
        if units > 0:
            of.bounds[w, 0] = min(of.bounds[w, 0], event.latency)
            of.bounds[w, 1] = max(of.bounds[w, 1], event.latency)
            if plan.windows[w] > DENSE_FROM:
                d = dense_row(plan, w)
                of.dense[d, bucket] += units
                of.span[d, 0] = min(of.span[d, 0], bucket)
                of.span[d, 1] = max(of.span[d, 1], bucket)


@kernel
def _add(cells: NDArray[np.int64], events: Table, row: int) -> None:
    event = events[row]
    weight = min(event.weight, fixed.MAX_WEIGHT)
    units = np.int64(np.rint(weight * fixed.COUNT_UNIT))
    cells[COUNT] += units
    if event.error:
        cells[ERRORS] += units
    if event.warning:
        cells[WARNINGS] += units
    if not np.isnan(event.latency):
        cells[TIMED] += units
        fixed.add(cells, SUM, weight * event.latency)
        fixed.add(cells, SQUARES, weight * event.latency * event.latency / fixed.SQUARE_UNIT)


@kernel
def _set_bit(memory: Memory, number: int, bit: int) -> bool:
    """Set a bit of a pane record; returns whether it was set before."""
    record = memory.records[number]
    word, mask = bit // 64, np.uint64(1) << np.uint64(bit % 64)
    before = record.bits[word] & mask
    record.bits[word] |= mask
    return bool(before != 0)
