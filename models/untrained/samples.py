"""An untrained judgement of a sample of any metrics (`host`, `generic`): each metric against its own last 30 samples.

A metric's score is its |z_30| over 8, and with a day known not above |z_day| over 5: a sample that the day has seen
before is no news. With d metrics the limit rises to 8·(1 + log₁₀(d)/4), because more metrics have more chances. Of a
metric that never moved in 30 samples, its first move is about as likely as 1 in 32: it scores 0.5 at most.

The last 30 samples soon hold the change itself, and what else ran before it, so this sees how trouble begins. Where a
vector has the features for it (`host`), what lasts is looked for as well: where the last three samples are on one side
of the median of those before them, the nearest to it, in spreads of those, over 6 where it is over 8 above. So neither
a burst counts nor the start of the machine in the memory, and what began is seen until half of the memory has changed.

Where no day is known yet, a fall to where the metric was for a seventeenth of the last hour is no news either: so it
goes when trouble ends that the memory is full of. A rise is: what comes back may be worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Values = NDArray[np.float64]

LIMIT_Z = 8.0
LIMIT_DAY_Z = 5.0
LIMIT_LASTING = 6.0
LIMIT_HOUR_Z = 4.0
"""(x − mean) / std is above −4 where at least one in 17 samples of the hour was like x, and the rest on one level."""

STILL = 0.5
"""Most that the first move of a still metric scores."""

SAMPLES = 30

# Columns of `Columns.at`; the last ones are −1 where a vector does not have them.
VALUE, MEAN, STD, Z, Z_DAY, BEFORE, SPREAD, STEP, STEP_BEFORE, Z_HOUR = range(10)

_NEEDED = ("mean_30", "std_30", "z_30", "z_day")
_MORE = ("median_before", "spread_before", "delta", "delta_before", "z_1h")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the statistics of m metrics stand in a vector, (m, 10); `held`: that of the samples held, −1 if none."""

    at: NDArray[np.int64]
    held: int
    names: tuple[str, ...]


def find_columns(names: tuple[str, ...]) -> Columns | None:
    """None where no metric has the statistics that are read."""
    place = {name: i for i, name in enumerate(names)}
    found = []
    for name in names:
        needed = [name, *(f"{name}__{what}" for what in _NEEDED)]
        if "__" not in name and all(one in place for one in needed):
            more = [place.get(f"{name}__{what}", -1) for what in _MORE]
            found.append([place[one] for one in needed] + (more if min(more) >= 0 else [-1] * len(more)))
    if not found:
        return None
    return Columns(np.array(found, np.int64), place.get("sample__held", -1), names)


@njit(cache=True)
def judge(values: Values, at: NDArray[np.int64]) -> tuple[Values, Values, Values, NDArray[np.bool_]]:
    """Scores of the metrics, the range in which they would not be flagged, and whether they are up, each (n, m)."""
    n, m = len(values), len(at)
    score, low, high = np.zeros((n, m)), np.full((n, m), np.nan), np.full((n, m), np.nan)
    up = np.zeros((n, m), np.bool_)
    more = 1.0 + math.log10(m) / 4.0
    for i in range(n):
        for k in range(m):
            z_day = values[i, at[k, Z_DAY]]
            score[i, k], low[i, k], high[i, k], up[i, k] = _sudden(values[i], at[k], LIMIT_Z * more)
            if at[k, BEFORE] >= 0:
                limit = LIMIT_LASTING * more
                lasting, centre = _lasting(values[i], at[k], limit), values[i, at[k, BEFORE]]
                if lasting > score[i, k]:
                    width = limit * _spread(values[i], at[k])
                    score[i, k], low[i, k], high[i, k] = lasting, centre - width, centre + width
                    up[i, k] = values[i, at[k, VALUE]] > centre
                z_hour = values[i, at[k, Z_HOUR]]
                if not up[i, k] and math.isnan(z_day) and not math.isnan(z_hour):
                    score[i, k] = min(score[i, k], max(-z_hour, 0.0) / LIMIT_HOUR_Z)
            if not math.isnan(z_day):
                score[i, k] = min(score[i, k], abs(z_day) / LIMIT_DAY_Z)
    return score, low, high, up


@njit(cache=True)
def _sudden(row: Values, at: NDArray[np.int64], limit: float) -> tuple[float, float, float, bool]:
    """Score, expected range and direction of the newest sample against all thirty."""
    x, mean, std, z = row[at[VALUE]], row[at[MEAN]], row[at[STD]], row[at[Z]]
    if math.isnan(z) or math.isnan(std):
        return 0.0, math.nan, math.nan, False
    most = (SAMPLES - 1.0) / math.sqrt(SAMPLES)  # of |x − mean| / std, reached where all other samples are equal
    score = abs(z) / limit
    if std == 0.0 or abs(x - mean) >= most * std * (1.0 - 1e-9):
        score = min(score, STILL)
    if z == 0.0:
        return score, math.nan, math.nan, False
    before = mean - (x - mean) / (SAMPLES - 1.0)  # the mean without x
    width = limit * abs(x - before) / abs(z)
    return score, before - width, before + width, z > 0.0


@njit(cache=True)
def _spread(row: Values, at: NDArray[np.int64]) -> float:
    return float(max(row[at[SPREAD]], 0.01 * abs(row[at[BEFORE]]), 1e-9))


@njit(cache=True)
def _lasting(row: Values, at: NDArray[np.int64], limit: float) -> float:
    """Score of the last three samples against those before them, for one metric; 0 where it cannot be told."""
    centre = row[at[BEFORE]]
    x = row[at[VALUE]]
    second = x - row[at[STEP]]
    third = second - row[at[STEP_BEFORE]]
    if math.isnan(centre + x + second + third):
        return 0.0
    lowest, highest = min(x, second, third) - centre, max(x, second, third) - centre
    if lowest <= 0.0 <= highest:
        return 0.0
    score: float = min(abs(lowest), abs(highest)) / _spread(row, at) / limit
    return min(score, STILL) if row[at[SPREAD]] == 0.0 else score
