"""Between which values a metric can lie at all, by its name: an expected range that ends beyond them is cut there.

Names tell a metric's unit by the OpenMetrics habit, and most units have no negative values. A name may mislead (a
`cpu_ratio` of three cores is 2.7): what lies beyond its limits itself has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.features.host import BASE
from models.scored import Reasons

Limits = tuple[float, float]

NONE: Limits = (-math.inf, math.inf)

_WORDS = re.compile(r"[^0-9A-Za-z]+")
_SIGNED = frozenset({"change", "celsius", "fahrenheit", "volts", "amperes", "delta", "diff", "z", "trend"})
_SHARES, _PERCENT = frozenset({"ratio", "share"}), frozenset({"percent", "pct"})
_SIZES = frozenset({"bytes", "kb", "kib", "mb", "mib", "gb", "bits"})
_TIMES = frozenset({"ns", "us", "ms", "seconds", "minutes", "hours", "latency", "duration"})
_NUMBERS = frozenset(
    {"packets", "count", "total", "events", "errors", "requests", "connections", "processes", "threads"}
)
_COUNTED = _SIZES | _TIMES | _NUMBERS | {"files", "operations", "hertz", "hz", "watts"}
_MACHINE = frozenset(feature.name for feature in BASE)


@lru_cache(maxsize=100_000)
def possible(metric: str) -> Limits:
    """The lowest and the highest value that a metric of this name can have, infinite where the name does not tell."""
    words = {word.lower() for word in _WORDS.split(metric)}
    if words & _SIGNED:
        return NONE
    if words & _PERCENT:
        return 0.0, 100.0
    if words & _SHARES and "__" not in metric:
        return 0.0, 1.0
    return (0.0, math.inf) if metric.partition("__")[0] in _MACHINE or words & _COUNTED else NONE


def cut(reasons: Reasons, names: Sequence[str], said: Callable[[int, str], Limits | None] | None = None) -> None:
    """Cut the expected ranges of these reasons to what is possible, in place; `names` are what their numbers refer to.

    `said` tells what people have said of a row's metric, which is more than its name does.
    """
    low, high = _by_name(tuple(names))
    metric = np.maximum(reasons.metric, 0)
    there = reasons.metric >= 0
    floor, ceiling = np.where(there, low[metric], -np.inf), np.where(there, high[metric], np.inf)
    if said is not None:
        for row, place in np.argwhere(there).tolist():
            limits = said(row, names[int(metric[row, place])])
            if limits is not None:
                floor[row, place], ceiling[row, place] = limits
    within = (reasons.actual >= floor) & (reasons.actual <= ceiling)
    for bound in (reasons.low, reasons.high):
        bound[...] = np.where(within, np.clip(bound, floor, ceiling), bound)


@lru_cache(maxsize=1_000)
def _by_name(names: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    limits = np.array([possible(name) for name in names]).reshape(-1, 2)
    return limits[:, 0].copy(), limits[:, 1].copy()
