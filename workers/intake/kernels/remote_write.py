"""Prometheus' remote-write requests (`prometheus.WriteRequest`, version 1), read into tables of series and points."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import BAD_TIME, REASONS, TOO_MANY
from schemas.kernels.compiled import Int, kernel, outlined
from schemas.kernels.text import word_at
from schemas.times import MAX_TIME, MIN_TIME
from workers.intake.kernels.protobuf import FIXED64, LENGTH, VARINT, Bytes, Integers, read_field

FIELDS: Final = ("the request", "a series", "a sample", "a histogram", "version 2")
"""What failures name."""

SAMPLE, COUNT, SUM, GAUGE_COUNT, GAUGE_SUM = (np.int64(i) for i in range(5))
"""What a point is: a sample, or what a native histogram counted and summed up."""

INTEGER: Final = np.int64(8)
"""Added where the value is an integer instead of a double's bits."""

STALE: Final = np.uint64(0x7FF0000000000002)
"""The bits of the NaN that says: this series has ended."""

_SERIES, _LABEL, _SAMPLES, _HISTOGRAMS = np.int64(1), np.int64(1), np.int64(2), np.int64(4)
_SYMBOLS = np.int64(4)  # of version 2, whose messages use none of version 1's fields
_IN_SERIES, _IN_SAMPLE, _IN_HISTOGRAM, _IN_VERSION_2 = (np.int64(REASONS * i) for i in (1, 2, 3, 4))
_GAUGE_HINT = np.int64(3)
_MILLISECOND = np.int64(1_000)
_FIRST, _LAST = np.int64(MIN_TIME // 1_000), np.int64(MAX_TIME // 1_000)

Words = NDArray[np.uint64]


@kernel
def read_requests(
    buf: Bytes, starts: Integers, ends: Integers, most: Int
) -> tuple[Integers, Integers, Integers, Words]:
    """(status, series, points, values) of requests, in their order; what cannot be read leaves nothing but its status.

    status (n): 0 or a failure, one of them more than `most` points. series (k, 3): the request, and where its labels
    begin and end; every field 1 in between is a label. points (m, 3): series, epoch microseconds, what it is. values
    (m): the bits of doubles, or an integer.
    """
    n = len(starts)
    status = np.zeros(n, np.int64)
    none, nothing = np.empty((0, 3), np.int64), np.empty(0, np.uint64)
    k: Int = 0
    m: Int = 0
    for i in range(n):
        found, points, failed = _request(buf, starts[i], ends[i], i, none, 0, none, nothing, 0, False)
        if failed == 0 and points > most:
            failed = np.int64(TOO_MANY)
        status[i] = failed
        if failed == 0:
            k += found
            m += points
    series, table, values = np.empty((k, 3), np.int64), np.empty((m, 3), np.int64), np.empty(m, np.uint64)
    k = 0
    m = 0
    for i in range(n):
        if status[i] == 0:
            k, m, _ = _request(buf, starts[i], ends[i], i, series, k, table, values, m, True)
    return status, series, table, values


@outlined
def _request(
    buf: Bytes,
    pos: Int,
    end: Int,
    request: Int,
    series: Integers,
    k: Int,
    points: Integers,
    values: Words,
    m: Int,
    write: bool,
) -> tuple[Int, Int, Int]:
    """Behind the `k` series and `m` points that there are: (series, points, 0 or a failure). Counts if not `write`."""
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return k, m, pos
        if field >= _SYMBOLS and field < 8 and wire == LENGTH:
            return k, m, np.int64(BAD_TIME) - _IN_VERSION_2
        if field != _SERIES or wire != LENGTH:
            continue
        first: Int = np.int64(-1)
        last: Int = np.int64(-1)
        inner = value
        while inner < stop:
            began = inner
            part, kind, content, close, inner = read_field(buf, inner, stop)
            if inner < 0:
                return k, m, inner - _IN_SERIES
            if kind != LENGTH:
                continue
            if part == _LABEL:
                if first < 0:
                    first = began
                last = close
            elif part == _SAMPLES:
                failed = _sample(buf, content, close, k, points, values, m, write)
                if failed < 0:
                    return k, m, failed - _IN_SAMPLE
                m += 1
            elif part == _HISTOGRAMS:
                failed = _histogram(buf, content, close, k, points, values, m, write)
                if failed < 0:
                    return k, m, failed - _IN_HISTOGRAM
                m += 2
        if write:
            series[k, 0] = request
            series[k, 1] = first if first >= 0 else value
            series[k, 2] = last if first >= 0 else value
        k += 1
    return k, m, np.int64(0)


@outlined
def _sample(buf: Bytes, pos: Int, end: Int, series: Int, points: Integers, values: Words, m: Int, write: bool) -> Int:
    bits = np.uint64(0)
    time: Int = np.int64(0)
    while pos < end:
        field, wire, value, _stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos
        if field == 1 and wire == FIXED64:
            bits = word_at(buf, value)
        elif field == 2 and wire == VARINT:
            time = value
    if time < _FIRST or time > _LAST:
        return np.int64(BAD_TIME)
    if write:
        points[m, 0] = series
        points[m, 1] = time * _MILLISECOND
        points[m, 2] = SAMPLE
        values[m] = bits
    return np.int64(0)


@outlined
def _histogram(
    buf: Bytes, pos: Int, end: Int, series: Int, points: Integers, values: Words, m: Int, write: bool
) -> Int:
    """A native histogram: how many and how much; its buckets are left out."""
    count, total, integer = np.uint64(0), np.uint64(0), INTEGER
    time: Int = np.int64(0)
    hint: Int = np.int64(0)
    while pos < end:
        field, wire, value, _stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos
        if field == 1 and wire == VARINT:
            count, integer = np.uint64(value), INTEGER
        elif field == 2 and wire == FIXED64:
            count, integer = word_at(buf, value), np.int64(0)
        elif field == 3 and wire == FIXED64:
            total = word_at(buf, value)
        elif field == 14 and wire == VARINT:
            hint = value
        elif field == 15 and wire == VARINT:
            time = value
    if time < _FIRST or time > _LAST:
        return np.int64(BAD_TIME)
    if total == STALE:  # a marker is in the sum alone
        count, integer = STALE, np.int64(0)
    if write:
        gauge = hint == _GAUGE_HINT
        for i in range(2):
            points[m + i, 0] = series
            points[m + i, 1] = time * _MILLISECOND
        points[m, 2] = (GAUGE_COUNT if gauge else COUNT) + integer
        points[m + 1, 2] = GAUGE_SUM if gauge else SUM
        values[m] = count
        values[m + 1] = total
    return np.int64(0)
