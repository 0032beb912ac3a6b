"""The datums of a batch's events, straight into columns."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, DELTA, NULL_TIME
from schemas.kernels import codes, layout
from schemas.kernels.avro import Bytes, open_block, read_bits, read_branch, read_long, read_optional_text, read_text
from schemas.kernels.compiled import Int, inlined, kernel, outlined
from schemas.kernels.metric_types import UNKNOWN, type_code
from schemas.times import MAX_TIME, MIN_TIME

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

FIELDS: Final = (
    "id",
    "timestamp",
    "entity",
    "kind",
    "source",
    "observed_at",
    "attributes",
    "metrics",
    "distributions",
    "weight",
    "the event",
    "attributes: a name",
    "attributes: a value",
    "metrics: a name",
    "metrics: a value",
    "metrics: a type",
    "distributions: a name",
    "distributions: bounds",
    "distributions: counts",
    "distributions: a type",
)
"""What a failure is about: field number f adds -f · REASONS to the reason."""

(
    _ID,
    _TIMESTAMP,
    _ENTITY,
    _KIND,
    _SOURCE,
    _OBSERVED_AT,
    _ATTRIBUTES,
    _METRICS,
    _DISTRIBUTIONS,
    _WEIGHT,
    _EVENT,
    _ATTRIBUTE_NAME,
    _ATTRIBUTE_VALUE,
    _METRIC_NAME,
    _METRIC_VALUE,
    _METRIC_TYPE,
    _DISTRIBUTION_NAME,
    _BOUNDS,
    _COUNTS,
    _DISTRIBUTION_TYPE,
) = (codes.REASONS * field for field in range(len(FIELDS)))

Table = tuple[Integers, Integers, Numbers, Integers, Integers, Numbers, Integers, Numbers, Integers]


@kernel
def read_events(buf: Bytes, starts: Integers, ends: Integers, which: Integers, limits: Integers) -> Table:
    """The events whose datums are `buf[starts[i]:ends[i]]`; `which[i]` is the number of the record.

    Returns (status, rows, weights, attributes, metrics, metric values, distributions, bounds, counts), as `layout.py`
    has them. `status[i]` is 0 or the failure of datum i, which then has left no trace in the tables.
    """
    n = len(starts)
    size: Int = np.int64(0)
    for i in range(n):
        size += ends[i] - starts[i]
    status = np.zeros(n, np.int64)
    rows = np.empty((n, layout.EVENT_WIDTH), np.int64)
    weights = np.empty(n, np.float64)
    # Bounded by the fewest bytes that an entry has; what is not filled is never touched and costs nothing.
    attributes = np.empty((min(size // 3, n * limits[layout.MAX_ATTRIBUTES]), layout.ATTRIBUTE_WIDTH), np.int64)
    metrics = np.empty((size // 16, layout.METRIC_WIDTH), np.int64)
    values = np.empty(size // 16, np.float64)
    distributions = np.empty((size // 6, layout.DISTRIBUTION_WIDTH), np.int64)
    bounds = np.empty(size // 8, np.float64)
    counts = np.empty(size, np.int64)
    bits = np.empty(1, np.uint64)
    double = bits.view(np.float64)
    row: Int = np.int64(0)
    a: Int = np.int64(0)
    m: Int = np.int64(0)
    d: Int = np.int64(0)
    b: Int = np.int64(0)
    c: Int = np.int64(0)
    for i in range(n):
        end = ends[i]
        pos = _read_head(buf, starts[i], end, rows, row, limits)
        next_a, next_m, next_d, next_b, next_c = a, m, d, b, c
        if pos >= 0:
            next_a, pos = _read_attributes(buf, pos, end, row, attributes, a, limits)
        if pos >= 0:
            next_m, pos = _read_metrics(buf, pos, end, row, metrics, values, m, limits, bits, double)
        if pos >= 0:
            room = limits[layout.MAX_METRICS] - (next_m - m)
            next_d, next_b, next_c, pos = _read_distributions(
                buf, pos, end, row, distributions, d, bounds, b, counts, c, room, limits, bits, double
            )
        if pos >= 0:
            pos = _read_weight(buf, pos, end, weights, row, bits, double)
        if pos >= 0 and pos != end:
            pos = codes.TRAILING - _EVENT
        if pos < 0:
            status[i] = pos
            continue
        rows[row, layout.RECORD] = which[i]
        row += 1
        a, m, d, b, c = next_a, next_m, next_d, next_b, next_c
    return (
        status,
        rows[:row],
        weights[:row],
        attributes[:a],
        metrics[:m],
        values[:m],
        distributions[:d],
        bounds[:b],
        counts[:c],
    )


@inlined
def _read_head(buf: Bytes, pos: Int, end: Int, rows: Integers, row: Int, limits: Integers) -> Int:
    """Everything up to the attributes; the position behind it."""
    most = limits[layout.MAX_NAME]
    rows[row, layout.ID], rows[row, layout.ID + 1], pos = read_optional_text(buf, pos, end, most)
    if pos < 0:
        return pos - _ID
    rows[row, layout.TIME], pos = _read_time(buf, pos, end)
    if pos < 0:
        return pos - _TIMESTAMP
    rows[row, layout.ENTITY], length, pos = _read_name(buf, pos, end, limits[layout.MAX_ENTITY])
    rows[row, layout.ENTITY + 1] = length
    if pos < 0:
        return pos - _ENTITY
    rows[row, layout.KIND], length, pos = _read_name(buf, pos, end, most)
    rows[row, layout.KIND + 1] = length
    if pos < 0:
        return pos - _KIND
    rows[row, layout.SOURCE], rows[row, layout.SOURCE + 1], pos = read_optional_text(buf, pos, end, most)
    if pos < 0:
        return pos - _SOURCE
    present, pos = read_branch(buf, pos, end)
    rows[row, layout.OBSERVED] = NULL_TIME
    if pos >= 0 and present:
        rows[row, layout.OBSERVED], pos = _read_time(buf, pos, end)
    if pos < 0:
        return pos - _OBSERVED_AT
    return pos


@inlined
def _read_time(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    time, pos = read_long(buf, pos, end)
    if pos >= 0 and (time < MIN_TIME or time > MAX_TIME):
        return time, codes.BAD_TIME
    return time, pos


@inlined
def _read_name(buf: Bytes, pos: Int, end: Int, limit: Int) -> tuple[Int, Int, Int]:
    """A text that must not be empty."""
    start, length, pos = read_text(buf, pos, end, limit)
    if pos >= 0 and length == 0:
        return start, length, codes.EMPTY
    return start, length, pos


@inlined
def _read_double(buf: Bytes, pos: Int, end: Int, bits: NDArray[np.uint64], double: Numbers) -> Int:
    """A finite double into `double[0]`; the position behind it."""
    pos = read_bits(buf, pos, end, bits)
    if pos >= 0 and not np.isfinite(double[0]):
        return codes.NOT_FINITE
    return pos


@inlined
def _read_attributes(
    buf: Bytes, pos: Int, end: Int, row: Int, table: Integers, n: Int, limits: Integers
) -> tuple[Int, Int]:
    room = n + limits[layout.MAX_ATTRIBUTES]
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0:
            return n, pos - _ATTRIBUTES
        if count == 0:
            return n, pos
        if count > room - n:
            return n, codes.TOO_MANY - _ATTRIBUTES
        for _ in range(count):
            name, name_length, pos = _read_name(buf, pos, end, limits[layout.MAX_NAME])
            if pos < 0:
                return n, pos - _ATTRIBUTE_NAME
            value, value_length, pos = read_text(buf, pos, end, limits[layout.MAX_TEXT])
            if pos < 0:
                return n, pos - _ATTRIBUTE_VALUE
            table[n, layout.ROW] = row
            table[n, layout.NAME] = name
            table[n, layout.NAME + 1] = name_length
            table[n, layout.VALUE] = value
            table[n, layout.VALUE + 1] = value_length
            n += 1
        if block_end >= 0 and pos != block_end:
            return n, codes.BAD_BLOCK - _ATTRIBUTES


@inlined
def _read_metrics(
    buf: Bytes,
    pos: Int,
    end: Int,
    row: Int,
    table: Integers,
    values: Numbers,
    n: Int,
    limits: Integers,
    bits: NDArray[np.uint64],
    double: Numbers,
) -> tuple[Int, Int]:
    room = n + limits[layout.MAX_METRICS]
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0:
            return n, pos - _METRICS
        if count == 0:
            return n, pos
        if count > room - n:
            return n, codes.TOO_MANY - _METRICS
        for _ in range(count):
            name, name_length, pos = _read_name(buf, pos, end, limits[layout.MAX_NAME])
            if pos < 0:
                return n, pos - _METRIC_NAME
            pos = _read_double(buf, pos, end, bits, double)
            if pos < 0:
                return n, pos - _METRIC_VALUE
            kind, length, pos = read_text(buf, pos, end, limits[layout.MAX_NAME])
            if pos < 0:
                return n, pos - _METRIC_TYPE
            code = type_code(buf, kind, length)
            if code == UNKNOWN:
                return n, codes.BAD_TYPE - _METRIC_TYPE
            table[n, layout.ROW] = row
            table[n, layout.NAME] = name
            table[n, layout.NAME + 1] = name_length
            table[n, layout.TYPE] = code
            values[n] = double[0]
            n += 1
        if block_end >= 0 and pos != block_end:
            return n, codes.BAD_BLOCK - _METRICS


@outlined
def _read_distributions(
    buf: Bytes,
    pos: Int,
    end: Int,
    row: Int,
    table: Integers,
    n: Int,
    bounds: Numbers,
    b: Int,
    counts: Integers,
    c: Int,
    room: Int,
    limits: Integers,
    bits: NDArray[np.uint64],
    double: Numbers,
) -> tuple[Int, Int, Int, Int]:
    present, pos = read_branch(buf, pos, end)
    if pos < 0:
        return n, b, c, pos - _DISTRIBUTIONS
    if not present:
        return n, b, c, pos
    room += n
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0:
            return n, b, c, pos - _DISTRIBUTIONS
        if count == 0:
            return n, b, c, pos
        if count > room - n:
            return n, b, c, codes.TOO_MANY - _DISTRIBUTIONS
        for _ in range(count):
            name, name_length, pos = _read_name(buf, pos, end, limits[layout.MAX_NAME])
            if pos < 0:
                return n, b, c, pos - _DISTRIBUTION_NAME
            last_b, pos = _read_bounds(buf, pos, end, bounds, b, limits[layout.MAX_BUCKETS], bits, double)
            if pos < 0:
                return n, b, c, pos - _BOUNDS
            last_c, pos = _read_counts(buf, pos, end, counts, c, limits[layout.MAX_BUCKETS])
            if pos >= 0 and last_c - c != last_b - b + 1:
                pos = codes.BUCKETS_DIFFER
            if pos < 0:
                return n, b, c, pos - _COUNTS
            kind, length, pos = read_text(buf, pos, end, limits[layout.MAX_NAME])
            if pos < 0:
                return n, b, c, pos - _DISTRIBUTION_TYPE
            code = type_code(buf, kind, length)
            if code != COUNTER and code != DELTA:
                return n, b, c, codes.NO_DISTRIBUTION - _DISTRIBUTION_TYPE
            table[n, layout.ROW] = row
            table[n, layout.COUNTS_UP] = code
            table[n, layout.NAME] = name
            table[n, layout.NAME + 1] = name_length
            table[n, layout.BOUND_START] = b
            table[n, layout.COUNT_START] = c
            n += 1
            b, c = last_b, last_c
        if block_end >= 0 and pos != block_end:
            return n, b, c, codes.BAD_BLOCK - _DISTRIBUTIONS


@outlined
def _read_bounds(
    buf: Bytes, pos: Int, end: Int, bounds: Numbers, b: Int, limit: Int, bits: NDArray[np.uint64], double: Numbers
) -> tuple[Int, Int]:
    first = b
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0 or count == 0:
            return b, pos
        if count > first + limit - b:
            return b, codes.TOO_MANY
        for _ in range(count):
            pos = _read_double(buf, pos, end, bits, double)
            if pos < 0:
                return b, pos
            if b > first and double[0] <= bounds[b - 1]:
                return b, codes.NOT_ASCENDING
            bounds[b] = double[0]
            b += 1
        if block_end >= 0 and pos != block_end:
            return b, codes.BAD_BLOCK


@outlined
def _read_counts(buf: Bytes, pos: Int, end: Int, counts: Integers, c: Int, limit: Int) -> tuple[Int, Int]:
    first = c
    while True:
        count, block_end, pos = open_block(buf, pos, end)
        if pos < 0 or count == 0:
            return c, pos
        if count > first + limit - c:
            return c, codes.TOO_MANY
        for _ in range(count):
            value, pos = read_long(buf, pos, end)
            if pos < 0:
                return c, pos
            if value < 0:
                return c, codes.NEGATIVE
            counts[c] = value
            c += 1
        if block_end >= 0 and pos != block_end:
            return c, codes.BAD_BLOCK


@inlined
def _read_weight(
    buf: Bytes, pos: Int, end: Int, weights: Numbers, row: Int, bits: NDArray[np.uint64], double: Numbers
) -> Int:
    present, pos = read_branch(buf, pos, end)
    weights[row] = 1.0
    if pos >= 0 and present:
        pos = _read_double(buf, pos, end, bits, double)
        if pos >= 0 and double[0] <= 0:
            pos = codes.NOT_POSITIVE
        weights[row] = double[0]
    if pos < 0:
        return pos - _WEIGHT
    return pos
