"""What is in a native histogram's buckets, as bounds and counts.

Bucket i of schema s lies between base^(i-1) and base^i, base = 2^(2^-s); of custom buckets (schema -53) between two
bounds that stand beside them. Empty buckets next to each other become one, so that buckets far apart cost nothing.
"""

from __future__ import annotations

import math

import numpy as np

from schemas.kernels.codes import BAD_BOUNDS, NEGATIVE, NOT_ASCENDING, NOT_FINITE, SPANS_DIFFER
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
from workers.intake.kernels.native_histograms import (
    AMOUNTS,
    CHANGES,
    COUNTED,
    CUSTOM,
    DOWN,
    GAUGE_HINT,
    HINT,
    IS_FLOAT,
    LENGTHS,
    PLACES,
    SCHEMA,
    SIZES,
    SPANS,
    THRESHOLD,
    UP,
    ZERO,
    ZERO_FLOAT,
)
from workers.intake.kernels.protobuf import Integers

_CUSTOM_SCHEMA = np.int64(-53)
_LOWEST_SCHEMA, _HIGHEST_SCHEMA = np.int64(-9), np.int64(52)
_BITS_OF_PARTS = 40


@inlined
def room(size: Int) -> Int:
    """The most counts that a histogram of so many bytes becomes: every bucket, and every gap, takes a byte or more."""
    return min(np.int64(size + 6), MOST_COUNTS)


@outlined
def spread_native(
    head: Integers, scratch: Integers, used: Integers, bounds: Numbers, counts: Integers, most: Int
) -> Int:
    """Write bounds and counts of what `read_native` found behind those in use; 0, LEFT_OUT, or the failure.

    At most `most` counts; buckets are merged pair by pair until there are no more. Counts that are doubles are rounded;
    of a gauge's that are no whole numbers, parts count as well: all are multiplied by the same power of two.
    """
    schema: Int = head[SCHEMA]
    custom = schema == _CUSTOM_SCHEMA
    if not custom and (schema < _LOWEST_SCHEMA or schema > _HIGHEST_SCHEMA):
        return LEFT_OUT
    failed = _count_side(head, scratch, UP)
    if failed == 0:
        failed = _count_side(head, scratch, DOWN)
    if failed < 0:
        return failed
    numbers = head.view(np.float64)
    width = numbers[THRESHOLD]
    if not (width >= 0.0 and np.isfinite(width)):
        return np.int64(BAD_BOUNDS)
    if head[IS_FLOAT]:
        zero_float = numbers[ZERO_FLOAT]
        if not np.isfinite(zero_float):
            return np.int64(NOT_FINITE)
        if zero_float < 0.0:
            return np.int64(NEGATIVE)
    elif head[ZERO] < 0:
        return np.int64(NEGATIVE)
    if not _made_whole(head, scratch):
        return LEFT_OUT
    if custom:
        return _spread_custom(head, scratch, used, bounds, counts, most)
    _spread_exponential(head, scratch, used, bounds, counts, most, schema, width)
    return np.int64(0)


@outlined
def _count_side(head: Integers, scratch: Integers, side: Int) -> Int:
    """Places and counts of the buckets of one side that are not empty, in ascending order; 0, or the failure."""
    floats = scratch.view(np.float64)
    is_float = head[IS_FLOAT] != 0
    entries: Int = head[SIZES + side + (AMOUNTS if is_float else CHANGES)]
    at: Int = np.int64(0)
    n: Int = np.int64(0)
    place: Int = np.int64(0)
    count: Int = np.int64(0)
    for span in range(head[SIZES + side + SPANS]):
        offset: Int = scratch[side + SPANS, span]
        length: Int = scratch[side + LENGTHS, span]
        if span > 0 and offset < 0:
            return np.int64(NOT_ASCENDING)
        if length < 0 or length > entries - at:
            return np.int64(SPANS_DIFFER)
        place += offset
        for _ in range(length):
            if is_float:
                amount = floats[side + AMOUNTS, at]
                if not np.isfinite(amount):
                    return np.int64(NOT_FINITE)
                if amount < 0.0:
                    return np.int64(NEGATIVE)
                there = amount > 0.0
                floats[side + COUNTED, n] = amount
            else:
                count += scratch[side + CHANGES, at]
                if count < 0:
                    return np.int64(NEGATIVE)
                there = count > 0
                scratch[side + COUNTED, n] = count
            if there:
                scratch[side + PLACES, n] = place
                n += 1
            place += 1
            at += 1
    if at != entries:
        return np.int64(SPANS_DIFFER)
    head[SIZES + side + PLACES] = n
    return np.int64(0)


@outlined
def _made_whole(head: Integers, scratch: Integers) -> bool:
    """Make counts that are doubles integers. False: there are more observations than can be counted."""
    floats, numbers = scratch.view(np.float64), head.view(np.float64)
    is_float = head[IS_FLOAT] != 0
    total = numbers[ZERO_FLOAT] if is_float else np.float64(head[ZERO])
    parts = is_float and total != np.rint(total)
    for side in (UP, DOWN):
        for i in range(head[SIZES + side + PLACES]):
            amount = floats[side + COUNTED, i] if is_float else np.float64(scratch[side + COUNTED, i])
            parts = parts or amount != np.rint(amount)
            total += amount
    if total > MOST_COUNTED:
        return False
    if not is_float:
        return True
    power = 0
    if parts and head[HINT] == GAUGE_HINT:
        _, exponent = math.frexp(total)
        power = max(0, _BITS_OF_PARTS - exponent)
    head[ZERO] = np.int64(np.rint(math.ldexp(numbers[ZERO_FLOAT], power)))
    for side in (UP, DOWN):
        n: Int = np.int64(0)
        for i in range(head[SIZES + side + PLACES]):
            count = np.int64(np.rint(math.ldexp(floats[side + COUNTED, i], power)))
            if count > 0:
                scratch[side + PLACES, n] = scratch[side + PLACES, i]
                scratch[side + COUNTED, n] = count
                n += 1
        head[SIZES + side + PLACES] = n
    return True


@outlined
def _needed(head: Integers, scratch: Integers) -> Int:
    """How many counts the buckets and the gaps between them become, or a few more."""
    found: Int = np.int64(5)
    for side in (UP, DOWN):
        n: Int = head[SIZES + side + PLACES]
        found += n
        for i in range(1, n):
            if scratch[side + PLACES, i] > scratch[side + PLACES, i - 1] + 1:
                found += 1
    return found


@outlined
def _merge(head: Integers, scratch: Integers, side: Int) -> None:
    """Buckets of twice the width on the logarithmic axis."""
    n: Int = np.int64(0)
    for i in range(head[SIZES + side + PLACES]):
        place = (scratch[side + PLACES, i] + 1) >> 1
        if n > 0 and scratch[side + PLACES, n - 1] == place:
            scratch[side + COUNTED, n - 1] += scratch[side + COUNTED, i]
        else:
            scratch[side + PLACES, n] = place
            scratch[side + COUNTED, n] = scratch[side + COUNTED, i]
            n += 1
    head[SIZES + side + PLACES] = n


@outlined
def _spread_exponential(
    head: Integers, scratch: Integers, used: Integers, bounds: Numbers, counts: Integers, most: Int, schema: Int,
    width: float,
) -> None:  # fmt: skip
    while _needed(head, scratch) > most:
        _merge(head, scratch, UP)
        _merge(head, scratch, DOWN)
        schema -= 1
    step = 2.0 ** np.float64(-schema)  # exact, as is place · step: merged buckets get the very same bounds
    first = begin_buckets(used)
    below: Int = head[SIZES + DOWN + PLACES]
    for k in range(below):
        i = below - 1 - k
        place = scratch[DOWN + PLACES, i]
        add_bucket(used, bounds, counts, first, np.int64(0), -(2.0 ** (np.float64(place) * step)))
        add_bucket(used, bounds, counts, first, scratch[DOWN + COUNTED, i], -(2.0 ** (np.float64(place - 1) * step)))
    if head[ZERO] > 0:
        if below > 0 and width > 0.0:
            add_bucket(used, bounds, counts, first, np.int64(0), -width)
        add_bucket(used, bounds, counts, first, head[ZERO], width)
    for i in range(head[SIZES + UP + PLACES]):
        place = scratch[UP + PLACES, i]
        add_bucket(used, bounds, counts, first, np.int64(0), 2.0 ** (np.float64(place - 1) * step))
        add_bucket(used, bounds, counts, first, scratch[UP + COUNTED, i], 2.0 ** (np.float64(place) * step))
    end_buckets(used, counts)


@outlined
def _spread_custom(
    head: Integers, scratch: Integers, used: Integers, bounds: Numbers, counts: Integers, most: Int
) -> Int:
    """Buckets whose upper bounds stand in the histogram; the last one has no end. 0, LEFT_OUT, or the failure."""
    floats = scratch.view(np.float64)
    n: Int = head[SIZES + CUSTOM]
    for i in range(n):
        if not np.isfinite(floats[CUSTOM, i]):
            return np.int64(NOT_FINITE)
        if i > 0 and floats[CUSTOM, i] <= floats[CUSTOM, i - 1]:
            return np.int64(NOT_ASCENDING)
    if head[ZERO] > 0 or head[SIZES + DOWN + PLACES] > 0 or _needed(head, scratch) > most:
        return LEFT_OUT
    for i in range(head[SIZES + UP + PLACES]):
        if scratch[UP + PLACES, i] < 0 or scratch[UP + PLACES, i] > n:
            return np.int64(SPANS_DIFFER)
    first = begin_buckets(used)
    for i in range(head[SIZES + UP + PLACES]):
        place = scratch[UP + PLACES, i]
        if place > 0:
            add_bucket(used, bounds, counts, first, np.int64(0), floats[CUSTOM, place - 1])
        add_bucket(
            used, bounds, counts, first, scratch[UP + COUNTED, i], floats[CUSTOM, place] if place < n else np.inf
        )
    end_buckets(used, counts)
    return np.int64(0)
