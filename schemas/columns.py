"""Events as columns: what the codec gives and takes, one array per field instead of one object per record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NULL_TIME = np.iinfo(np.int64).min
"""In an int64 time column: no value."""

GAUGE, COUNTER, DELTA, RATE = 0, 1, 2, 3
"""Codes of a metric's type in `Events.metric_type`; of a rate, which is a counter, the increase per second counts."""


@dataclass(frozen=True, slots=True)
class Strings:
    """A dictionary-encoded column: row i holds `values[codes[i]]`; code -1 is null. `values` are distinct."""

    codes: NDArray[np.int32]
    values: Sequence[str]

    def take(self, rows: NDArray[np.intp]) -> Strings:
        return Strings(self.codes[rows], self.values)

    def at(self, row: int) -> str | None:
        code = self.codes[row]
        return None if code < 0 else self.values[code]


@dataclass(frozen=True, slots=True)
class Events:
    """The canonical events of one batch that decoded well (n rows), in record order.

    Times are int64 epoch microseconds. Attributes and metrics are flattened in record order: entry j belongs to
    event row `attr_row[j]` (row numbers of this table, not record numbers), ascending. An event's distributions
    likewise; the bounds and counts of distribution j are slices
    `bounds[bound_start[j]:bound_start[j+1]]` and `counts[count_start[j]:count_start[j+1]]`.
    """

    record: NDArray[np.int32]  # (n,) which record of the batch the row came from
    time: NDArray[np.int64]
    entity: Strings
    kind: Strings
    weight: NDArray[np.float64]
    observed_at: NDArray[np.int64]  # NULL_TIME where absent
    id: Strings
    source: Strings
    attr_row: NDArray[np.int32]
    attr_name: Strings
    attr_value: Strings
    metric_row: NDArray[np.int32]
    metric_name: Strings
    metric_value: NDArray[np.float64]
    metric_type: NDArray[np.int8]
    dist_row: NDArray[np.int32]
    dist_name: Strings
    bound_start: NDArray[np.int64]
    bounds: NDArray[np.float64]
    count_start: NDArray[np.int64]
    counts: NDArray[np.int64]
    dist_type: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))  # DELTA or COUNTER; none: DELTA

    def __post_init__(self) -> None:
        if not len(self.dist_type) and len(self.dist_row):
            object.__setattr__(self, "dist_type", np.full(len(self.dist_row), DELTA, np.int8))

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Fault:
    """A record of the batch that is not what it should be: which one, a short class name and a message for people."""

    record: int
    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Vectors:
    """Feature vectors of one profile and one feature set: n rows, k features.

    `at[i]` is the record of the batch that caused (or, decoded, holds) row i. `values` has NaN where a value is
    missing. `names` is empty where the feature set is static (its names are found by `feature_set`).
    """

    at: NDArray[np.int32]
    profile: str
    profile_version: int
    feature_set: str
    names: tuple[str, ...]
    entity: Sequence[str]
    window_start: NDArray[np.int64]
    window_end: NDArray[np.int64]
    sequence: NDArray[np.int64]
    values: NDArray[np.float64]  # (n, k), C order
    event_count: NDArray[np.int64]
    late_count: NDArray[np.int64]
    skewed_count: NDArray[np.int64]
    silent: NDArray[np.bool_]
    retired: NDArray[np.bool_]
    regular: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.window_end)
