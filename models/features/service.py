"""The twelve features of a service, over one pane and over each rolling window; used live and in training alike.

The input is what merged panes say of each *stretch* (the pane itself, then the windows, shortest first): an array
`stats` of shape (rows, stretches, len(COLUMNS)). Every formula is element-wise and built from correctly rounded
operations, so a row's features do not depend on the rows beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.sets import Feature, FeatureSet
from models.features.time import TIME_FEATURES, write_time

COLUMNS = (
    "count",  # events, by weight
    "errors",
    "warnings",
    "timed",  # events with a latency
    "latency_sum",
    "latency_squares",
    "latency_min",
    "latency_max",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "paths",  # distinct, estimated
    "active",  # panes with events
)
"""What is known of a stretch. Latencies in ms; NaN for minimum, maximum and quantiles where nothing was timed."""

COUNT, ERRORS, WARNINGS, TIMED, SUM, SQUARES, LOW, HIGH, P50, P95, P99, PATHS, ACTIVE = range(len(COLUMNS))

BASELINE = ("panes", "events_mean", "events_std", "errors_mean", "errors_std", "latency_mean", "latency_std")
"""The entity's own last 24 hours in 10-minute panes: events per active pane, share of errors, mean latency."""

_UNITS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}

VERSION = 1
PANE = 10_000_000
WINDOWS = (60_000_000, 300_000_000, 1_800_000_000)
"""Microseconds; of the shipped profile."""

Values = NDArray[np.float64]


def service_set(profile: str = "service", pane: int = PANE, windows: Sequence[int] = WINDOWS) -> FeatureSet:
    """The feature set for a pane length and windows (microseconds)."""
    return FeatureSet(profile, VERSION, tuple(_features(pane, windows)))


def service_features(stats: Values, baseline: Values, window_end: NDArray[np.int64], reference: int) -> Values:
    """Features of n rows, in the order of `service_set(…).names`; NaN where undefined.

    `stats` (n, stretches, len(COLUMNS)); `baseline` (n, len(BASELINE)); `window_end` (n,) epoch microseconds;
    `reference` is the stretch that is compared with the baseline (`reference_stretch`).
    """
    n, stretches, _ = stats.shape
    out = np.empty((n, 12 * stretches + 4 + len(TIME_FEATURES)))
    rates = [divide(stats[:, s, COUNT], stats[:, s, ACTIVE]) for s in range(stretches)]
    means = [divide(stats[:, s, SUM], stats[:, s, TIMED]) for s in range(stretches)]
    rates[0] = stats[:, 0, COUNT]
    rates_before = [*rates[1:], baseline[:, 1]]
    means_before = [*means[1:], baseline[:, 5]]
    for s in range(stretches):
        of, at = stats[:, s], 12 * s
        out[:, at] = of[:, COUNT]
        out[:, at + 1] = divide(of[:, ERRORS], of[:, COUNT])
        out[:, at + 2 : at + 5] = of[:, P50 : P99 + 1]
        out[:, at + 5] = means[s]
        out[:, at + 6] = _deviation(of, means[s])
        out[:, at + 7] = of[:, HIGH]
        out[:, at + 8] = divide(rates[s], rates_before[s]) - 1.0
        out[:, at + 9] = divide(means[s], means_before[s]) - 1.0
        out[:, at + 10] = divide(of[:, WARNINGS], of[:, COUNT])
        out[:, at + 11] = of[:, PATHS]
    at = 12 * stretches
    errors = divide(stats[:, reference, ERRORS], stats[:, reference, COUNT])
    out[:, at] = z_score(rates[reference], baseline[:, 1], baseline[:, 2], 0.05, 1e-9)
    out[:, at + 1] = z_score(errors, baseline[:, 3], baseline[:, 4], 0.05, 0.005)
    out[:, at + 2] = z_score(means[reference], baseline[:, 5], baseline[:, 6], 0.05, 1e-9)
    out[:, at + 3] = stats[:, -1, ACTIVE]
    write_times(window_end, out, at + 4)
    return out


def reference_stretch(windows: Sequence[int]) -> int:
    """Which stretch is compared with the 10-minute panes of the past: the longest window of at most 10 minutes."""
    return sum(window <= 600_000_000 for window in windows)


def _features(pane: int, windows: Sequence[int]) -> Iterator[Feature]:
    stretches = [f"the pane of {stretch_name(pane)}", *(f"the last {stretch_name(window)}" for window in windows)]
    suffixes = ["", *(f"_{stretch_name(window)}" for window in windows)]
    longer = [*stretches[1:], "the last 24 h"]
    for stretch, suffix, before in zip(stretches, suffixes, longer, strict=True):
        yield Feature(f"events_count{suffix}", "events", f"n, the sum of weights over {stretch}")
        yield Feature(f"errors_ratio{suffix}", "ratio", f"weight of errors / n over {stretch}")
        for q in (50, 95, 99):
            text = f"{q} % quantile of latency_ms over {stretch}, by weight, off by at most 2 %"
            yield Feature(f"latency_p{q}_ms{suffix}", "milliseconds", text)
        yield Feature(f"latency_mean_ms{suffix}", "milliseconds", f"weighted mean of latency_ms over {stretch}")
        text = f"weighted standard deviation of latency_ms over {stretch}"
        yield Feature(f"latency_std_ms{suffix}", "milliseconds", text)
        yield Feature(f"latency_max_ms{suffix}", "milliseconds", f"maximum of latency_ms over {stretch}")
        text = f"r / r′ − 1, r the events per pane with events in {stretch} (of the pane itself: n), r′ in {before}"
        yield Feature(f"events_change_ratio{suffix}", "ratio", text)
        text = f"m / m′ − 1, m the mean latency over {stretch}, m′ over {before}"
        yield Feature(f"latency_change_ratio{suffix}", "ratio", text)
        yield Feature(f"warnings_ratio{suffix}", "ratio", f"weight of warnings / n over {stretch}")
        yield Feature(f"paths_count{suffix}", "paths", f"distinct paths over {stretch}, by linear counting in 256 bits")
    at = stretches[reference_stretch(windows)]
    past = "mean and standard deviation over its 10-minute panes of the last 24 h, at least 6"
    yield Feature("events_z_24h", "ratio", f"(r − m) / max(s, 0.05·|m|), r events per pane with events in {at}; {past}")
    yield Feature("errors_z_24h", "ratio", f"(e − m) / max(s, 0.05·|m|, 0.005), e share of errors in {at}; {past}")
    yield Feature("latency_z_24h", "ratio", f"(l − m) / max(s, 0.05·|m|), l mean latency in {at}; {past}")
    text = f"panes with events in {stretches[-1]}: how much stands behind the others"
    yield Feature(f"panes_count{suffixes[-1]}", "panes", text)
    yield from TIME_FEATURES


def divide(a: Values, b: Values) -> Values:
    """a / b, NaN where b is 0."""
    out = np.full(a.shape, np.nan)
    np.divide(a, b, out=out, where=b != 0.0)
    return out


def _deviation(of: Values, mean: Values) -> Values:
    """Standard deviation; what is below a millionth of the mean, or a nanosecond, is rounding and counts as none."""
    variance = divide(of[:, SQUARES], of[:, TIMED]) - mean * mean
    noise = 1e-12 * (mean * mean + 1.0)
    return np.sqrt(np.where(variance < noise, 0.0, variance))


def z_score(x: Values, mean: Values, std: Values, share: float, least: float) -> Values:
    """How far x lies from a mean, in spreads that are no smaller than a share of the mean, nor than `least`."""
    result: Values = (x - mean) / np.maximum(np.maximum(std, share * np.abs(mean)), least)
    return result


def window_length(name: str) -> int:
    """Microseconds of a window by what its features' names end with: `5m`. Raises ValueError."""
    number = name.rstrip("hmsu")
    return int(number) * _UNITS[name.removeprefix(number)]


def stretch_name(us: int) -> str:
    """Microseconds as names of features have them: `10s`, `5m`."""
    name, unit = next((name, unit) for name, unit in _UNITS.items() if us % unit == 0)
    return f"{us // unit}{name}"


@njit(cache=True)
def write_times(window_end: NDArray[np.int64], out: Values, at: int) -> None:
    """Write the features of time of each row to out[:, at:]."""
    for row in range(len(window_end)):
        write_time(window_end[row], out[row], at)


SERVICE = service_set()
