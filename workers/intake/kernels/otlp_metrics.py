"""OTLP's metrics (`ExportMetricsServiceRequest`, `MetricsData`), straight into tables of numbers and histograms.

Field numbers are those of opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

import numpy as np

from schemas.kernels.codes import BAD_UTF8, TOO_MANY
from schemas.kernels.compiled import Int, kernel, outlined
from schemas.kernels.text import is_utf8
from workers.intake.kernels import otlp_layout as at
from workers.intake.kernels.otlp_distributions import read_exponential, read_histogram
from workers.intake.kernels.otlp_points import (
    IN_METRIC,
    IN_RESOURCE,
    IN_SCOPE,
    Numbers,
    Words,
    read_number,
    read_summary,
)
from workers.intake.kernels.protobuf import LENGTH, VARINT, Bytes, Integers, read_field

Tables = tuple[Integers, Integers, Integers, Integers, Numbers, Numbers, Integers, Numbers, Integers, Integers]


@kernel
def read_metrics(buf: Bytes, starts: Integers, ends: Integers, most: Int) -> Tables:
    """The data points of the records `buf[starts[i]:ends[i]]`, of each at most `most` numbers and as many buckets.

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
        limits = before + most
        pos: Int = starts[i]
        end: Int = ends[i]
        while pos >= 0 and pos < end:
            field, wire, value, stop, pos = read_field(buf, pos, end)
            if pos >= 0 and field == 1 and wire == LENGTH:
                failed = _read_resource(
                    buf, value, stop, i, used, limits, resources, metrics, numbers, words, quantiles, histograms,
                    bounds, counts, scratch,
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
    buf: Bytes, pos: Int, end: Int, record: Int, used: Integers, limits: Integers, resources: Integers,
    metrics: Integers, numbers: Integers, words: Words, quantiles: Numbers, histograms: Integers, bounds: Words,
    counts: Integers, scratch: Integers,
) -> Int:  # fmt: skip
    """A `ResourceMetrics`; 0, or the failure. `limits`: the most that `used` may come to, by table."""
    resource: Int = used[at.USED_RESOURCES]
    if resource >= limits[at.USED_RESOURCES]:
        return np.int64(TOO_MANY)
    used[at.USED_RESOURCES] = resource + 1
    resources[resource, at.RECORD] = record
    resources[resource, at.RESOURCE_BYTES] = pos
    resources[resource, at.RESOURCE_BYTES + 1] = 0
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - IN_RESOURCE
        if wire != LENGTH:
            continue
        if field == 1:
            resources[resource, at.RESOURCE_BYTES] = value
            resources[resource, at.RESOURCE_BYTES + 1] = stop - value
        elif field == 2:
            inner = value
            while inner < stop:
                field, wire, value, last, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - IN_SCOPE
                if field == 2 and wire == LENGTH:
                    failed = _read_metric(
                        buf, value, last, record, resource, used, limits, metrics, numbers, words, quantiles,
                        histograms, bounds, counts, scratch,
                    )  # fmt: skip
                    if failed < 0:
                        return failed
    return np.int64(0)


@outlined
def _read_metric(
    buf: Bytes, pos: Int, end: Int, record: Int, resource: Int, used: Integers, limits: Integers, metrics: Integers,
    numbers: Integers, words: Words, quantiles: Numbers, histograms: Integers, bounds: Words, counts: Integers,
    scratch: Integers,
) -> Int:  # fmt: skip
    """A `Metric`; 0, or the failure."""
    metric: Int = used[at.USED_METRICS]
    if metric >= limits[at.USED_METRICS]:
        return np.int64(TOO_MANY)
    used[at.USED_METRICS] = metric + 1
    for column in range(at.METRIC_WIDTH):
        metrics[metric, column] = 0
    metrics[metric, at.RECORD] = record
    metrics[metric, at.RESOURCE] = resource
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - IN_METRIC
        if wire != LENGTH:
            continue
        if field == 1 or field == 3:
            if not is_utf8(buf, value, stop):
                return np.int64(BAD_UTF8) - IN_METRIC
            text = at.NAME if field == 1 else at.UNIT
            metrics[metric, text] = value
            metrics[metric, text + 1] = stop - value
        elif field == at.GAUGE or field == at.SUM or (field >= at.HISTOGRAM and field <= at.SUMMARY):
            metrics[metric, at.SHAPE] = field
            inner = value
            while inner < stop:
                part, wire, value, last, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - IN_METRIC
                if part == 1 and wire == LENGTH:
                    used[at.POINTS] += 1
                    failed: Int = np.int64(0)
                    if field == at.GAUGE or field == at.SUM:
                        failed = read_number(buf, value, last, metric, used, numbers, words)
                    elif field == at.SUMMARY:
                        failed = read_summary(buf, value, last, metric, used, numbers, words, quantiles)
                    elif field == at.HISTOGRAM:
                        failed = read_histogram(
                            buf, value, last, metric, used, numbers, words, histograms, bounds, counts
                        )
                    else:
                        failed = read_exponential(
                            buf, value, last, metric, used, numbers, words, histograms, bounds, counts, scratch
                        )
                    if failed < 0:
                        return failed
                    if used[at.USED_NUMBERS] > limits[at.USED_NUMBERS] or used[at.USED_COUNTS] > limits[at.USED_COUNTS]:
                        return np.int64(TOO_MANY)
                elif part == 2 and wire == VARINT:
                    metrics[metric, at.TEMPORALITY] = value
                elif part == 3 and wire == VARINT:
                    metrics[metric, at.MONOTONIC] = value
    return np.int64(0)
