"""An untrained judgement of a service's pane: latency, errors and traffic of the last minutes against the half hour.

Each question is asked twice, and the weaker answer counts: is the change more than chance (in decades of
improbability, from the number of events), and is it large enough to matter? So few events never raise an alarm by
noise, and many never by a trifle.

| question | short against long | at least (score 1) | evidence (score 1) |
|---|---|---|---|
| latency up | median of 1 min, of the longest window | doubled | 6 standard errors (at least 10 % each) |
| latency up, lasting | mean of 5 min, of the last day | doubled | 8 spreads of the day |
| errors up | share in 1 and 5 min, in the rest of the longest | 3 percentage points, 3 errors | 10⁻⁶ (binomial) |
| errors up, lasting | share in 5 min, last day | share of 5 % | 10 spreads of the day |
| traffic up | count in 1 min, rate of the rest | threefold | 10⁻¹² (Poisson; half its weight, as traffic is burstier) |
| traffic down | count in 1 and 5 min, of the longest; not once the newest pane is back | a third | the same |

The size grows the score by its logarithm: a latency ten times as long scores 3.3, critical.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Values = NDArray[np.float64]

MIN_PANES = 30
DECADES = 6.0
SIGMAS = 6.0
LATENCY_FACTOR = 2.0
LATENCY_NOISE = 0.1
ERROR_STEP = 0.03
MIN_ERRORS = 3.0
TRAFFIC_FACTOR = 3.0
BURSTINESS = 2.0
DAY_SIGMAS = 8.0
RECOVERED = 0.5
MIN_RECOVERED = 5.0
"""A pane with half of its usual events, and enough of them to say so, ends a fall at once."""

PRIOR_ERRORS = 0.01
PRIOR_EVENTS = 20.0
"""Before its errors are known a service is taken to fail once in a hundred, as surely as 20 events would say."""

NEEDED = (
    *("events_count_{s}", "events_count_{m}", "events_count_{l}", "panes_count_{l}"),
    *("errors_ratio_{s}", "errors_ratio_{m}", "errors_ratio_{l}", "errors_z_24h"),
    *("latency_p50_ms_{s}", "latency_p95_ms_{s}", "latency_p50_ms_{l}", "latency_p95_ms_{l}"),
    *("latency_change_ratio_{m}", "latency_change_ratio_{l}", "latency_z_24h", "events_count"),
)
"""Names of what is read, with the short, the middle and the longest window."""

# Their places in the rows handed to `judge`.
C1, C5, C30, PANES, E1, E5, E30, ERRORS_Z, P50, P95, P50_LONG, P95_LONG, CHANGE_5, CHANGE_30, LATENCY_Z, C0 = range(16)

LATENCY, ERRORS, TRAFFIC = 0, 1, 2
"""The questions, as columns of what `judge` gives."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the needed features stand in a vector, and how many panes the three windows have."""

    at: NDArray[np.int64]
    metric: NDArray[np.int32]
    """Per question the feature to read."""
    seconds: tuple[float, float, float]


def find_columns(names: tuple[str, ...]) -> Columns | None:
    """None where the names are not those of a service with at least one window and the count of its panes."""
    suffixes = [name.removeprefix("events_count_") for name in names if name.startswith("events_count_")]
    if not suffixes:
        return None
    short, middle, longest = suffixes[0], suffixes[min(1, len(suffixes) - 1)], suffixes[-1]
    wanted = [name.format(s=short, m=middle, l=longest) for name in NEEDED]
    place = {name: i for i, name in enumerate(names)}
    if any(name not in place for name in wanted):
        return None
    metric = [place[f"latency_p50_ms_{short}"], place[f"errors_ratio_{middle}"], place[f"events_count_{short}"]]
    seconds = (window_seconds(short), window_seconds(middle), window_seconds(longest))
    return Columns(np.array([place[name] for name in wanted]), np.array(metric, np.int32), seconds)


def window_seconds(text: str) -> float:
    """How long a window of that name is (`5m`). Raises ValueError."""
    for unit, size in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        number = text.removesuffix(unit)
        if number != text and number.isdigit():
            return int(number) * size
    raise ValueError(f"{text!r} is not a window's name")


@njit(cache=True)
def judge(
    rows: Values, pane_s: Values, short_s: float, middle_s: float, long_s: float
) -> tuple[Values, Values, Values, NDArray[np.bool_]]:
    """Scores, lower and upper bound of what is expected, and direction (up) per row and question, each (n, 3)."""
    n = len(rows)
    score, low, high = np.zeros((n, 3)), np.zeros((n, 3)), np.full((n, 3), np.nan)
    up = np.ones((n, 3), np.bool_)
    for i in range(n):
        panes_long = long_s / pane_s[i]
        if not rows[i, PANES] >= min(MIN_PANES, panes_long):
            continue
        panes_middle = middle_s / pane_s[i]
        score[i, LATENCY], high[i, LATENCY] = _latency(rows[i])
        score[i, ERRORS], high[i, ERRORS] = _errors(rows[i])
        rise, high[i, TRAFFIC] = _rise(rows[i], short_s / pane_s[i], panes_middle)
        fall, low[i, TRAFFIC] = _fall(rows[i], short_s / pane_s[i], panes_middle, panes_long)
        score[i, TRAFFIC] = max(rise, fall)
        up[i, TRAFFIC] = rise >= fall
    return score, low, high, up


@njit(cache=True)
def _latency(row: Values) -> tuple[float, float]:
    """Score, and the highest median that would not be flagged."""
    base = row[P50_LONG]
    score, high = 0.0, math.nan
    if base > 0.0 and row[P50] > 0.0 and row[C1] > 0.0:
        # Of the two, because a change within the long window widens it.
        spread = math.log(max(min(row[P95_LONG] / base, row[P95] / row[P50]), 1.0)) / 1.645
        error = math.sqrt(1.5625 * spread * spread / row[C1] + LATENCY_NOISE * LATENCY_NOISE)
        change = math.log(row[P50] / base)
        score = max(0.0, min(change / error / SIGMAS, change / math.log(LATENCY_FACTOR)))
        high = base * max(LATENCY_FACTOR, math.exp(SIGMAS * error))
    factor = (1.0 + row[CHANGE_5]) * (1.0 + row[CHANGE_30])
    if factor > 1.0 and row[LATENCY_Z] > 0.0:
        score = max(score, min(row[LATENCY_Z] / DAY_SIGMAS, math.log(factor) / math.log(LATENCY_FACTOR)))
    return score, high


@njit(cache=True)
def _errors(row: Values) -> tuple[float, float]:
    """Score, and the largest share of errors that would not be flagged."""
    # What came before the middle window, so that errors do not raise their own expectation.
    events = max(row[C30] - row[C5], 0.0)
    failed = _product(row[E30], row[C30]) - _product(row[E5], row[C5])
    base = (max(failed, 0.0) + PRIOR_ERRORS * PRIOR_EVENTS) / (events + PRIOR_EVENTS)
    score = max(_excess_errors(row[E1], row[C1], base), _excess_errors(row[E5], row[C5], base))
    if row[ERRORS_Z] > 0.0 and row[E5] > 0.0 and row[E5] * row[C5] >= MIN_ERRORS:
        score = max(score, min(row[ERRORS_Z] / 10.0, row[E5] / 0.05))
    return score, base + ERROR_STEP


@njit(cache=True)
def _excess_errors(share: float, events: float, base: float) -> float:
    if not share > base or events * share < MIN_ERRORS:
        return 0.0
    apart = share * math.log(share / base)
    if share < 1.0:
        apart += (1.0 - share) * math.log((1.0 - share) / (1.0 - base))
    decades = events * apart / math.log(10.0)
    return min(decades / DECADES, (share - base) / ERROR_STEP)


@njit(cache=True)
def _rise(row: Values, panes_short: float, panes_middle: float) -> tuple[float, float]:
    """Score, and the largest count in the short window that would not be flagged."""
    rate = row[C30] / row[PANES]
    if row[PANES] >= 2.0 * panes_middle:  # leave the newest out, so that a rise does not raise its own expectation
        rate = max(row[C30] - row[C5], 0.5) / (row[PANES] - panes_middle)
    expected = rate * panes_short
    high = expected * TRAFFIC_FACTOR
    return (_unlike(row[C1], expected) if row[C1] > expected else 0.0), high


@njit(cache=True)
def _fall(row: Values, panes_short: float, panes_middle: float, panes_long: float) -> tuple[float, float]:
    """Score, and the least count in the short window that would not be flagged.

    The rate is over the whole window, though the entity may be younger: then less is expected, never more.
    """
    rate = row[C30] / panes_long
    if row[C0] >= max(RECOVERED * rate, MIN_RECOVERED):
        return 0.0, rate * panes_short / TRAFFIC_FACTOR  # the newest pane is back: what is missing lies behind it
    short, middle = rate * panes_short, rate * panes_middle
    score = 0.0
    if row[C1] < short:
        score = _unlike(row[C1], short)
    if row[C5] < middle:
        score = max(score, _unlike(row[C5], middle))
    return score, short / TRAFFIC_FACTOR


@njit(cache=True)
def _unlike(count: float, expected: float) -> float:
    """How unlike a Poisson count is to what was expected, and how large the factor between them."""
    if expected <= 0.0:
        return 0.0
    seen = max(count, 0.5)
    decades = (seen * math.log(seen / expected) - seen + expected) / math.log(10.0) / BURSTINESS
    return min(decades / DECADES, abs(math.log(seen / expected)) / math.log(TRAFFIC_FACTOR))


@njit(cache=True)
def _product(share: float, count: float) -> float:
    return share * count if share > 0.0 else 0.0
