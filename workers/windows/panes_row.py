"""One closing pane of one entity as a row of numbers: the pane, each window, the entity's past."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.features.service import COLUMNS
from workers.windows import coarse, fixed, sketch
from workers.windows.compiled import kernel
from workers.windows.panes_store import ACTIVE, ALIVE, BITS, COUNT, DENSE_FROM, NONE, SUM, TIMED, Memory, Plan, Table
from workers.windows.panes_windows import dense_row

_COUNT = COLUMNS.index("count")
_SUM = COLUMNS.index("latency_sum")
_SQUARES = COLUMNS.index("latency_squares")
_LOW = COLUMNS.index("latency_min")
_HIGH = COLUMNS.index("latency_max")
_QUANTILES = COLUMNS.index("latency_p50")
_PATHS = COLUMNS.index("paths")
_ACTIVE = COLUMNS.index("active")


def make_rows(n: int, plan: Plan) -> Table:
    """A buffer of n rows that the loop fills and Python empties."""
    return np.zeros(
        n,
        np.dtype(
            [
                ("record", np.int32),
                ("seat", np.int32),
                ("pane", np.int64),
                ("count", np.int64),
                ("late", np.int64),
                ("skewed", np.int64),
                ("peers", np.int64),  # entities alive
                ("silent", np.bool_),
                ("retired", np.bool_),
                ("regular", np.bool_),
                ("stats", np.float64, (1 + len(plan.windows), len(COLUMNS))),
                ("base", np.float64, (coarse.BASE,)),
            ],
            align=True,
        ),
    )


def make_scratch() -> NDArray[np.int64]:
    """An empty dense sketch, with its span of buckets in the last two cells."""
    scratch = np.zeros(sketch.BUCKETS + 2, np.int64)
    scratch[sketch.BUCKETS :] = sketch.BUCKETS, -1
    return scratch


def _distinct_estimates() -> NDArray[np.float64]:
    """How many distinct values set k of BITS bits; a full map counts as one bit short of full."""
    free = [max(1, BITS - k) for k in range(BITS + 1)]
    return np.array([float(round(-BITS * math.log(f / BITS))) for f in free])


DISTINCT = _distinct_estimates()


@kernel
def write_row(
    plan: Plan,
    memory: Memory,
    seat: int,
    pane: int,
    record: int,
    silent: bool,
    retired: bool,
    i: int,
    rows: Table,
    row: int,
    cells: NDArray[np.float64],
    scratch: NDArray[np.int64],
) -> None:
    """Write the vector's raw material; the seat's windows end with `pane`; `record` is the pane's, or NONE.

    `cells` (stretches, width) is told the weight in the first buckets of the sketch.
    """
    of, out = memory.seats[seat], rows[row]
    out.record = i
    out.seat = seat
    out.pane = pane
    out.late = of.late
    out.skewed = of.skewed
    of.late = 0
    of.skewed = 0
    out.peers = memory.ends[ALIVE]
    out.silent = silent
    out.retired = retired
    out.regular = of.regular
    for j in range(coarse.BASE):
        out.base[j] = of.base[j]
    out.count = 0
    _write_pane(memory, record, out.stats[0], cells[0], scratch)
    if record != NONE:
        out.count = np.int64(np.rint(memory.records[record].cells[COUNT] / fixed.COUNT_UNIT))
    for w in range(len(plan.windows)):
        _write_window(plan, memory, seat, w, pane, out.stats[1 + w], cells[1 + w], scratch)


@kernel
def _write_pane(
    memory: Memory, number: int, out: NDArray[np.float64], cells: NDArray[np.float64], scratch: NDArray[np.int64]
) -> None:
    out[:] = 0.0
    cells[:] = 0.0
    out[_LOW:_PATHS] = np.nan
    if number == NONE:
        return
    record = memory.records[number]
    _write_sums(record.cells, out)
    out[_ACTIVE] = 1.0
    out[_PATHS] = DISTINCT[_bits_set(record.bits)]
    if record.cells[TIMED] > 0:
        sketch.spread(memory.chunks, record.head, scratch, scratch[sketch.BUCKETS :], 1)
        _write_latency(scratch, scratch[sketch.BUCKETS :], record.low, record.high, out)
        _write_cells(scratch, cells)
        _clear(scratch)


@kernel
def _write_window(
    plan: Plan,
    memory: Memory,
    seat: int,
    w: int,
    pane: int,
    out: NDArray[np.float64],
    cells: NDArray[np.float64],
    scratch: NDArray[np.int64],
) -> None:
    of = memory.seats[seat]
    totals = of.totals[w]
    out[:] = 0.0
    cells[:] = 0.0
    out[_LOW:_PATHS] = np.nan
    _write_sums(totals, out)
    out[_ACTIVE] = totals[ACTIVE]
    out[_PATHS] = DISTINCT[of.distinct[w]]
    if totals[TIMED] == 0:
        return
    low, high = of.bounds[w, 0], of.bounds[w, 1]
    if plan.windows[w] > DENSE_FROM:
        d = dense_row(plan, w)
        sketch.narrow(of.dense[d], of.span[d])
        _write_latency(of.dense[d], of.span[d], low, high, out)
        _write_cells(of.dense[d], cells)
        return
    for member in range(pane - plan.windows[w] + 1, pane + 1):
        record = of.panes[member % plan.ring]
        if record != NONE:
            sketch.spread(memory.chunks, memory.records[record].head, scratch, scratch[sketch.BUCKETS :], 1)
    _write_latency(scratch, scratch[sketch.BUCKETS :], low, high, out)
    _write_cells(scratch, cells)
    _clear(scratch)


@kernel
def _write_sums(cells: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    for j in range(4):
        out[_COUNT + j] = cells[COUNT + j] / fixed.COUNT_UNIT
    out[_SUM] = fixed.value(cells, SUM)
    out[_SQUARES] = fixed.value(cells, SUM + 2) * fixed.SQUARE_UNIT


@kernel
def _write_latency(
    dense: NDArray[np.int64], span: NDArray[np.int64], low: float, high: float, out: NDArray[np.float64]
) -> None:
    out[_LOW] = low
    out[_HIGH] = high
    sketch.quantiles(dense, span, low, high, out[_QUANTILES : _QUANTILES + 3])


@kernel
def _write_cells(dense: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    for b in range(len(out)):
        out[b] = dense[b] / sketch.WEIGHT_UNIT


@kernel
def _clear(scratch: NDArray[np.int64]) -> None:
    for b in range(scratch[sketch.BUCKETS], scratch[sketch.BUCKETS + 1] + 1):
        scratch[b] = 0
    scratch[sketch.BUCKETS] = sketch.BUCKETS
    scratch[sketch.BUCKETS + 1] = -1


@kernel
def _bits_set(words: NDArray[np.uint64]) -> int:
    total = 0
    for word in words:
        left = word
        while left != 0:
            left &= left - np.uint64(1)
            total += 1
    return total
