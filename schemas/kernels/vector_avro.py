"""The datums of a batch's vectors, straight into columns."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels import codes, layout
from schemas.kernels.avro import Bytes, open_block, read_bits, read_long, read_text
from schemas.kernels.compiled import Int, inlined, kernel, outlined
from schemas.kernels.text import byte_at
from schemas.times import MAX_TIME, MIN_TIME

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

FIELDS: Final = (
    "entity",
    "profile",
    "profile_version",
    "window_start",
    "window_end",
    "feature_set",
    "names",
    "values",
    "sequence",
    "event_count",
    "late_count",
    "skewed_count",
    "silent",
    "retired",
    "regular",
    "the vector",
)
"""What a failure is about: field number f adds -f · REASONS to the reason."""

_TEXTS: Integers = np.array([layout.VECTOR_ENTITY, layout.PROFILE])
_FLAGS: Integers = np.array([layout.SILENT, layout.RETIRED, layout.REGULAR])
_FEATURE_SET = np.int64(5)
_NAMES = np.int64(6)
_VALUES = np.int64(7)
_WHOLE = np.int64(15)


@kernel
def read_vectors(buf: Bytes, starts: Integers, ends: Integers, which: Integers) -> tuple[Integers, Integers, Numbers]:
    """The vectors whose datums are `buf[starts[i]:ends[i]]`; `which[i]` is the number of the record.

    Returns (status, rows, values), as `layout.py` has them. `status[i]` is 0 or the failure of datum i, which then has
    left no trace in the tables.
    """
    n = len(starts)
    size: Int = np.int64(0)
    for i in range(n):
        size += ends[i] - starts[i]
    status = np.zeros(n, np.int64)
    rows = np.empty((n, layout.VECTOR_WIDTH), np.int64)
    values = np.empty(size // 8, np.float64)
    bits = np.empty(1, np.uint64)
    double = bits.view(np.float64)
    row: Int = np.int64(0)
    used: Int = np.int64(0)
    for i in range(n):
        end = ends[i]
        pos = _read_head(buf, starts[i], end, rows[row])
        last = used
        if pos >= 0:
            last, pos = _read_values(buf, pos, end, rows[row], values, used, bits, double)
        if pos >= 0:
            pos = _read_tail(buf, pos, end, rows[row])
        if pos >= 0 and pos != end:
            pos = codes.TRAILING - codes.REASONS * _WHOLE
        if pos < 0:
            status[i] = pos
            continue
        rows[row, layout.RECORD] = which[i]
        row += 1
        used = last
    return status, rows[:row], values[:used]


@inlined
def _read_head(buf: Bytes, pos: Int, end: Int, row: Integers) -> Int:
    """Everything up to the names; the position behind them."""
    for field in range(2):
        column = _TEXTS[field]
        row[column], row[column + 1], pos = read_text(buf, pos, end, end - pos)
        if pos >= 0 and row[column + 1] == 0:
            pos = np.int64(codes.EMPTY)
        if pos < 0:
            return pos - codes.REASONS * field
    for field in range(2, 5):
        value, pos = read_long(buf, pos, end)
        if pos >= 0 and field > 2 and not MIN_TIME <= value <= MAX_TIME:
            pos = np.int64(codes.BAD_TIME)
        if pos < 0:
            return pos - codes.REASONS * field
        row[layout.PROFILE_VERSION + field - 2] = value
    row[layout.FEATURE_SET], row[layout.FEATURE_SET + 1], pos = read_text(buf, pos, end, end - pos)
    if pos < 0:
        return pos - codes.REASONS * _FEATURE_SET
    row[layout.NAMES] = pos
    row[layout.NAMES_COUNT], pos = _read_names(buf, pos, end)
    if pos < 0:
        return pos - codes.REASONS * _NAMES
    row[layout.NAMES + 1] = pos - row[layout.NAMES]
    return pos


@outlined
def _read_names(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    """An array of texts: (how many, position behind it)."""
    found = np.int64(0)
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0 or count == 0:
            return found, pos
        for _ in range(count):
            _, _, pos = read_text(buf, pos, end, end - pos)
            if pos < 0:
                return found, pos
        if block_end >= 0 and pos != block_end:
            return found, np.int64(codes.BAD_BLOCK)
        found += count


@outlined
def _read_values(
    buf: Bytes,
    pos: Int,
    end: Int,
    row: Integers,
    values: Numbers,
    used: Int,
    bits: NDArray[np.uint64],
    double: Numbers,
) -> tuple[Int, Int]:
    """The values from `used` on: (end of the filled part of `values`, position behind them)."""
    first = used
    about = codes.REASONS * _VALUES
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0:
            return used, pos - about
        if count == 0:
            row[layout.VALUES] = first
            row[layout.VALUES + 1] = used - first
            if row[layout.NAMES_COUNT] != 0 and row[layout.NAMES_COUNT] != used - first:
                return used, codes.NAMES_DIFFER - codes.REASONS * _NAMES
            return used, pos
        for _ in range(count):
            pos = read_bits(buf, pos, end, bits)
            if pos >= 0 and np.isinf(double[0]):
                pos = np.int64(codes.INFINITE)
            if pos < 0:
                return used, pos - about
            values[used] = double[0]
            used += 1
        if block_end >= 0 and pos != block_end:
            return used, codes.BAD_BLOCK - about


@inlined
def _read_tail(buf: Bytes, pos: Int, end: Int, row: Integers) -> Int:
    """Sequence, counts and flags; the position behind them."""
    for field in range(8, 12):
        value, pos = read_long(buf, pos, end)
        if pos >= 0 and value < 0:
            pos = np.int64(codes.NEGATIVE)
        if pos < 0:
            return pos - codes.REASONS * field
        row[layout.SEQUENCE + field - 8] = value
    for field in range(12, 15):
        if pos >= end:
            return codes.TRUNCATED - codes.REASONS * field
        value = byte_at(buf, pos)
        if value > 1:
            return codes.BAD_BOOLEAN - codes.REASONS * field
        row[_FLAGS[field - 12]] = value
        pos += 1
    return pos
