"""The pane engine's memory: entities on *seats*, *pane records* and sketch chunks from pools, as structured arrays.

An entity takes a seat; each pane with events of it takes a pane record, so that memory follows the activity. Kernels
work on the arrays in place; Python only grows them, between kernel calls.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.history import GAPS
from workers.windows import coarse, sketch

Table = NDArray[np.void]
"""A structured array; kernels read `table[i].field`."""

# Cells of the exact sums of a pane or window; latency sums and squares take two cells each (fixed.py).
COUNT, ERRORS, WARNINGS, TIMED, SUM, SQUARES, CELLS = 0, 1, 2, 3, 4, 6, 8
ACTIVE, TOTALS = 8, 9  # a window also counts its panes with events
BITS = 256  # linear counting of distinct paths
DENSE_FROM = 12  # windows of more panes than this keep a dense sketch; shorter ones add up their panes' each time

# Cells of `Memory.ends`: entities alive, newest closed pane, free records, free chunks, ends of the queue.
ALIVE, CLOSED, FREE_RECORDS, FREE_CHUNKS, QUEUE_HEAD, QUEUE_TAIL, ENDS = 0, 1, 2, 3, 4, 5, 6

NONE = -1


class Plan(NamedTuple):
    """The engine's constants; times in microseconds. `ring` is how many panes a seat's ring holds."""

    windows: NDArray[np.int64]  # in panes, ascending
    pane: int
    longest: int  # window, in panes
    ring: int
    lateness: int
    retire_after: int
    cadence: int  # declared, or 0
    max_entities: int


class Memory(NamedTuple):
    """What the kernels work on. `free_records[:ends[FREE_RECORDS]]` are free, chunks likewise.

    `queue` (n, 2) lists (offset, seat) of signs of life in their order, and is there only while the limit of entities
    may be exceeded: the first entry that is still its seat's last sign names the least recently active.
    """

    seats: Table
    records: Table
    chunks: NDArray[np.int32]  # (n, CHUNK) of sketches
    free_records: NDArray[np.int32]
    free_chunks: NDArray[np.int32]
    panes: Table  # by pane % ring: what belongs to a pane of all entities
    queue: NDArray[np.int64]
    ends: NDArray[np.int64]


PANE = np.dtype(
    [
        ("tag", np.int64),  # which pane the row is about, or -1
        ("first", np.int64),  # lowest offset of an event in it
        ("touched", np.int64),  # number of the batch that last changed it
        ("live", np.int64),  # pane records while it is open
    ]
)

RECORD = np.dtype(
    [
        ("cells", np.int64, (CELLS,)),
        ("bits", np.uint64, (BITS // 64,)),  # of paths
        ("low", np.float64),  # minimum and maximum latency
        ("high", np.float64),
        ("first", np.int64),  # offset of the first event
        ("head", np.int32),  # of the sketch's chain
    ],
    align=True,
)


def seat_type(plan: Plan) -> np.dtype[np.void]:
    """A seat: an entity's life, its ring of pane records, its windows, its past."""
    windows, dense = len(plan.windows), int((plan.windows > DENSE_FROM).sum())
    life: list[tuple[Any, ...]] = [  # what every event touches comes first
        ("active", np.bool_),
        ("active_count", np.int32),
        ("closed", np.int64),  # newest pane that the windows contain or have passed
        ("recent_pane", np.int64),  # of the last event, with its record
        ("recent_record", np.int32),
        ("birth", np.int64),  # offset of the record that made the entity; names this life of it
        ("sign_time", np.int64),  # event time of the last sign of life
        ("sign_offset", np.int64),
        ("unwatched", np.int64),  # time since then that does not count towards silence
        ("late", np.int64),  # since the last vector
        ("skewed", np.int64),
        ("active_panes", np.int64, (GAPS + 1,)),  # the last panes with events, ascending
        ("active_offsets", np.int64, (GAPS + 1,)),  # the first offset of each
    ]
    merged: list[tuple[Any, ...]] = [
        ("panes", np.int32, (plan.ring,)),  # record by pane % ring, or NONE
        ("totals", np.int64, (windows, TOTALS)),
        ("bounds", np.float64, (windows, 2)),  # minimum and maximum latency
        ("distinct", np.int32, (windows,)),  # bits set
        ("bits", np.uint16, (windows, BITS)),  # panes in which a bit is set
        ("span", np.int64, (dense, 2)),  # buckets in use
        ("dense", np.int64, (dense, sketch.BUCKETS)),
    ]
    past: list[tuple[Any, ...]] = [
        ("coarse_open", np.int64),  # number of the coarse pane being filled, or -1
        ("coarse_cells", np.float64, (coarse.CELLS,)),
        ("coarse_newest", np.int64),  # newest closed coarse pane in the ring, or -1
        ("coarse_ring", np.float32, (coarse.SLOTS, coarse.MEASURES)),
        ("base", np.float64, (coarse.BASE,)),
        ("regular", np.bool_),
        ("logged", np.bool_),  # the state topic holds a record of this entity
        ("logged_offset", np.int64),  # the ring reflects records up to this one; -1: nothing logged or recalled
    ]
    return np.dtype(life + merged + past, align=True)


def make_memory(plan: Plan) -> Memory:
    """No seats, no records."""
    panes = np.zeros(plan.ring, PANE)
    panes["tag"] = NONE
    return Memory(
        seats=np.empty(0, seat_type(plan)),
        records=np.empty(0, RECORD),
        chunks=np.empty((0, sketch.CHUNK), np.int32),
        free_records=np.empty(0, np.int32),
        free_chunks=np.empty(0, np.int32),
        panes=panes,
        queue=np.empty((0, 2), np.int64),
        ends=np.array([0, NONE, 0, 0, 0, 0], np.int64),
    )


def add_seats(memory: Memory, n: int) -> None:
    """Put n more empty seats behind the others."""
    first = len(memory.seats)
    # In place, because the seats may take most of the memory there is; nobody holds a view of them between two steps.
    memory.seats.resize(first + n, refcheck=False)
    fresh = memory.seats[first:]
    fresh["panes"] = NONE
    forget_past(fresh, slice(None))


def queue_up(memory: Memory, rows: int) -> Memory:
    """The memory with a queue of all who are alive, the least recently active first, and room for `rows` more signs."""
    alive = np.flatnonzero(memory.seats["active"])
    offsets = memory.seats["sign_offset"][alive]
    order = np.argsort(offsets, kind="stable")
    queue = np.empty((len(alive) + rows, 2), np.int64)
    queue[: len(alive), 0], queue[: len(alive), 1] = offsets[order], alive[order]
    memory.ends[QUEUE_HEAD], memory.ends[QUEUE_TAIL] = 0, len(alive)
    return memory._replace(queue=queue)


def dissolve_queue(memory: Memory) -> Memory:
    """The memory without a queue."""
    return memory._replace(queue=np.empty((0, 2), np.int64)) if len(memory.queue) else memory


def forget_past(seats: Table, rows: slice | NDArray[np.int32]) -> None:
    """Free seats know nothing of anybody's past."""
    seats["coarse_open"][rows] = -1
    seats["coarse_newest"][rows] = -1
    seats["coarse_ring"][rows] = np.nan
    seats["base"][rows] = np.nan
    seats["regular"][rows] = False
    seats["logged"][rows] = False
    seats["logged_offset"][rows] = -1


def reserve(memory: Memory, records: int, chunks: int) -> Memory:
    """The memory with at least that many free records and chunks; grown by a quarter or more, if at all."""
    ends = memory.ends
    if ends[FREE_RECORDS] < records:
        more = max(records, len(memory.records) // 4)
        memory.records.resize(len(memory.records) + more, refcheck=False)
        memory = memory._replace(free_records=_more_free(memory.free_records, int(ends[FREE_RECORDS]), more))
        ends[FREE_RECORDS] += more
    if ends[FREE_CHUNKS] < chunks:
        more = max(chunks, len(memory.chunks) // 4)
        memory.chunks.resize((len(memory.chunks) + more, sketch.CHUNK), refcheck=False)
        memory = memory._replace(free_chunks=_more_free(memory.free_chunks, int(ends[FREE_CHUNKS]), more))
        ends[FREE_CHUNKS] += more
    return memory


def held(memory: Memory) -> int:
    """Bytes of all arrays."""
    return sum(int(column.nbytes) for column in memory)


def _more_free(free: NDArray[np.int32], n: int, more: int) -> NDArray[np.int32]:
    """The stack of n free numbers out of len(free), with the next `more` numbers on it."""
    fresh = np.arange(len(free) + more - 1, len(free) - 1, -1, dtype=np.int32)
    return np.concatenate([free[:n], fresh, np.zeros(len(free) - n, np.int32)])
