"""The tables that OTLP's kernels fill: int64 columns of one 2-D array; a text is a span, its first byte and its length.

Columns are numpy integers because numba would compile a part anew for every plain one that it is called with.
"""

from __future__ import annotations

from typing import Final

import numpy as np

RECORD: Final = np.int64(0)

RESOURCE_BYTES: Final = np.int64(1)
RESOURCE_WIDTH: Final = np.int64(3)
"""Of a resource: its record, the bytes of its message."""

RESOURCE: Final = np.int64(1)
NAME: Final = np.int64(2)
UNIT: Final = np.int64(4)
SHAPE: Final = np.int64(6)
TEMPORALITY: Final = np.int64(7)
MONOTONIC: Final = np.int64(8)
METRIC_WIDTH: Final = np.int64(9)
"""Of a metric: its record and resource, name, unit, the field of its data (`GAUGE` and so on), how it counts."""

METRIC: Final = np.int64(0)
TIME: Final = np.int64(1)
LABELS: Final = np.int64(2)
ROLE: Final = np.int64(4)
NUMBER_WIDTH: Final = np.int64(5)
"""Of a number: its metric, time in µs (0: not said), the bytes that hold its point's attributes, what it is."""

BOUND_START: Final = np.int64(4)
COUNT_START: Final = np.int64(5)
HISTOGRAM_WIDTH: Final = np.int64(6)
"""Of a histogram: the first four as of a number, where its bounds and counts begin."""

GAUGE: Final = np.int64(5)
SUM: Final = np.int64(7)
HISTOGRAM: Final = np.int64(9)
EXPONENTIAL: Final = np.int64(10)
SUMMARY: Final = np.int64(11)
"""Shapes of a metric's data: the numbers of their fields in `Metric`."""

DELTA_TEMPORALITY: Final = np.int64(1)

VALUE: Final = np.int64(0)
COUNT: Final = np.int64(1)
TOTAL: Final = np.int64(2)
QUANTILE: Final = np.int64(3)
"""Roles of a number: the point's value, count or sum of a distribution, a quantile of a summary."""

POINTS: Final = np.int64(0)
NO_VALUE: Final = np.int64(1)
NOT_FINITE: Final = np.int64(2)
USED_RESOURCES: Final = np.int64(3)
USED_METRICS: Final = np.int64(4)
USED_NUMBERS: Final = np.int64(5)
USED_HISTOGRAMS: Final = np.int64(6)
USED_BOUNDS: Final = np.int64(7)
USED_COUNTS: Final = np.int64(8)
SPANS_SKIPPED: Final = np.int64(10)
NO_BUCKETS: Final = np.int64(11)
TALLIES: Final = 12
"""What a kernel counts: data points, those without a recorded value, numbers left out, rows used of each table (the
last two, and the one behind them, are what `buckets` has in use), points of which the buckets are left out."""
