"""Rolling windows of a seat, kept by adding the panes that close and taking away those that leave.

Everything additive is exact, so the totals always equal the merge of the panes that the window holds.
"""

from __future__ import annotations

import numpy as np

from workers.windows import fixed, sketch
from workers.windows.compiled import kernel
from workers.windows.panes_store import (
    ACTIVE,
    BITS,
    COUNT,
    DENSE_FROM,
    ERRORS,
    FREE_CHUNKS,
    FREE_RECORDS,
    NONE,
    SQUARES,
    SUM,
    TIMED,
    WARNINGS,
    Memory,
    Plan,
)


@kernel
def advance(plan: Plan, memory: Memory, seat: int, to: int) -> None:
    """Move a seat's windows on so that they end with pane `to`; pane records that no window will need are freed."""
    of = memory.seats[seat]
    start = of.closed
    if to <= start:
        return
    ahead = start + plan.ring - plan.longest  # no record lies beyond it, and the ring there is that of old panes
    for w in range(len(plan.windows)):
        length, bounds_left = plan.windows[w], False
        for pane in range(start - length + 1, min(start, to - length) + 1):
            record = of.panes[pane % plan.ring]
            if record != NONE:
                count_pane(plan, memory, seat, w, record, -1)
                gone = memory.records[record]
                bounds_left |= gone.low <= of.bounds[w, 0] or gone.high >= of.bounds[w, 1]
        for pane in range(max(start, to - length) + 1, min(to, ahead) + 1):
            record = of.panes[pane % plan.ring]
            if record != NONE:
                count_pane(plan, memory, seat, w, record, 1)
        if bounds_left:
            _bounds_again(plan, memory, seat, w, max(to - length, start - plan.longest), min(to, ahead))
    for pane in range(start - plan.longest + 1, min(to - plan.longest, ahead) + 1):
        free_pane(plan, memory, seat, pane)
    of.closed = to


@kernel
def count_pane(plan: Plan, memory: Memory, seat: int, w: int, record: int, sign: int) -> None:
    """Add (sign 1) or take away (-1) a whole pane record; bounds are only ever widened here."""
    of, pane = memory.seats[seat], memory.records[record]
    totals, cells = of.totals[w], pane.cells
    totals[COUNT] += sign * cells[COUNT]
    totals[ERRORS] += sign * cells[ERRORS]
    totals[WARNINGS] += sign * cells[WARNINGS]
    totals[ACTIVE] += sign
    for word in range(BITS // 64):
        left = pane.bits[word]
        while left != 0:
            lowest = left & (~left + np.uint64(1))
            count_bit(memory, seat, w, word * 64 + _place(lowest), sign)
            left ^= lowest
    if cells[TIMED] == 0:
        return
    totals[TIMED] += sign * cells[TIMED]
    fixed.merge(totals, cells, SUM, sign)
    fixed.merge(totals, cells, SQUARES, sign)
    if sign > 0:
        of.bounds[w, 0] = min(of.bounds[w, 0], pane.low)
        of.bounds[w, 1] = max(of.bounds[w, 1], pane.high)
    if plan.windows[w] > DENSE_FROM:
        d = dense_row(plan, w)
        sketch.spread(memory.chunks, pane.head, of.dense[d], of.span[d], sign)


@kernel
def count_bit(memory: Memory, seat: int, w: int, bit: int, sign: int) -> None:
    """A pane in which the bit is set joins (sign 1) or leaves (-1) the window."""
    of = memory.seats[seat]
    if sign > 0:
        of.distinct[w] += of.bits[w, bit] == 0
        of.bits[w, bit] += 1
    else:
        of.bits[w, bit] -= 1
        of.distinct[w] -= of.bits[w, bit] == 0


@kernel
def dense_row(plan: Plan, w: int) -> int:
    """Which dense sketch belongs to a window of more than DENSE_FROM panes."""
    row = 0
    for v in range(w):
        row += plan.windows[v] > DENSE_FROM
    return row


@kernel
def free_pane(plan: Plan, memory: Memory, seat: int, pane: int) -> None:
    """Give a pane's record back to the pool, if the seat has one."""
    of, ends = memory.seats[seat], memory.ends
    record = of.panes[pane % plan.ring]
    if record == NONE:
        return
    ends[FREE_CHUNKS] = sketch.release(
        memory.chunks, memory.free_chunks, ends[FREE_CHUNKS], memory.records[record].head
    )
    if of.recent_pane == pane:
        of.recent_pane = NONE
    memory.free_records[ends[FREE_RECORDS]] = record
    ends[FREE_RECORDS] += 1
    of.panes[pane % plan.ring] = NONE


@kernel
def clear_windows(memory: Memory, seat: int) -> None:
    """Windows without any pane."""
    of = memory.seats[seat]
    of.totals[:, :] = 0
    of.bounds[:, 0] = np.inf
    of.bounds[:, 1] = -np.inf
    of.bits[:, :] = 0
    of.distinct[:] = 0
    of.dense[:, :] = 0
    of.span[:, 0] = sketch.BUCKETS
    of.span[:, 1] = -1


@kernel
def _bounds_again(plan: Plan, memory: Memory, seat: int, w: int, after: int, last: int) -> None:
    """Minimum and maximum do not subtract: look through the panes (after, last] again."""
    of = memory.seats[seat]
    low, high = np.inf, -np.inf
    if of.totals[w, TIMED] > 0:
        for pane in range(after + 1, last + 1):
            record = of.panes[pane % plan.ring]
            if record != NONE:
                low = min(low, memory.records[record].low)
                high = max(high, memory.records[record].high)
    of.bounds[w, 0] = low
    of.bounds[w, 1] = high


@kernel
def _place(lowest: np.uint64) -> int:
    """The number of the one bit that is set."""
    place, x = 0, lowest
    for step in (32, 16, 8, 4, 2, 1):
        if x >> np.uint64(step) != 0:
            x >>= np.uint64(step)
            place += step
    return place
