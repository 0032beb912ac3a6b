"""Prometheus' remote-write requests (`prometheus.WriteRequest`, version 1), read into tables of series and points."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import BAD_TIME, REASONS, TOO_MANY
from schemas.kernels.compiled import Int, inlined, kernel, outlined
from schemas.kernels.text import word_at
from schemas.times import MAX_TIME, MIN_TIME
from workers.intake.kernels.buckets import BOUNDS, COUNTS, LEFT_OUT, MOST_COUNTS, USED_SIZE, Numbers
from workers.intake.kernels.native_buckets import room, spread_native
from workers.intake.kernels.native_histograms import (
    GAUGE_HINT,
    HEAD_SIZE,
    HINT,
    IS_FLOAT,
    MOST_BUCKETS,
    NUMBER,
    SCRATCH_ROWS,
    TIME,
    TOTAL,
    read_native,
)
from workers.intake.kernels.protobuf import FIXED64, LENGTH, VARINT, Bytes, Integers, read_field

FIELDS: Final = ("the request", "a series", "a sample", "a histogram", "version 2")
"""What failures name."""

SAMPLE, COUNT, SUM, GAUGE_COUNT, GAUGE_SUM, BUCKETS, GAUGE_BUCKETS, NO_BUCKETS = (np.int64(i) for i in range(8))
"""What a point is: a sample; what a native histogram counted or summed up, its buckets, or that there are none."""

INTEGER: Final = np.int64(8)
"""Added where the value is an integer instead of a double's bits."""

STALE: Final = np.uint64(0x7FF0000000000002)
"""The bits of the NaN that says: this series has ended."""

_A_SERIES, _LABEL, _SAMPLES, _HISTOGRAMS = np.int64(1), np.int64(1), np.int64(2), np.int64(4)
_SYMBOLS = np.int64(4)  # of version 2, whose messages use none of version 1's fields
_IN_SERIES, _IN_SAMPLE, _IN_HISTOGRAM, _IN_VERSION_2 = (np.int64(REASONS * i) for i in (1, 2, 3, 4))
_MILLISECOND = np.int64(1_000)
_FIRST, _LAST = np.int64(MIN_TIME // 1_000), np.int64(MAX_TIME // 1_000)

_SERIES, _POINTS, _NATIVE, _ROOM = (np.int64(i) for i in range(4))
_TALLIES = 4
"""Rows of each table: how many are needed at most, or are used; of histograms' buckets, how many counts."""

Words = NDArray[np.uint64]


@kernel
def read_requests(
    buf: Bytes, starts: Integers, ends: Integers, most: Int
) -> tuple[Integers, Integers, Integers, Words, Integers, Numbers, Integers]:
    """(status, series, points, values, histograms, bounds, counts) of requests, in their order; what cannot be read
    leaves nothing but its status.

    status (n): 0 or a failure, one of them more than `most` points, or buckets. series (k, 3): the request, and where
    its labels begin and end; every field 1 in between is a label. points (m, 3): series, epoch microseconds, what it
    is. values (m): the bits of doubles, or an integer. histograms (h, 5): as points, and where their bounds and counts
    begin.
    """
    n = len(starts)
    status = np.zeros(n, np.int64)
    sizes = np.zeros(_TALLIES, np.int64)
    one = np.zeros(_TALLIES, np.int64)
    for i in range(n):
        one[:] = 0
        failed = _size(buf, starts[i], ends[i], one)
        if failed == 0 and one[_POINTS] > most:
            failed = np.int64(TOO_MANY)
        status[i] = failed
        if failed == 0:
            sizes += one
    series, points = np.empty((sizes[_SERIES], 3), np.int64), np.empty((sizes[_POINTS], 3), np.int64)
    values, histograms = np.empty(sizes[_POINTS], np.uint64), np.empty((sizes[_NATIVE], 5), np.int64)
    bounds, counts = np.empty(sizes[_ROOM], np.float64), np.empty(sizes[_ROOM], np.int64)
    scratch = np.empty((SCRATCH_ROWS, MOST_BUCKETS if sizes[_NATIVE] else 0), np.int64)
    head, filled = np.zeros(HEAD_SIZE, np.int64), np.zeros(USED_SIZE, np.int64)
    used = np.zeros(_TALLIES, np.int64)
    for i in range(n):
        if status[i] == 0:
            one[:] = used
            bound, count = filled[BOUNDS], filled[COUNTS]
            failed = _request(
                buf, starts[i], ends[i], i, used, series, points, values, histograms, filled, bounds, counts, head,
                scratch, filled[COUNTS] + most,
            )  # fmt: skip
            if failed < 0:
                status[i] = failed
                used[:] = one
                filled[BOUNDS], filled[COUNTS] = bound, count
    return (
        status,
        series[: used[_SERIES]],
        points[: used[_POINTS]],
        values[: used[_POINTS]],
        histograms[: used[_NATIVE]],
        bounds[: filled[BOUNDS]],
        counts[: filled[COUNTS]],
    )


@outlined
def _size(buf: Bytes, pos: Int, end: Int, sizes: Integers) -> Int:
    """Add how many rows a request fills at most; 0, or the failure."""
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos
        if field >= _SYMBOLS and field < 8 and wire == LENGTH:
            return np.int64(BAD_TIME) - _IN_VERSION_2
        if field != _A_SERIES or wire != LENGTH:
            continue
        sizes[_SERIES] += 1
        inner = value
        while inner < stop:
            part, kind, content, close, inner = read_field(buf, inner, stop)
            if inner < 0:
                return inner - _IN_SERIES
            if part == _SAMPLES and kind == LENGTH:
                sizes[_POINTS] += 1
            elif part == _HISTOGRAMS and kind == LENGTH:
                sizes[_POINTS] += 2
                sizes[_NATIVE] += 1
                sizes[_ROOM] += room(close - content)
    return np.int64(0)


@outlined
def _request(
    buf: Bytes, pos: Int, end: Int, request: Int, used: Integers, series: Integers, points: Integers, values: Words,
    histograms: Integers, filled: Integers, bounds: Numbers, counts: Integers, head: Integers, scratch: Integers,
    most_counts: Int,
) -> Int:  # fmt: skip
    """Write a request that `_size` has walked behind what there is; 0, or the failure. Buckets compress as nothing else
    does: at most `most_counts` counts may be in use behind it.
    """
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if field != _A_SERIES or wire != LENGTH:
            continue
        k: Int = used[_SERIES]
        first: Int = np.int64(-1)
        last: Int = np.int64(-1)
        inner = value
        while inner < stop:
            began = inner
            part, kind, content, close, inner = read_field(buf, inner, stop)
            if kind != LENGTH:
                continue
            if part == _LABEL:
                if first < 0:
                    first = began
                last = close
            elif part == _SAMPLES:
                failed = _sample(buf, content, close, k, used, points, values)
                if failed < 0:
                    return failed - _IN_SAMPLE
            elif part == _HISTOGRAMS:
                failed = _histogram(
                    buf, content, close, k, used, points, values, histograms, filled, bounds, counts, head, scratch
                )
                if failed < 0:
                    return failed - _IN_HISTOGRAM
                if filled[COUNTS] > most_counts:
                    return np.int64(TOO_MANY)
        series[k, 0] = request
        series[k, 1] = first if first >= 0 else value
        series[k, 2] = last if first >= 0 else value
        used[_SERIES] = k + 1
    return np.int64(0)


@inlined
def _put(used: Integers, points: Integers, values: Words, series: Int, time: Int, what: Int, value: np.uint64) -> None:
    m: Int = used[_POINTS]
    points[m, 0] = series
    points[m, 1] = time * _MILLISECOND
    points[m, 2] = what
    values[m] = value
    used[_POINTS] = m + 1


@outlined
def _sample(buf: Bytes, pos: Int, end: Int, series: Int, used: Integers, points: Integers, values: Words) -> Int:
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
    _put(used, points, values, series, time, SAMPLE, bits)
    return np.int64(0)


@outlined
def _histogram(
    buf: Bytes, pos: Int, end: Int, series: Int, used: Integers, points: Integers, values: Words,
    histograms: Integers, filled: Integers, bounds: Numbers, counts: Integers, head: Integers, scratch: Integers,
) -> Int:  # fmt: skip
    """A native histogram: how many, how much, and its buckets."""
    failed = read_native(buf, pos, end, head, scratch)
    if failed < 0:
        return failed
    time = head[TIME]
    if time < _FIRST or time > _LAST:
        return np.int64(BAD_TIME)
    gauge = head[HINT] == GAUGE_HINT
    total = np.uint64(head[TOTAL])
    if total == STALE:  # a marker is in the sum alone
        _put(used, points, values, series, time, COUNT, STALE)
        _put(used, points, values, series, time, SUM, STALE)
        return np.int64(0)
    whole = np.int64(0) if head[IS_FLOAT] else INTEGER
    _put(used, points, values, series, time, (GAUGE_COUNT if gauge else COUNT) + whole, np.uint64(head[NUMBER]))
    _put(used, points, values, series, time, GAUGE_SUM if gauge else SUM, total)
    h: Int = used[_NATIVE]
    histograms[h, 0] = series
    histograms[h, 1] = time * _MILLISECOND
    histograms[h, 2] = GAUGE_BUCKETS if gauge else BUCKETS
    histograms[h, 3] = filled[BOUNDS]
    histograms[h, 4] = filled[COUNTS]
    answer: Int = LEFT_OUT
    if not head[IS_FLOAT] or np.isfinite(head.view(np.float64)[NUMBER]):
        answer = spread_native(head, scratch, filled, bounds, counts, MOST_COUNTS)
    if answer < 0:
        return answer
    if answer == LEFT_OUT:
        histograms[h, 2] = NO_BUCKETS
    used[_NATIVE] = h + 1
    return np.int64(0)
