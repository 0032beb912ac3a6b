"""Buckets of OTLP's histograms: explicit ones as they are, exponential ones as bounds and counts."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import BAD_BOUNDS, BUCKETS_DIFFER, NEGATIVE, NOT_ASCENDING, NOT_FINITE, TOO_MANY
from schemas.kernels.compiled import Int, inlined, outlined
from workers.intake.kernels.otlp_layout import USED_BOUNDS, USED_COUNTS
from workers.intake.kernels.protobuf import LENGTH, VARINT, Bytes, Integers, packed_varints, read_field

Numbers = NDArray[np.float64]

MOST_COUNTS: Final = np.int64(1_024)
"""Buckets that an event may carry; more exponential ones are merged pair by pair, which doubles their width."""

_MOST_SCALE = np.int64(20)


@outlined
def explicit_counts(counts: Integers, first: Int, c: Int, bounds: Numbers, first_bound: Int, b: Int) -> Int:
    """Check what was read of an explicit histogram: 0, or the failure. Neither bounds nor counts: no distribution."""
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
    return np.int64(0)


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
    """Write bounds and counts of an exponential histogram behind those in use; 0, or the failure.

    `scratch` holds `positives` counts from the index `positive` on, and behind them `negatives` from `negative` on:
    bucket i lies between base^i and base^(i+1), base = 2^(2^-scale).
    """
    if scale > _MOST_SCALE or scale < -_MOST_SCALE or zero_count < 0:
        return np.int64(BAD_BOUNDS)
    if not (zero_threshold >= 0.0 and np.isfinite(zero_threshold)):
        return np.int64(BAD_BOUNDS)
    above = positives
    while positives + negatives > MOST_COUNTS - 4:
        if positives > 0:
            positive, positives = _merged(scratch, np.int64(0), positives, positive)
        if negatives > 0:
            negative, negatives = _merged(scratch, above, negatives, negative)
        scale -= 1
    step = 2.0 ** np.float64(-scale)  # exact, as is index · step: merged buckets get the very same bounds
    b = used[USED_BOUNDS]
    c = used[USED_COUNTS]
    first = b
    if negatives > 0:
        counts[c] = 0
        c += 1
        for i in range(negatives):
            bounds[b] = -(2.0 ** (np.float64(negative + negatives - i) * step))
            counts[c] = scratch[above + negatives - 1 - i]
            b += 1
            c += 1
        bounds[b] = -(2.0 ** (np.float64(negative) * step))
        b += 1
        if zero_threshold > 0.0 and bounds[b - 1] < -zero_threshold:
            counts[c] = 0
            bounds[b] = -zero_threshold
            b += 1
            c += 1
    counts[c] = zero_count
    c += 1
    if positives > 0 or negatives > 0:
        low = 2.0 ** (np.float64(positive) * step) if positives > 0 else np.inf
        if (
            (zero_count > 0 or negatives > 0)
            and zero_threshold < low
            and (b == first or bounds[b - 1] < zero_threshold)
        ):
            bounds[b] = zero_threshold
            counts[c] = 0
            b += 1
            c += 1
    if positives > 0:
        bounds[b] = 2.0 ** (np.float64(positive) * step)
        b += 1
        for i in range(positives):
            counts[c] = scratch[i]
            bounds[b] = 2.0 ** (np.float64(positive + i + 1) * step)
            b += 1
            c += 1
        counts[c] = 0
        c += 1
    elif zero_count > 0 and negatives == 0:
        bounds[b] = zero_threshold
        counts[c] = 0
        b += 1
        c += 1
    for i in range(first, b):
        if not np.isfinite(bounds[i]) or (i > first and bounds[i] <= bounds[i - 1]):
            return np.int64(BAD_BOUNDS)
    used[USED_BOUNDS] = b
    used[USED_COUNTS] = c
    return np.int64(0)
