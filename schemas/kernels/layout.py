"""The tables that decoding kernels fill: int64 columns of one 2-D array, so that a row is written in one place.

A text is a span: its first byte in the batch, and in the next column its length; length -1 is null. Columns are numpy
integers because numba would compile a part anew for every plain one that it is called with.
"""

from __future__ import annotations

from typing import Final

import numpy as np

NULL: Final = np.int64(-1)

RECORD: Final = np.int64(0)
TIME: Final = np.int64(1)
OBSERVED: Final = np.int64(2)
ID: Final = np.int64(3)
ENTITY: Final = np.int64(5)
KIND: Final = np.int64(7)
SOURCE: Final = np.int64(9)
EVENT_WIDTH: Final = np.int64(11)
"""Columns of an event."""

ROW: Final = np.int64(0)
NAME: Final = np.int64(1)
VALUE: Final = np.int64(3)
ATTRIBUTE_WIDTH: Final = np.int64(5)
"""Columns of an attribute: its event's row, its name and value."""

TYPE: Final = np.int64(3)
METRIC_WIDTH: Final = np.int64(4)
"""Columns of a metric: its event's row, its name, the code of its type. Values are a float64 array beside."""

BOUND_START: Final = np.int64(3)
COUNT_START: Final = np.int64(4)
COUNTS_UP: Final = np.int64(5)
DISTRIBUTION_WIDTH: Final = np.int64(6)
"""Columns of a distribution: its event's row, its name, where its bounds and counts begin, the code of its type."""

VECTOR_ENTITY: Final = np.int64(1)
PROFILE: Final = np.int64(3)
PROFILE_VERSION: Final = np.int64(5)
WINDOW_START: Final = np.int64(6)
WINDOW_END: Final = np.int64(7)
FEATURE_SET: Final = np.int64(8)
NAMES: Final = np.int64(10)
NAMES_COUNT: Final = np.int64(12)
VALUES: Final = np.int64(13)
SEQUENCE: Final = np.int64(15)
EVENT_COUNT: Final = np.int64(16)
LATE_COUNT: Final = np.int64(17)
SKEWED_COUNT: Final = np.int64(18)
SILENT: Final = np.int64(19)
RETIRED: Final = np.int64(20)
REGULAR: Final = np.int64(21)
VECTOR_WIDTH: Final = np.int64(22)
"""Columns of a vector (the first is RECORD). NAMES is the span of the encoded array, VALUES that of the flat values."""

MAX_ENTITY: Final = np.int64(0)
MAX_NAME: Final = np.int64(1)
MAX_TEXT: Final = np.int64(2)
MAX_ATTRIBUTES: Final = np.int64(3)
MAX_METRICS: Final = np.int64(4)
MAX_BUCKETS: Final = np.int64(5)
"""Places of the limits in the array that kernels get."""
