"""From a detector's raw score to `anomaly_score`: one scale, boundary 1.0, monotone, with a confidence.

The held-out scores of training rows say how often a normal row scores so high: empirically up to their 90 % quantile,
beyond it by a generalised Pareto tail (Pickands 1975). A tail of negative shape would end somewhere; from the boundary
on it goes on exponentially instead, at the rate that it has there, so that a larger deviation still scores higher.

The tail is fitted by likelihood on what lies between the 90 % quantile and the highest 2·`contamination` of the scores;
those count only as "higher than that" (censored), because the anomalies in the training data are among them. A normal
prior keeps the shape near 0 where the sample says little about it; an `exponential` tail has the shape 0, so that the
body alone says how rare the largest are, and a heavy tail of anomalies in the training data does not make them usual.
Where anomalies are so many that they are a second population, they have no say at all (`models.populations`).

`anomaly_score` = log p / log α, where p is the probability of a score at least as high and α the rate of rows that may
be flagged: 1.0 is reached where p = α, 2.0 where p = α², and so on, up to 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.populations import usual_below

BOUNDARY = 1.0
LARGEST = 10.0
BODY = 0.9
"""Share of the held-out scores that is taken as it is; the tail starts behind it."""

Tail = Literal["pareto", "exponential"]

_BODY_POINTS = 256
_SHAPES = np.linspace(-0.3, 0.5, 33)
_NO_SHAPE = np.zeros(1)
_SHAPE_PRIOR = 0.15  # its standard deviation: halfway between free and exponential, the best of those tried
_EVEN = 0.2275  # half of the median of χ² with one degree of freedom: α times the sample from which on Jeffreys' prior,
# after nothing was seen beyond the boundary, gives even odds that it is rarer than α
_LEAST_RATE = 1e-12  # rarer than that there are no rows in a thousand years of them
_MOST = 1e250  # of raw scores and of the tail's width: beyond it their differences and quotients may have no value
_GRID = 101
_STEP = LARGEST / (_GRID - 1)


def nominal_rate(rows_a_day: float) -> float:
    """α: the share of rows that may be flagged by chance, at that many rows a day.

    0.5·√(rows a day / 288) a day: one every other day at 5-minute rows, 1.1 a day at one-minute rows. The same rate of
    rows would bury the fast series or blind the slow ones; the square root is in between.
    """
    return 0.5 * math.sqrt(rows_a_day / 288.0) / rows_a_day


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted map from raw scores. `quantiles` holds raw scores at shares 0 … BODY of the held-out ones, evenly.

    `shape` and `width` are the tail's ξ and σ, `alpha` the rate behind the boundary, `sample` how many independent
    held-out scores there effectively were. `confidences[i]` belongs to the anomaly score `i · 0.1`.
    """

    quantiles: NDArray[np.float64]
    shape: float
    width: float
    alpha: float
    sample: float
    confidences: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        held_out: NDArray[np.float64],
        alpha: float,
        contamination: float = 0.01,
        tail: Tail = "pareto",
        days: float = math.inf,
    ) -> Calibration:
        """Calibrate on held-out raw scores in time order, of so many days. Raises ValueError for fewer than 2 scores or
        an α not in (0, 1).
        """
        if len(held_out) < 2:
            raise ValueError(f"{len(held_out)} held-out scores cannot be calibrated on; at least 2 are needed")
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"the rate of flagged rows must lie between 0 and 1, not {alpha}")
        held_out = held_out[held_out < usual_below(held_out, days)]
        quantiles = np.quantile(held_out, np.linspace(0.0, BODY, _BODY_POINTS))
        shape, width = _fit_tail(held_out, quantiles[-1], contamination, _SHAPES if tail == "pareto" else _NO_SHAPE)
        sample = effective_size(held_out)
        return cls(quantiles, shape, width, alpha, sample, _confidences(sample, alpha))

    def score(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) anomaly scores, 0 … 10, never falling with the raw score."""
        return _anomaly_scores(np.ascontiguousarray(raw), self.quantiles, self.shape, self.width, math.log(self.alpha))

    def confidence(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that a row's true rarity lies on its score's side of the boundary, given the sample's size."""
        return _interpolate(np.ascontiguousarray(scores), self.confidences)

    @property
    def missing(self) -> str:
        """What is missing where even the largest score is more likely wrong than right; empty where nothing is."""
        if self.confidences[-1] >= 0.5:
            return ""
        more = max(math.ceil(_EVEN / self.alpha - self.sample), 1)
        return f"learned from too little: about {more:,} more independent windows are missing"

    def to_arrays(self) -> Mapping[str, NDArray[Any]]:
        numbers = np.array([self.shape, self.width, self.alpha, self.sample])
        return {"quantiles": self.quantiles, "numbers": numbers, "confidences": self.confidences}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """Raises ValueError where the arrays are no calibration."""
        quantiles, confidences, numbers = (
            array_of(arrays, name, np.float64) for name in ("quantiles", "confidences", "numbers")
        )
        if numbers.shape != (4,):
            raise ValueError(f"a calibration has 4 numbers, not {len(numbers)}")
        shape, width, alpha, sample = numbers.tolist()
        fits = (
            len(quantiles) == _BODY_POINTS
            and bool((np.abs(quantiles) <= _MOST).all() and (quantiles[1:] >= quantiles[:-1]).all())
            and confidences.shape == (_GRID,)
            and bool(((confidences >= 0) & (confidences <= 1)).all())
            and -0.5 <= shape <= 1
            and 1.0 / _MOST <= width <= _MOST
            and _LEAST_RATE <= alpha < 1
            and 1 <= sample < math.inf
        )
        if not fits:
            raise ValueError("the arrays are no calibration")
        return cls(quantiles, shape, width, alpha, sample, confidences)


def effective_size(scores: NDArray[np.float64]) -> float:
    """How many independent scores a series is worth, by its lag-one correlation: overlapping windows repeat."""
    x = scores - scores.mean()
    variance = float(np.dot(x, x))
    if variance == 0.0:
        return 1.0
    correlation = min(max(float(np.dot(x[1:], x[:-1])) / variance, 0.0), 0.999)
    return max(1.0, len(scores) * (1.0 - correlation) / (1.0 + correlation))


def _fit_tail(
    scores: NDArray[np.float64], start: float, contamination: float, shapes: NDArray[np.float64]
) -> tuple[float, float]:
    """ξ (one of `shapes`) and σ of the excess over `start`, the most likely ones on a grid."""
    cap = float(np.quantile(scores, 1.0 - min(max(2.0 * contamination, 0.0), (1.0 - BODY) / 2.0)))
    excess = scores[scores > start] - start
    seen, above = excess[excess <= cap - start], int(np.count_nonzero(excess > cap - start))
    total = float(seen.sum()) + above * float(cap - start)
    if len(seen) == 0 or total <= 0.0:
        # The upper tenth is one value: nothing is known of a tail. Say that a spread of the body halves it.
        spread = float(scores.max() - np.median(scores))
        return 0.0, max(spread, abs(start) * 1e-3, 1e-9)
    around: float = total / len(seen)  # exact for ξ = 0
    widths = around * np.exp(np.linspace(-1.5, 1.5, 121))
    best = -math.inf
    found: tuple[float, float] = (0.0, float(around))
    for shape in shapes:
        likelihood = _likelihood(seen, above, cap - start, float(shape), widths) - 0.5 * (shape / _SHAPE_PRIOR) ** 2
        k = int(np.argmax(likelihood))
        if likelihood[k] > best:
            best, found = float(likelihood[k]), (float(shape), float(widths[k]))
    return found


def _likelihood(
    seen: NDArray[np.float64], above: int, cap: float, shape: float, widths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-likelihood for every width, of `seen` excesses and of `above` ones known only to exceed `cap`."""
    if abs(shape) < 1e-12:
        exponential: NDArray[np.float64] = -len(seen) * np.log(widths) - (seen.sum() + above * cap) / widths
        return exponential
    possible = 1.0 + shape * cap / widths > 1e-9  # a tail must not end before what was seen
    terms = np.array([np.log1p(shape * seen / width).sum() for width in widths[possible]])
    ends = np.log1p(shape * cap / widths[possible]) / shape
    likelihood = np.full(len(widths), -np.inf)
    likelihood[possible] = -len(seen) * np.log(widths[possible]) - (1.0 / shape + 1.0) * terms - above * ends
    return likelihood


def _confidences(sample: float, alpha: float) -> NDArray[np.float64]:
    """Per anomaly score s: how surely the true rate p of such scores is below α (s ≥ 1) or not (s < 1).

    p's posterior after `sample` · α^s exceedances among `sample` rows, with Jeffreys' prior, is a Beta distribution.
    """
    from scipy.special import betainc

    expected = sample * alpha ** (np.arange(_GRID) * _STEP)
    below = betainc(expected + 0.5, np.maximum(sample - expected, 0.0) + 0.5, alpha)
    result: NDArray[np.float64] = np.where(np.arange(_GRID) * _STEP >= BOUNDARY, below, 1.0 - below)
    return result


@njit(cache=True)
def _anomaly_scores(
    raw: NDArray[np.float64], quantiles: NDArray[np.float64], shape: float, width: float, log_alpha: float
) -> NDArray[np.float64]:
    """Row by row: share of held-out scores below, its logarithm over log α."""
    out = np.empty(len(raw))
    last = len(quantiles) - 1
    start = math.log(1.0 - BODY)
    turn, turned = math.inf, width  # where a tail with an end turns exponential, and its width from there
    if shape < 0.0:
        turn = width * (math.exp(shape * (start - log_alpha)) - 1.0) / shape
        if log_alpha >= start:
            turn = 0.0
        turned = width + shape * turn
    for i in range(len(raw)):
        x = raw[i]
        if x >= quantiles[last]:
            y = (x - quantiles[last]) / width
            if x - quantiles[last] > turn:
                log_p = min(start, log_alpha) - (x - quantiles[last] - turn) / turned
            else:
                log_p = start - (math.log1p(shape * y) / shape if shape != 0.0 else y)
        elif x <= quantiles[0]:
            log_p = 0.0
        else:
            low, high = 0, last  # quantiles[low] <= x < quantiles[high]
            while high - low > 1:
                middle = (low + high) // 2
                if quantiles[middle] <= x:
                    low = middle
                else:
                    high = middle
            within = (x - quantiles[low]) / (quantiles[high] - quantiles[low])
            log_p = math.log(1.0 - BODY * (low + within) / last)
        out[i] = min(abs(log_p / log_alpha), LARGEST)  # abs: no negative zero
    return out


@njit(cache=True)
def _interpolate(scores: NDArray[np.float64], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read the table linearly; on each side of the boundary from that side's entries only."""
    out = np.empty(len(scores))
    boundary = round(BOUNDARY / _STEP)
    for i in range(len(scores)):
        at = min(max(scores[i], 0.0), LARGEST) / _STEP
        if scores[i] >= BOUNDARY:
            at = max(at, float(boundary))
        low = min(int(at), len(table) - 1)
        high = min(low + 1, len(table) - 1)
        if scores[i] < BOUNDARY and high >= boundary:
            low = high = boundary - 1
        out[i] = table[low] + (at - int(at)) * (table[high] - table[low])
    return out
