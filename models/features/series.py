"""Statistics of one metric at one sample: over the last samples, by the clock, and against its own past day.

`History` holds what they need. The engine appends to it live and `features_of_frame` in training, through the same
compiled functions, so both give the same bytes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.history import DAY_PANES, HOUR_PANES, PANE_US, RING, History
from models.features.sets import Feature

WINDOWS = (5, 10, 30)
Z_LIMIT = 100.0
SPIKE_Z = 3.0
MIN_PREVIOUS = 5
MIN_DAY_PANES = 6

STATISTICS = (
    Feature("", "as the metric", "x, the value of the sample"),
    *(Feature(f"mean_{w}", "as the metric", f"mean over the last {w} samples") for w in WINDOWS),
    *(Feature(f"std_{w}", "as the metric", f"standard deviation (n − 1) over the last {w} samples") for w in WINDOWS),
    *(Feature(f"max_{w}", "as the metric", f"maximum over the last {w} samples") for w in WINDOWS),
    Feature("min_30", "as the metric", "minimum over the last 30 samples"),
    Feature("range_30", "as the metric", "max_30 − min_30"),
    Feature("delta", "as the metric", "x − x′, where x′ is the value before among the last 30 samples"),
    Feature("derivative", "per second", "delta / seconds from x′ to x"),
    Feature("abs_rate", "per second", "|derivative|"),
    Feature(
        "z_30",
        "ratio",
        "(x − m) / max(s, 0.01·|m|, 1e-9), m and s the mean and standard deviation (n − 1) of the last 30 samples "
        "without x, at least 5 values; limited to ±100",
    ),
    Feature("spike", "flag", "1 if |z_30| > 3, else 0"),
    Feature(
        "z_day",
        "ratio",
        "(x − c) / max(1.4826·d, 0.01·|c|, 1e-9), c the median and d the median absolute deviation of the means of the "
        "144 ten-minute panes before the sample's, at least 6 of them; limited to ±100",
    ),
    Feature("mean_1h", "as the metric", "mean over the six ten-minute panes up to the sample's"),
    Feature("std_1h", "as the metric", "standard deviation (n − 1) over these panes"),
    Feature("min_1h", "as the metric", "minimum over these panes"),
    Feature("max_1h", "as the metric", "maximum over these panes"),
)
"""What is computed of every metric, in this order. Missing values are left out; NaN where nothing is left."""

WIDTH = len(STATISTICS)
INDEX = {feature.name: i for i, feature in enumerate(STATISTICS)}


@njit(cache=True)
def _limited_z(x: float, centre: float, spread: float) -> float:
    z = (x - centre) / max(spread, 0.01 * abs(centre), 1e-9)
    return min(max(z, -Z_LIMIT), Z_LIMIT)


@njit(cache=True)
def _moments(values: NDArray[np.float64], start: int, stop: int) -> tuple[float, float]:
    """Mean and sample standard deviation of what is not missing in values[start:stop], in two passes."""
    n = 0
    total = 0.0
    for i in range(start, stop):
        if not math.isnan(values[i]):
            n += 1
            total += values[i]
    if n == 0:
        return math.nan, math.nan
    mean = total / n
    if n == 1:
        return mean, math.nan
    squares = 0.0
    for i in range(start, stop):
        if not math.isnan(values[i]):
            squares += (values[i] - mean) * (values[i] - mean)
    return mean, math.sqrt(squares / (n - 1))


@njit(cache=True)
def _extremes(values: NDArray[np.float64], start: int, stop: int) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for i in range(start, stop):
        if values[i] < low:
            low = values[i]
        if values[i] > high:
            high = values[i]
    if low > high:
        return math.nan, math.nan
    return low, high


@njit(cache=True)
def _write_hour(h: History, e: int, s: int, pane: int, out: NDArray[np.float64], at: int) -> None:
    """Merge the hour's panes, oldest first, by the pairwise update of Chan, Golub and LeVeque (1979)."""
    n, mean, squares = 0.0, 0.0, 0.0
    low, high = math.inf, -math.inf
    for p in range(pane - HOUR_PANES + 1, pane + 1):
        k = p % HOUR_PANES
        more = h.stats[s, k, 0]
        if h.pane[e, k] != p or more == 0.0:
            continue
        gap = h.stats[s, k, 1] - mean
        both = n + more
        mean += gap * more / both
        squares += h.stats[s, k, 2] + gap * gap * n * more / both
        n = both
        low, high = min(low, h.stats[s, k, 3]), max(high, h.stats[s, k, 4])
    known = n > 0.0
    out[at] = mean if known else math.nan
    out[at + 1] = math.sqrt(squares / (n - 1.0)) if n > 1.0 else math.nan
    out[at + 2] = low if known else math.nan
    out[at + 3] = high if known else math.nan


@njit(cache=True)
def _write_change(
    h: History, e: int, values: NDArray[np.float64], newest: int, out: NDArray[np.float64], at: int
) -> None:
    x = values[newest]
    before = newest - 1
    while before >= 0 and math.isnan(values[before]):
        before -= 1
    delta, derivative = math.nan, math.nan
    if before >= 0:
        delta = x - values[before]
        derivative = delta / ((h.time[e, newest] - h.time[e, before]) / 1e6)
    out[at], out[at + 1], out[at + 2] = delta, derivative, abs(derivative)
    known = 0
    for i in range(newest):
        if not math.isnan(values[i]):
            known += 1
    z = math.nan
    if known >= MIN_PREVIOUS and not math.isnan(x):
        mean, std = _moments(values, 0, newest)
        z = _limited_z(x, mean, std)
    out[at + 3] = z
    out[at + 4] = math.nan if math.isnan(z) else (1.0 if abs(z) > SPIKE_Z else 0.0)


@njit(cache=True)
def write_series(h: History, e: int, s: int, out: NDArray[np.float64], at: int) -> int:
    """Write the statistics of series `s` at the newest sample of entity `e` to out[at:]; the position behind them.

    `refresh_baseline` must have been called for the sample's pane. A result beyond the range of doubles is missing.
    """
    values = h.value[s]
    newest = h.count[e] - 1
    out[at] = values[newest]
    for i, w in enumerate(WINDOWS):
        start = max(0, newest + 1 - w)
        mean, std = _moments(values, start, newest + 1)
        low, high = _extremes(values, start, newest + 1)
        out[at + 1 + i], out[at + 4 + i], out[at + 7 + i] = mean, std, high
        if w == RING:
            out[at + 10], out[at + 11] = low, high - low
    _write_change(h, e, values, newest, out, at + 12)
    out[at + 17] = _limited_z(values[newest], h.centre[s], h.spread[s])
    if math.isnan(h.centre[s]) or math.isnan(values[newest]):
        out[at + 17] = math.nan
    _write_hour(h, e, s, h.time[e, newest] // PANE_US, out, at + 18)
    for i in range(at, at + WIDTH):
        if not math.isfinite(out[i]):
            out[i] = math.nan
    return at + WIDTH


@njit(cache=True)
def refresh_baseline(h: History, e: int, pane: int) -> None:
    """Set centre and spread of every series of `e` for samples in `pane`: median and scaled MAD of the day's panes."""
    if h.baseline[e] == pane:
        return
    h.baseline[e] = pane
    held = np.empty(DAY_PANES, np.float64)
    for s in range(h.first[e], h.first[e] + h.width[e]):
        n = 0
        for k in range(DAY_PANES):
            mean = h.day_mean[s, k]
            if pane - DAY_PANES <= h.day[e, k] < pane and not math.isnan(mean):
                held[n] = mean
                n += 1
        h.centre[s], h.spread[s] = math.nan, math.nan
        if n >= MIN_DAY_PANES:
            known = np.sort(held[:n])
            centre = _middle(known)
            h.centre[s] = centre
            h.spread[s] = 1.4826 * _middle(np.sort(np.abs(known - centre)))


@njit(cache=True)
def _middle(ordered: NDArray[np.float64]) -> float:
    half = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return float(ordered[half])
    return float((ordered[half - 1] + ordered[half]) / 2.0)
