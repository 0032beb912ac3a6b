"""OTLP's data points that are numbers: those of gauges and sums, and summaries."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import REASONS, TOO_MANY
from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import word_at
from workers.intake.kernels import otlp_layout as at
from workers.intake.kernels.protobuf import FIXED64, LENGTH, VARINT, Bytes, Integers, micros_at, read_field

Numbers = NDArray[np.float64]
Words = NDArray[np.uint64]

FIELDS: Final = ("the message", "a resource's metrics", "a scope's metrics", "a metric", "a data point", "buckets")
"""What a failure is about: field number f adds -f · REASONS to the reason."""

IN_RESOURCE, IN_SCOPE, IN_METRIC, IN_POINT, IN_BUCKETS = (np.int64(REASONS * field) for field in range(1, 6))

NO_RECORDED_VALUE: Final = np.int64(1)
"""The flag of a point that says that there is none."""

NO_LABELS: Final = np.int64(-1)

_ALL_FIELDS = np.int64(0)
_MOST_QUANTILE_LABELS = np.int64(64 << 10)
"""Bytes of attributes that the quantiles of one point may have together: every one's name has all of them."""


@inlined
def put_number(
    used: Integers, numbers: Integers, words: Words, metric: Int, time: Int, labels: Int, labels_end: Int, role: Int,
    word: np.uint64,
) -> None:  # fmt: skip
    """A number of a point; one that is not finite is counted and left out."""
    if (word >> np.uint64(52)) & np.uint64(0x7FF) == np.uint64(0x7FF):
        used[at.NOT_FINITE] += 1
        return
    n: Int = used[at.USED_NUMBERS]
    numbers[n, at.METRIC] = metric
    numbers[n, at.TIME] = time
    numbers[n, at.LABELS] = labels if labels >= 0 else 0
    numbers[n, at.LABELS + 1] = labels_end - labels if labels >= 0 else 0
    numbers[n, at.ROLE] = role
    words[n] = word
    used[at.USED_NUMBERS] = n + 1


@inlined
def word_of(number: float, scratch: Words, place: Int) -> np.uint64:
    """The bits of a double, by way of a free entry of a table."""
    scratch.view(np.float64)[place] = number
    return np.uint64(scratch[place])


@outlined
def read_number(buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words) -> Int:
    """A `NumberDataPoint`; 0, or the failure."""
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = NO_LABELS
    labels_end: Int = np.int64(0)
    there = False
    word = np.uint64(0)
    while pos < end:
        began = pos
        field, wire, value, _, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - IN_POINT
        if wire == FIXED64:
            if field == 3:
                time = micros_at(buf, value)
            elif field == 4:
                word = word_at(buf, value)
                there = True
            elif field == 6:
                word = word_of(np.float64(np.int64(word_at(buf, value))), words, used[at.USED_NUMBERS])
                there = True
        elif field == 7 and wire == LENGTH:
            labels = began if labels < 0 else labels
            labels_end = pos
        elif field == 8 and wire == VARINT:
            flags = value
    if flags & NO_RECORDED_VALUE or not there:
        used[at.NO_VALUE] += 1
        return np.int64(0)
    put_number(used, numbers, words, metric, time, labels, labels_end, at.VALUE, word)
    return np.int64(0)


@outlined
def read_summary(
    buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words, quantiles: Numbers
) -> Int:
    """A `SummaryDataPoint`; 0, or the failure."""
    first: Int = used[at.USED_NUMBERS]
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = NO_LABELS
    labels_end: Int = np.int64(0)
    count = np.uint64(0)
    total = np.uint64(0)
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
        elif field == 6 and wire == LENGTH:
            inner = value
            quantile = np.uint64(0)
            word = np.uint64(0)
            while inner < stop:
                part, wire, value, _, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - IN_POINT
                if wire == FIXED64 and part == 1:
                    quantile = word_at(buf, value)
                elif wire == FIXED64 and part == 2:
                    word = word_at(buf, value)
            n: Int = used[at.USED_NUMBERS]
            words[n] = quantile
            quantiles[n] = words.view(np.float64)[n]
            put_number(used, numbers, words, metric, time, NO_LABELS, _ALL_FIELDS, at.QUANTILE, word)
        elif field == 7 and wire == LENGTH:
            labels = began if labels < 0 else labels
            labels_end = pos
        elif field == 8 and wire == VARINT:
            flags = value
    if flags & NO_RECORDED_VALUE:
        used[at.NO_VALUE] += 1
        used[at.USED_NUMBERS] = first
        return np.int64(0)
    if labels >= 0 and (used[at.USED_NUMBERS] - first) * (labels_end - labels) > _MOST_QUANTILE_LABELS:
        return np.int64(TOO_MANY) - IN_POINT
    for n in range(first, used[at.USED_NUMBERS]):
        numbers[n, at.TIME] = time
        numbers[n, at.LABELS] = labels if labels >= 0 else 0
        numbers[n, at.LABELS + 1] = labels_end - labels if labels >= 0 else 0
    word = word_of(np.float64(count), words, used[at.USED_NUMBERS])
    put_number(used, numbers, words, metric, time, labels, labels_end, at.COUNT, word)
    put_number(used, numbers, words, metric, time, labels, labels_end, at.TOTAL, total)
    return np.int64(0)
