"""An untrained judgement of a sample of any metrics (`host`, `generic`): each metric against its own last 30 samples.

A metric's score is its |z_30| over 8, and with a day known not above |z_day| over 5: a sample that the day has seen
before is no news. With d metrics the limit rises to 8·(1 + log₁₀(d)/4), because more metrics have more chances. Of a
metric that never moved in 30 samples, its first move is about as likely as 1 in 32: it scores 0.5 at most.

The last 30 samples soon hold the change itself, so this sees how trouble begins, not how long it lasts.
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
STILL = 0.5
"""Most that the first move of a still metric scores."""

SAMPLES = 30

# Columns of `Columns.at`.
VALUE, MEAN, STD, Z, Z_DAY = range(5)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the statistics of m metrics stand in a vector, (m, 5); `held` is the column of samples held, −1 if none."""

    at: NDArray[np.int64]
    held: int
    names: tuple[str, ...]


def find_columns(names: tuple[str, ...]) -> Columns | None:
    """None where no metric has the statistics that are read."""
    place = {name: i for i, name in enumerate(names)}
    found = []
    for name in names:
        wanted = [name, *(f"{name}__{what}" for what in ("mean_30", "std_30", "z_30", "z_day"))]
        if "__" not in name and all(one in place for one in wanted):
            found.append([place[one] for one in wanted])
    if not found:
        return None
    return Columns(np.array(found, np.int64), place.get("sample__held", -1), names)


@njit(cache=True)
def judge(values: Values, at: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    """Scores of the metrics, and the range in which they would not be flagged, each (n, m)."""
    n, m = len(values), len(at)
    score, low, high = np.zeros((n, m)), np.full((n, m), np.nan), np.full((n, m), np.nan)
    limit = LIMIT_Z * (1.0 + math.log10(m) / 4.0)
    most = (SAMPLES - 1.0) / math.sqrt(SAMPLES)  # of |x − mean| / std, reached where all other samples are equal
    for i in range(n):
        for k in range(m):
            x, mean, std = values[i, at[k, VALUE]], values[i, at[k, MEAN]], values[i, at[k, STD]]
            z, z_day = values[i, at[k, Z]], values[i, at[k, Z_DAY]]
            if math.isnan(z) or math.isnan(std):
                continue
            reach = abs(x - mean)
            score[i, k] = abs(z) / limit
            if not math.isnan(z_day):
                score[i, k] = min(score[i, k], abs(z_day) / LIMIT_DAY_Z)
            if std == 0.0 or reach >= most * std * (1.0 - 1e-9):
                score[i, k] = min(score[i, k], STILL)
            if z != 0.0:
                before = mean - (x - mean) / (SAMPLES - 1.0)  # the mean without x
                width = limit * abs(x - before) / abs(z)
                low[i, k], high[i, k] = before - width, before + width
    return score, low, high
