"""Two populations among scores: the usual rows, and anomalies that training data holds many of.

Scores of usual rows fall off without a break, however heavy their tail. Where they fall off to next to nothing and rise
again further out, what lies beyond the valley is another population: were it calibrated on, no anomaly would ever be
unusual. Where there is no valley, nothing is left out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BIN = 0.1
"""Logarithmic width of a histogram's bins: a tenth of the distance from the median."""

BAND = 3
"""Bins of the valley, and of the hill beyond it that it is compared with."""

DEEP = 10.0
"""How many times as many rows there are on the hill as in the valley and one more."""

LEAST, MOST = 0.01, 0.3
"""Share of the rows that may lie beyond: fewer are no population, more are not the smaller one."""

LEAST_ROWS = 200

LEAST_DAYS = 5
"""Days that have scores: in fewer, what came on two of them looks like a population. A metric of a few values leaves
valleys between them as well."""

FAR = 40.0
"""How many times as far above the median as the lowest quarter ends below it. On clean data one row in a hundred is
10 to 30 times as far, where one in twenty is anomalous 50 to 120 times (docs/detection.md)."""


def usual_below(scores: NDArray[np.float64], days: float = math.inf) -> float:
    """The middle of the deepest valley that has a second population beyond it; infinite where there is none, or where
    the scores are of fewer `days` than show one.
    """
    if days < LEAST_DAYS:
        return math.inf
    middle = float(np.median(scores))
    far = np.sort(np.log(scores[scores > middle] - middle))
    if len(scores) < LEAST_ROWS or len(far) < LEAST_ROWS // 4:
        return math.inf
    low = float(far[len(far) // 20])  # closer to the median lies nothing but noise
    count = np.bincount(((far[far >= low] - low) / BIN).astype(np.int64))
    if len(count) < 2 * BAND:
        return math.inf
    band = np.convolve(count, np.ones(BAND, np.int64), "valid")  # rows in each bin and those behind it
    beyond = np.append(np.cumsum(count[::-1])[::-1], 0)[BAND : BAND + len(band)]
    hill = np.append(np.maximum.accumulate(band[::-1])[::-1][1:], 0)  # the fullest band that begins further out
    fits = (beyond >= LEAST * len(scores)) & (beyond <= MOST * len(scores)) & (hill >= DEEP * (band + 1))
    if not fits.any():
        return math.inf
    deepest = int(np.argmin(np.where(fits, band, len(scores) + 1)))
    limit = middle + math.exp(low + BIN * (deepest + BAND / 2))
    odd = scores[scores >= limit]
    return limit if len(np.unique(odd)) > len(odd) / 2 else math.inf  # between a few values there are gaps as well


def far_out(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which scores are so far above the median that so many of them are no noise, if at least `LEAST` are.

    Anomalies whose strengths lie side by side leave no valley, and disturb the upper half of the scores. The lower half
    knows nothing of them: how wide it is says how far noise may go. None where that has no width.
    """
    quarter, middle = np.quantile(scores, (0.25, 0.5))
    far: NDArray[np.bool_] = scores > middle + FAR * (middle - quarter)
    return far if middle > quarter and np.mean(far) >= LEAST else np.zeros(len(scores), np.bool_)
