"""OTLP's metrics (`ExportMetricsServiceRequest`, `MetricsData`), straight into tables of numbers and histograms.

Field numbers are those of opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import BAD_UTF8, NEGATIVE, REASONS
from schemas.kernels.compiled import Int, inlined, kernel, outlined
from schemas.kernels.text import is_utf8, word_at
from workers.intake.kernels import otlp_layout as at
from workers.intake.kernels.otlp_histograms import explicit_counts, read_buckets, spread_exponential
from workers.intake.kernels.protobuf import Bytes, Integers, micros_at, packed_words, read_field

Numbers = NDArray[np.float64]
Words = NDArray[np.uint64]

FIELDS: Final = ("the message", "a resource's metrics", "a scope's metrics", "a metric", "a data point", "buckets")
"""What a failure is about: field number f adds -f · REASONS to the reason."""

_IN_RESOURCE, _IN_SCOPE, _IN_METRIC, _IN_POINT, _IN_BUCKETS = (np.int64(REASONS * field) for field in range(1, 6))

_VARINT = np.int64(0)
_FIXED64 = np.int64(1)
_LENGTH = np.int64(2)
_NO_RECORDED_VALUE = np.int64(1)
_NO_LABELS = np.int64(-1)
_ALL_FIELDS = np.int64(0)

Tables = tuple[Integers, Integers, Integers, Integers, Numbers, Numbers, Integers, Numbers, Integers, Integers]


@kernel
def read_metrics(buf: Bytes, starts: Integers, ends: Integers) -> Tables:
    """The data points of the records `buf[starts[i]:ends[i]]`.

    Returns (status, resources, metrics, numbers, values, quantiles, histograms, bounds, counts, tallies), as
    `otlp_layout` has them; `tallies` has a row a record. `status[i]` is 0 or the failure of record i, which then has
    left no trace in the tables.
    """
    n = len(starts)
    size: Int = np.int64(0)
    for i in range(n):
        size += ends[i] - starts[i]
    status = np.zeros(n, np.int64)
    tallies = np.zeros((n, at.TALLIES), np.int64)
    # Bounded by the fewest bytes that an entry has; what is not filled is never touched and costs nothing.
    resources = np.empty((size // 2 + 1, at.RESOURCE_WIDTH), np.int64)
    metrics = np.empty((size // 2 + 1, at.METRIC_WIDTH), np.int64)
    numbers = np.empty((size + 2, at.NUMBER_WIDTH), np.int64)
    words = np.empty(size + 2, np.uint64)
    quantiles = np.empty(size + 2, np.float64)
    histograms = np.empty((size // 2 + 1, at.HISTOGRAM_WIDTH), np.int64)
    bounds = np.empty(2 * size + 8, np.uint64)
    counts = np.empty(2 * size + 8, np.int64)
    scratch = np.empty(size + 8, np.int64)
    used = np.zeros(at.TALLIES, np.int64)
    for i in range(n):
        before = used.copy()
        pos: Int = starts[i]
        end: Int = ends[i]
        while pos >= 0 and pos < end:
            field, wire, value, stop, pos = read_field(buf, pos, end)
            if pos >= 0 and field == 1 and wire == _LENGTH:
                failed = _read_resource(
                    buf, value, stop, i, used, resources, metrics, numbers, words, quantiles, histograms, bounds,
                    counts, scratch,
                )  # fmt: skip
                if failed < 0:
                    pos = failed
        if pos < 0:
            status[i] = pos
            used[:] = before
        else:
            tallies[i] = used - before
    m: Int = used[at.USED_NUMBERS]
    return (
        status,
        resources[: used[at.USED_RESOURCES]],
        metrics[: used[at.USED_METRICS]],
        numbers[:m],
        words[:m].view(np.float64),
        quantiles[:m],
        histograms[: used[at.USED_HISTOGRAMS]],
        bounds[: used[at.USED_BOUNDS]].view(np.float64),
        counts[: used[at.USED_COUNTS]],
        tallies,
    )


@outlined
def _read_resource(
    buf: Bytes, pos: Int, end: Int, record: Int, used: Integers, resources: Integers, metrics: Integers,
    numbers: Integers, words: Words, quantiles: Numbers, histograms: Integers, bounds: Words, counts: Integers,
    scratch: Integers,
) -> Int:  # fmt: skip
    """A `ResourceMetrics`; 0, or the failure."""
    resource: Int = used[at.USED_RESOURCES]
    used[at.USED_RESOURCES] = resource + 1
    resources[resource, at.RECORD] = record
    resources[resource, at.RESOURCE_BYTES] = pos
    resources[resource, at.RESOURCE_BYTES + 1] = 0
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_RESOURCE
        if wire != _LENGTH:
            continue
        if field == 1:
            resources[resource, at.RESOURCE_BYTES] = value
            resources[resource, at.RESOURCE_BYTES + 1] = stop - value
        elif field == 2:
            inner = value
            while inner < stop:
                field, wire, value, last, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - _IN_SCOPE
                if field == 2 and wire == _LENGTH:
                    failed = _read_metric(
                        buf, value, last, record, resource, used, metrics, numbers, words, quantiles, histograms,
                        bounds, counts, scratch,
                    )  # fmt: skip
                    if failed < 0:
                        return failed
    return np.int64(0)


@outlined
def _read_metric(
    buf: Bytes, pos: Int, end: Int, record: Int, resource: Int, used: Integers, metrics: Integers,
    numbers: Integers, words: Words, quantiles: Numbers, histograms: Integers, bounds: Words, counts: Integers,
    scratch: Integers,
) -> Int:  # fmt: skip
    """A `Metric`; 0, or the failure."""
    metric: Int = used[at.USED_METRICS]
    used[at.USED_METRICS] = metric + 1
    for column in range(at.METRIC_WIDTH):
        metrics[metric, column] = 0
    metrics[metric, at.RECORD] = record
    metrics[metric, at.RESOURCE] = resource
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_METRIC
        if wire != _LENGTH:
            continue
        if field == 1 or field == 3:
            if not is_utf8(buf, value, stop):
                return np.int64(BAD_UTF8) - _IN_METRIC
            text = at.NAME if field == 1 else at.UNIT
            metrics[metric, text] = value
            metrics[metric, text + 1] = stop - value
        elif field == at.GAUGE or field == at.SUM or (field >= at.HISTOGRAM and field <= at.SUMMARY):
            metrics[metric, at.SHAPE] = field
            inner = value
            while inner < stop:
                part, wire, value, last, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - _IN_METRIC
                if part == 1 and wire == _LENGTH:
                    used[at.POINTS] += 1
                    failed: Int = np.int64(0)
                    if field == at.GAUGE or field == at.SUM:
                        failed = _read_number(buf, value, last, metric, used, numbers, words)
                    elif field == at.SUMMARY:
                        failed = _read_summary(buf, value, last, metric, used, numbers, words, quantiles)
                    elif field == at.HISTOGRAM:
                        failed = _read_histogram(
                            buf, value, last, metric, used, numbers, words, histograms, bounds, counts
                        )
                    else:
                        failed = _read_exponential(
                            buf, value, last, metric, used, numbers, words, histograms, bounds, counts, scratch
                        )
                    if failed < 0:
                        return failed
                elif part == 2 and wire == _VARINT:
                    metrics[metric, at.TEMPORALITY] = value
                elif part == 3 and wire == _VARINT:
                    metrics[metric, at.MONOTONIC] = value
    return np.int64(0)


@inlined
def _put(
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
def _word(number: float, scratch: Words, place: Int) -> np.uint64:
    """The bits of a double, by way of a free entry of a table."""
    scratch.view(np.float64)[place] = number
    return np.uint64(scratch[place])


@outlined
def _read_number(buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words) -> Int:
    """A `NumberDataPoint`; 0, or the failure."""
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = _NO_LABELS
    labels_end: Int = np.int64(0)
    there = False
    word = np.uint64(0)
    while pos < end:
        began = pos
        field, wire, value, _, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_POINT
        if wire == _FIXED64:
            if field == 3:
                time = micros_at(buf, value)
            elif field == 4:
                word = word_at(buf, value)
                there = True
            elif field == 6:
                word = _word(np.float64(np.int64(word_at(buf, value))), words, used[at.USED_NUMBERS])
                there = True
        elif field == 7 and wire == _LENGTH:
            labels = began if labels < 0 else labels
            labels_end = pos
        elif field == 8 and wire == _VARINT:
            flags = value
    if flags & _NO_RECORDED_VALUE or not there:
        used[at.NO_VALUE] += 1
        return np.int64(0)
    _put(used, numbers, words, metric, time, labels, labels_end, at.VALUE, word)
    return np.int64(0)


@outlined
def _read_summary(
    buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words, quantiles: Numbers
) -> Int:
    """A `SummaryDataPoint`; 0, or the failure."""
    first: Int = used[at.USED_NUMBERS]
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = _NO_LABELS
    labels_end: Int = np.int64(0)
    count = np.uint64(0)
    total = np.uint64(0)
    while pos < end:
        began = pos
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_POINT
        if wire == _FIXED64:
            if field == 3:
                time = micros_at(buf, value)
            elif field == 4:
                count = word_at(buf, value)
            elif field == 5:
                total = word_at(buf, value)
        elif field == 6 and wire == _LENGTH:
            inner = value
            quantile = np.uint64(0)
            word = np.uint64(0)
            while inner < stop:
                part, wire, value, _, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - _IN_POINT
                if wire == _FIXED64 and part == 1:
                    quantile = word_at(buf, value)
                elif wire == _FIXED64 and part == 2:
                    word = word_at(buf, value)
            n: Int = used[at.USED_NUMBERS]
            words[n] = quantile
            quantiles[n] = words.view(np.float64)[n]
            _put(used, numbers, words, metric, time, _NO_LABELS, _ALL_FIELDS, at.QUANTILE, word)
        elif field == 7 and wire == _LENGTH:
            labels = began if labels < 0 else labels
            labels_end = pos
        elif field == 8 and wire == _VARINT:
            flags = value
    if flags & _NO_RECORDED_VALUE:
        used[at.NO_VALUE] += 1
        used[at.USED_NUMBERS] = first
        return np.int64(0)
    for n in range(first, used[at.USED_NUMBERS]):
        numbers[n, at.TIME] = time
        numbers[n, at.LABELS] = labels if labels >= 0 else 0
        numbers[n, at.LABELS + 1] = labels_end - labels if labels >= 0 else 0
    word = _word(np.float64(count), words, used[at.USED_NUMBERS])
    _put(used, numbers, words, metric, time, labels, labels_end, at.COUNT, word)
    _put(used, numbers, words, metric, time, labels, labels_end, at.TOTAL, total)
    return np.int64(0)


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
def _read_histogram(
    buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words,
    histograms: Integers, bounds: Words, counts: Integers,
) -> Int:  # fmt: skip
    """A `HistogramDataPoint`; 0, or the failure."""
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = _NO_LABELS
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
            return pos - _IN_POINT
        if field == 6 and wire in (_FIXED64, _LENGTH):
            c, failed = packed_words(buf, value, stop, counted, c)
        elif field == 7 and wire in (_FIXED64, _LENGTH):
            b, failed = packed_words(buf, value, stop, bounds, b)
        elif wire == _FIXED64:
            if field == 3:
                time = micros_at(buf, value)
            elif field == 4:
                count = word_at(buf, value)
            elif field == 5:
                total = word_at(buf, value)
                has_total = True
        elif field == 9 and wire == _LENGTH:
            labels = began if labels < 0 else labels
            labels_end = pos
        elif field == 10 and wire == _VARINT:
            flags = value
        if failed < 0:
            return failed - _IN_POINT
    if flags & _NO_RECORDED_VALUE:
        used[at.NO_VALUE] += 1
        return np.int64(0)
    if np.int64(count) < 0:
        return np.int64(NEGATIVE) - _IN_POINT
    word = _word(np.float64(count), words, used[at.USED_NUMBERS])
    _put(used, numbers, words, metric, time, labels, labels_end, at.COUNT, word)
    if has_total:
        _put(used, numbers, words, metric, time, labels, labels_end, at.TOTAL, total)
    if c > first_c or b > first_b:
        failed = explicit_counts(counts, first_c, c, bounds.view(np.float64), first_b, b)
        if failed < 0:
            return failed - _IN_BUCKETS
        _put_histogram(used, histograms, metric, time, labels, labels_end, first_b, first_c)
        used[at.USED_BOUNDS] = b
        used[at.USED_COUNTS] = c
    return np.int64(0)


@outlined
def _read_exponential(
    buf: Bytes, pos: Int, end: Int, metric: Int, used: Integers, numbers: Integers, words: Words,
    histograms: Integers, bounds: Words, counts: Integers, scratch: Integers,
) -> Int:  # fmt: skip
    """An `ExponentialHistogramDataPoint`; 0, or the failure."""
    time: Int = np.int64(0)
    flags: Int = np.int64(0)
    labels: Int = _NO_LABELS
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
            return pos - _IN_POINT
        if wire == _FIXED64:
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
        elif wire == _VARINT:
            if field == 6:
                scale = (value >> 1) ^ -(value & 1)  # sint32
            elif field == 10:
                flags = value
        elif wire == _LENGTH:
            if field == 1:
                labels = began if labels < 0 else labels
                labels_end = pos
            elif field == 8:
                up, up_end = value, stop
            elif field == 9:
                down, down_end = value, stop
    if flags & _NO_RECORDED_VALUE:
        used[at.NO_VALUE] += 1
        return np.int64(0)
    if np.int64(count) < 0:
        return np.int64(NEGATIVE) - _IN_POINT
    positive, positives, failed = read_buckets(buf, up, up_end, scratch, np.int64(0))
    if failed < 0:
        return failed - _IN_BUCKETS
    negative, after, failed = read_buckets(buf, down, down_end, scratch, positives)
    if failed < 0:
        return failed - _IN_BUCKETS
    word = _word(np.float64(count), words, used[at.USED_NUMBERS])
    _put(used, numbers, words, metric, time, labels, labels_end, at.COUNT, word)
    if has_total:
        _put(used, numbers, words, metric, time, labels, labels_end, at.TOTAL, total)
    words[used[at.USED_NUMBERS]] = zero_threshold
    threshold = words.view(np.float64)[used[at.USED_NUMBERS]]
    b, c = used[at.USED_BOUNDS], used[at.USED_COUNTS]
    failed = spread_exponential(
        used, bounds.view(np.float64), counts, scratch, scale, zero_count, threshold, positive, positives, negative,
        after - positives,
    )  # fmt: skip
    if failed < 0:
        return failed - _IN_BUCKETS
    _put_histogram(used, histograms, metric, time, labels, labels_end, b, c)
    return np.int64(0)
