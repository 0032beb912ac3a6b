"""Features of any numeric metrics (profile `generic`): every statistic of every metric, the gap, and the time.

A vector's names follow from the entity's metrics, in the order of their names: the value itself is called as the
metric, a statistic `<metric>__<statistic>` (`cpu_ratio__mean_5`). Names that belong to no metric come last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.history import RING, History
from models.features.series import STATISTICS, WIDTH, write_series
from models.features.sets import Feature, FeatureSet
from models.features.time import TIME_FEATURES, write_time

GAP = Feature("sample__gap_s", "seconds", "seconds since the entity's sample before, among the last 30")
COMMON = (GAP, *TIME_FEATURES)
"""What a vector holds once, behind the statistics of its metrics."""

COMMON_WIDTH = len(COMMON)

GENERIC = FeatureSet(
    "generic",
    2,
    (*(Feature(f"<metric>__{f.name}" if f.name else "<metric>", f.unit, f.formula) for f in STATISTICS), *COMMON),
)


def generic_names(metrics: Sequence[str]) -> tuple[str, ...]:
    """Names of a vector's values for metrics in ascending order of their names."""
    per_metric = [f"{metric}__{f.name}" if f.name else metric for metric in metrics for f in STATISTICS]
    return (*per_metric, *(f.name for f in COMMON))


def generic_width(metrics: int) -> int:
    """How many values a vector of that many metrics has."""
    return metrics * WIDTH + COMMON_WIDTH


@njit(cache=True)
def write_common(h: History, e: int, out: NDArray[np.float64], at: int) -> int:
    """Write gap and time of the newest sample of `e` to out[at:]; returns the position behind them."""
    newest = h.held[e] - 1
    out[at] = (h.time[e, newest] - h.time[e, newest - 1]) / 1e6 if newest > 0 else np.nan
    return write_time(h.time[e, newest], out, at + 1)


@njit(cache=True)
def write_generic(h: History, e: int, present: NDArray[np.bool_], out: NDArray[np.float64], at: int) -> int:
    """Write the vector of the newest sample of `e` to out[at:], of the series s with present[s]; the end position."""
    scratch = np.empty(RING)
    for s in range(h.first[e], h.first[e] + h.width[e]):
        if present[s]:
            at = write_series(h, e, s, scratch, out, at)
    return write_common(h, e, out, at)
