"""OTLP's data points that are distributions: histograms with explicit bounds, and exponential ones."""

from __future__ import annotations

import numpy as np

from schemas.kernels.codes import NEGATIVE
from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import word_at
from workers.intake.kernels import otlp_layout as at
from workers.intake.kernels.buckets import LEFT_OUT
from workers.intake.kernels.otlp_histograms import explicit_counts, read_buckets, spread_exponential
from workers.intake.kernels.otlp_points import (
    IN_BUCKETS,
    IN_POINT,
    NO_LABELS,
    NO_RECORDED_VALUE,
    Words,
    put_number,
    word_of,
)
from workers.intake.kernels.protobuf import (
    FIXED64,
    LENGTH,
    VARINT,
    Bytes,
    Integers,
    micros_at,
    packed_words,
    read_field,
)


@inlined
def _put_histogram(
    used: Integers, histograms: Integers, metric: Int, time: Int, labels: Int, labels_end: Int, b: Int, c: Int
) -> None:
    n: Int = used[at.USED_HISTOGRAMS]
    histograms[n, at.METRIC] = metric
    histograms[n, at.TIME] = time
    histograms[n, at.LABELS] = labels if labels >= 0 else 0
    histograms[n, at.LABELS + 1] = labels_end - labels if labels >= 0 else 0
    histograms[n, at.BOUND_START] = b
    histograms[n, at.COUNT_START] = c
    used[at.USED_HISTOGRAMS] = n + 1


@outlined
def read_histogram(
    buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words,
    histograms: Integers, bounds: Words, counts: Integers,
) -> Int:  # fmt: skip
    """A `HistogramDataPoint`; 0, or the failure."""
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = NO_LABELS
    labels_end: Int = np.int64(0)
    count = np.uint64(0)
    total = np.uint64(0)
    has_total = False
    first_b: Int = used[at.USED_BOUNDS]
    first_c: Int = used[at.USED_COUNTS]
    b = first_b
    c = first_c
    counted = counts.view(np.uint64)
    while pos < end:
        began = pos
        failed: Int = np.int64(0)
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - IN_POINT
        if field == 6 and wire in (FIXED64, LENGTH):
            c, failed = packed_words(buf, value, stop, counted, c)
        elif field == 7 and wire in (FIXED64, LENGTH):
            b, failed = packed_words(buf, value, stop, bounds, b)
        elif wire == FIXED64:
            if field == 3:
                time = micros_at(buf, value)
            elif field == 4:
                count = word_at(buf, value)
            elif field == 5:
                total = word_at(buf, value)
                has_total = True
        elif field == 9 and wire == LENGTH:
            labels = began if labels < 0 else labels
            labels_end = pos
        elif field == 10 and wire == VARINT:
            flags = value
        if failed < 0:
            return failed - IN_POINT
    if flags & NO_RECORDED_VALUE:
        used[at.NO_VALUE] += 1
        return np.int64(0)
    if np.int64(count) < 0:
        return np.int64(NEGATIVE) - IN_POINT
    word = word_of(np.float64(count), words, used[at.USED_NUMBERS])
    put_number(used, numbers, words, metric, time, labels, labels_end, at.COUNT, word)
    if has_total:
        put_number(used, numbers, words, metric, time, labels, labels_end, at.TOTAL, total)
    if c > first_c or b > first_b:
        failed = explicit_counts(counts, first_c, c, bounds.view(np.float64), first_b, b)
        if failed < 0:
            return failed - IN_BUCKETS
        if failed == LEFT_OUT:
            used[at.NO_BUCKETS] += 1
            return np.int64(0)
        _put_histogram(used, histograms, metric, time, labels, labels_end, first_b, first_c)
        used[at.USED_BOUNDS] = b
        used[at.USED_COUNTS] = c
    return np.int64(0)


@outlined
def read_exponential(
    buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words,
    histograms: Integers, bounds: Words, counts: Integers, scratch: Integers,
) -> Int:  # fmt: skip
    """An `ExponentialHistogramDataPoint`; 0, or the failure."""
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = NO_LABELS
    labels_end: Int = np.int64(0)
    count = np.uint64(0)
    total = np.uint64(0)
    has_total = False
    scale: Int = np.int64(0)
    zero_count: Int = np.int64(0)
    zero_threshold = np.uint64(0)
    up: Int = np.int64(-1)
    up_end: Int = np.int64(-1)
    down: Int = np.int64(-1)
    down_end: Int = np.int64(-1)
    while pos < end:
        began = pos
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - IN_POINT
        if wire == FIXED64:
            if field == 3:
                time = micros_at(buf, value)
            elif field == 4:
                count = word_at(buf, value)
            elif field == 5:
                total = word_at(buf, value)
                has_total = True
            elif field == 7:
                zero_count = np.int64(word_at(buf, value))
            elif field == 14:
                zero_threshold = word_at(buf, value)
        elif wire == VARINT:
            if field == 6:
                scale = (value >> 1) ^ -(value & 1)  # sint32
            elif field == 10:
                flags = value
        elif wire == LENGTH:
            if field == 1:
                labels = began if labels < 0 else labels
                labels_end = pos
            elif field == 8:
                up, up_end = value, stop
            elif field == 9:
                down, down_end = value, stop
    if flags & NO_RECORDED_VALUE:
        used[at.NO_VALUE] += 1
        return np.int64(0)
    if np.int64(count) < 0:
        return np.int64(NEGATIVE) - IN_POINT
    positive, positives, failed = read_buckets(buf, up, up_end, scratch, np.int64(0))
    if failed < 0:
        return failed - IN_BUCKETS
    negative, after, failed = read_buckets(buf, down, down_end, scratch, positives)
    if failed < 0:
        return failed - IN_BUCKETS
    word = word_of(np.float64(count), words, used[at.USED_NUMBERS])
    put_number(used, numbers, words, metric, time, labels, labels_end, at.COUNT, word)
    if has_total:
        put_number(used, numbers, words, metric, time, labels, labels_end, at.TOTAL, total)
    words[used[at.USED_NUMBERS]] = zero_threshold
    threshold = words.view(np.float64)[used[at.USED_NUMBERS]]
    b, c = used[at.USED_BOUNDS], used[at.USED_COUNTS]
    failed = spread_exponential(
        used[at.USED_BOUNDS :], bounds.view(np.float64), counts, scratch, scale, zero_count, threshold, positive,
        positives, negative, after - positives,
    )  # fmt: skip
    if failed < 0:
        return failed - IN_BUCKETS
    if failed == LEFT_OUT:
        used[at.NO_BUCKETS] += 1
        return np.int64(0)
    _put_histogram(used, histograms, metric, time, labels, labels_end, b, c)
    return np.int64(0)
