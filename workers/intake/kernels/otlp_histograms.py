"""Buckets of OTLP's histograms: explicit ones as they are, exponential ones as bounds and counts."""

from __future__ import annotations

import numpy as np

from schemas.kernels.codes import BAD_BOUNDS, BUCKETS_DIFFER, NEGATIVE, NOT_ASCENDING, NOT_FINITE, TOO_MANY
from schemas.kernels.compiled import Int, inlined, outlined
from workers.intake.kernels.buckets import (
    LEFT_OUT,
    MOST_COUNTED,
    MOST_COUNTS,
    Numbers,
    add_bucket,
    begin_buckets,
    end_buckets,
)
from workers.intake.kernels.protobuf import LENGTH, VARINT, Bytes, Integers, packed_varints, read_field

_MOST_SCALE = np.int64(20)
_MOST_OFFSET = np.int64(1 << 31)


@outlined
def explicit_counts(counts: Integers, first: Int, c: Int, bounds: Numbers, first_bound: Int, b: Int) -> Int:
    """Check what was read of an explicit histogram: 0, LEFT_OUT, or the failure."""
    if c - first != b - first_bound + 1:
        return np.int64(BUCKETS_DIFFER)
    if c - first > MOST_COUNTS:
        return np.int64(TOO_MANY)
    for i in range(first, c):
        if counts[i] < 0:
            return np.int64(NEGATIVE)
    for i in range(first_bound, b):
        if not np.isfinite(bounds[i]):
            return np.int64(NOT_FINITE)
        if i > first_bound and bounds[i] <= bounds[i - 1]:
            return np.int64(NOT_ASCENDING)
    return np.int64(0) if _countable(counts, first, c, np.int64(0)) else LEFT_OUT


@inlined
def _countable(counts: Integers, first: Int, end: Int, already: Int) -> bool:
    """Whether so many observations, none of them below zero, can be counted."""
    left = MOST_COUNTED - already
    for i in range(first, end):
        if counts[i] > left:
            return False
        left -= counts[i]
    return bool(left >= 0)


@outlined
def read_buckets(buf: Bytes, pos: Int, end: Int, counts: Integers, c: Int) -> tuple[Int, Int, Int]:
    """One side of an exponential histogram, behind the `c` entries of `counts`: (offset, entries, 0 or a failure).

    Zeros at the end are left out.
    """
    first = c
    offset: Int = np.int64(0)
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return offset, first, pos
        if field == 1 and wire == VARINT:
            offset = (value >> 1) ^ -(value & 1)  # sint32
        elif field == 2 and wire in (LENGTH, VARINT):
            c, failed = packed_varints(buf, wire, value, stop, counts, c)
            if failed < 0:
                return offset, first, failed
    for i in range(first, c):
        if counts[i] < 0:
            return offset, first, np.int64(NEGATIVE)
    while c > first and counts[c - 1] == 0:
        c -= 1
    return offset, c, np.int64(0)


@inlined
def _merged(counts: Integers, first: Int, n: Int, offset: Int) -> tuple[Int, Int]:
    """Buckets of twice the width on the logarithmic axis, in place: (offset, entries)."""
    low, high = offset >> 1, (offset + n - 1) >> 1
    at = first
    for i in range(n):
        place = first + ((offset + i) >> 1) - low
        if place > at or i == 0:
            at = place
            counts[at] = counts[first + i]
        else:
            counts[at] += counts[first + i]
    return low, high - low + 1


@inlined
def _is_bounded(counts: Integers, first: Int, n: Int, offset: Int, step: float) -> bool:
    """Whether there are numbers in every bucket of one side that holds something."""
    for i in range(n):
        low, high = 2.0 ** (np.float64(offset + i) * step), 2.0 ** (np.float64(offset + i + 1) * step)
        if counts[first + i] > 0 and (high == 0.0 or not np.isfinite(low)):
            return False
    return True


@outlined
def spread_exponential(
    used: Integers,
    bounds: Numbers,
    counts: Integers,
    scratch: Integers,
    scale: Int,
    zero_count: Int,
    zero_threshold: float,
    positive: Int,
    positives: Int,
    negative: Int,
    negatives: Int,
) -> Int:
    """Write bounds and counts of an exponential histogram behind those in use (as `buckets` has them); 0, LEFT_OUT, or
    the failure.

    `scratch` holds `positives` counts from the index `positive` on, and behind them `negatives` from `negative` on:
    bucket i lies between base^i and base^(i+1), base = 2^(2^-scale). Bounds that no double can tell apart are one, and
    a bucket that ends beyond all doubles has no end.
    """
    if scale > _MOST_SCALE or scale < -_MOST_SCALE or zero_count < 0:
        return np.int64(BAD_BOUNDS)
    if not (zero_threshold >= 0.0 and np.isfinite(zero_threshold)):
        return np.int64(BAD_BOUNDS)
    if not (-_MOST_OFFSET <= positive < _MOST_OFFSET and -_MOST_OFFSET <= negative < _MOST_OFFSET):
        return np.int64(BAD_BOUNDS)
    if not _countable(scratch, np.int64(0), positives + negatives, zero_count):
        return LEFT_OUT
    above = positives
    while positives + negatives > MOST_COUNTS - 4:
        if positives > 0:
            positive, positives = _merged(scratch, np.int64(0), positives, positive)
        if negatives > 0:
            negative, negatives = _merged(scratch, above, negatives, negative)
        scale -= 1
    step = 2.0 ** np.float64(-scale)  # exact, as is index · step: merged buckets get the very same bounds
    if not (
        _is_bounded(scratch, np.int64(0), positives, positive, step)
        and _is_bounded(scratch, above, negatives, negative, step)
    ):
        return np.int64(BAD_BOUNDS)
    first = begin_buckets(used)
    for k in range(negatives):
        i = negatives - 1 - k
        if k == 0:
            add_bucket(used, bounds, counts, first, np.int64(0), -(2.0 ** (np.float64(negative + negatives) * step)))
        add_bucket(used, bounds, counts, first, scratch[above + i], -(2.0 ** (np.float64(negative + i) * step)))
    if zero_count > 0 or negatives > 0:
        if negatives > 0 and zero_threshold > 0.0:
            add_bucket(used, bounds, counts, first, np.int64(0), -zero_threshold)
        add_bucket(used, bounds, counts, first, zero_count, zero_threshold)
    for i in range(positives):
        if i == 0:
            add_bucket(used, bounds, counts, first, np.int64(0), 2.0 ** (np.float64(positive) * step))
        add_bucket(used, bounds, counts, first, scratch[i], 2.0 ** (np.float64(positive + i + 1) * step))
    end_buckets(used, counts)
    return np.int64(0)
