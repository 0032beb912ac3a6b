"""Statistics of one metric at one sample: over the last samples, by the clock, and against its own past day.

`History` holds what they need. The engine appends to it live and `features_of_frame` in training, through the same
compiled functions, so both give the same bytes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.history import DAY_PANES, HOUR_PANES, PANE_US, History
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
    Feature("delta_before", "as the metric", "x′ − x″, the step before that, among the last 30 samples"),
    Feature("delta_before_2", "as the metric", "x″ − x‴, the step before these, among the last 30 samples"),
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
"""What is computed of every metric, in this order. Missing values are left out; NaN where nothing is left.

Sums over samples run from the newest to the oldest, sums over panes from the oldest to the newest.
"""

WIDTH = len(STATISTICS)
INDEX = {feature.name: i for i, feature in enumerate(STATISTICS)}
STEPS = 3
CHANGE, HOUR = INDEX["delta"], INDEX["mean_1h"]


@njit(cache=True)
def limited_z(x: float, centre: float, spread: float) -> float:
    """How far x is from the centre in spreads of at least 1 % of it, at most `Z_LIMIT`."""
    z = (x - centre) / max(spread, 0.01 * abs(centre), 1e-9)
    return min(max(z, -Z_LIMIT), Z_LIMIT)


@njit(cache=True)
def _spread(values: NDArray[np.float64], start: int, stop: int, mean: float) -> float:
    """Sample standard deviation of values[start:stop], whose mean is known; NaN of fewer than two."""
    if stop - start < 2:
        return math.nan
    squares = 0.0
    for i in range(start, stop):
        squares += (values[i] - mean) * (values[i] - mean)
    return math.sqrt(squares / (stop - start - 1))


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
def _write_windows(known: NDArray[np.float64], counts: NDArray[np.int64], out: NDArray[np.float64], at: int) -> None:
    """Mean, standard deviation and maximum of the first counts[w] values for each window, minimum and range of all."""
    total, low, high, done = 0.0, math.inf, -math.inf, 0
    for w in range(len(WINDOWS)):
        for i in range(done, counts[w]):
            total += known[i]
            low, high = min(low, known[i]), max(high, known[i])
        done = counts[w]
        mean = total / done if done > 0 else math.nan
        out[at + w], out[at + 3 + w] = mean, _spread(known, 0, done, mean)
        out[at + 6 + w] = high if done > 0 else math.nan
    out[at + 9] = low if done > 0 else math.nan
    out[at + 10] = high - low if done > 0 else math.nan


@njit(cache=True)
def _write_change(known: NDArray[np.float64], n: int, seconds: float, out: NDArray[np.float64], at: int) -> None:
    """What the newest of n values, known[0], is to those before it, the last of which is so many seconds old."""
    derivative, z = math.nan, math.nan
    for step in range(STEPS):
        out[at + step] = known[step] - known[step + 1] if n > step + 1 else math.nan
    if n > 1:
        derivative = out[at] / seconds
    if n > MIN_PREVIOUS:
        total = 0.0
        for i in range(1, n):
            total += known[i]
        mean = total / (n - 1)
        z = limited_z(known[0], mean, _spread(known, 1, n, mean))
    out[at + STEPS], out[at + STEPS + 1] = derivative, abs(derivative)
    out[at + STEPS + 2] = z
    out[at + STEPS + 3] = math.nan if math.isnan(z) else (1.0 if abs(z) > SPIKE_Z else 0.0)


@njit(cache=True)
def write_series(h: History, e: int, s: int, scratch: NDArray[np.float64], out: NDArray[np.float64], at: int) -> int:
    """Write the statistics of series `s` at the newest sample of entity `e` to out[at:]; the position behind them.

    `refresh_baseline` must have been called for the sample's pane. A result beyond the range of doubles is missing.
    `scratch` is room for RING numbers.
    """
    newest = h.held[e] - 1
    x = h.value[s, newest]
    counts = np.zeros(len(WINDOWS), np.int64)
    n, before = 0, -1
    for age in range(newest + 1):
        value = h.value[s, newest - age]
        if not math.isnan(value):
            scratch[n] = value
            n += 1
            if age > 0 and before < 0:
                before = newest - age
        for w in range(len(WINDOWS)):
            if age < WINDOWS[w]:
                counts[w] = n
    out[at] = x
    _write_windows(scratch, counts, out, at + 1)
    if math.isnan(x):
        out[at + CHANGE : at + HOUR] = math.nan
    else:
        seconds = (h.time[e, newest] - h.time[e, before]) / 1e6 if before >= 0 else math.nan
        _write_change(scratch, n, seconds, out, at + CHANGE)
        out[at + HOUR - 1] = math.nan if math.isnan(h.centre[s]) else limited_z(x, h.centre[s], h.spread[s])
    _write_hour(h, e, s, h.time[e, newest] // PANE_US, out, at + HOUR)
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
            centre = middle(known)
            h.centre[s] = centre
            h.spread[s] = 1.4826 * middle(np.sort(np.abs(known - centre)))


@njit(cache=True)
def middle(ordered: NDArray[np.float64]) -> float:
    """The median of values in ascending order, at least one."""
    half = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return float(ordered[half])
    return float((ordered[half - 1] + ordered[half]) / 2.0)
