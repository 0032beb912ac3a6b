"""What labels choose: the members' weights, the boundary, and how sure a verdict is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.calibration import BODY, BOUNDARY, LARGEST, Calibration
from models.evaluation.points import Confusion, Sweep
from models.model import fuse

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIDDLE = 4.0
"""Calibrated score of the middle one of the anomalous rows. By rarity among normal rows alone, trees would put all they
have seen at one end of the scale or the other: there labels say more of it than a tail does."""

ROUNDS = 10
LEAST_GAIN = 0.005
"""Average precision that a mixture must gain over its best member: less is noise."""

BLUR = 0.25
"""Standard deviation that a score is given where the boundary is chosen: this share of the distance between the medians
of both kinds at one anomalous row, less for more (Silverman's n^(−1/5)). So no single row sets the boundary."""

_PLACES = 400
_LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Rows:
    """Which of n rows are `known`, by a label, and which of them `anomalous`. All others count as usual."""

    known: Mask
    anomalous: Mask


@dataclass(frozen=True, slots=True)
class Rate:
    """`alpha`, the share of rows that may be flagged by chance; `contamination`, that of anomalies without a label."""

    alpha: float
    contamination: float


def calibrated(raw: Values, anomalous: Mask, rate: Rate) -> Calibration:
    """A calibration of raw scores (n,): on rows that are not anomalous as far as the body goes, by the others beyond.

    A member that does not put the anomalous rows beyond the body has a tail as without labels.
    """
    found = Calibration.fit(raw[~anomalous], rate.alpha, rate.contamination, "exponential")
    beyond = float(np.median(raw[anomalous]) - found.quantiles[-1])
    room = -MIDDLE * math.log(rate.alpha) + math.log(1.0 - BODY)
    return replace(found, width=beyond / room) if beyond > 0.0 and room > 0.0 else found


@dataclass(frozen=True, slots=True)
class Mixture:
    """Members' weights, whose sum is 1, the calibration of their mean, and the scores (n,) of rows by it."""

    weights: tuple[float, ...]
    calibration: Calibration
    score: Values
    average_precision: float

    @classmethod
    def of(cls, parts: Sequence[Values], weights: Sequence[float], rows: Rows, rate: Rate) -> Self:
        """The weighted mean of members' calibrated scores, calibrated once more, as a bundle has it."""
        shares = [weight / sum(weights) for weight in weights]
        chosen = [i for i, share in enumerate(shares) if share > 0.0]
        fused = fuse("mean", [parts[i] for i in chosen], [shares[i] for i in chosen])
        calibration = calibrated(fused, rows.anomalous, rate)
        score = calibration.score(fused)
        precision = Sweep.of(score[rows.known], rows.anomalous[rows.known]).average_precision()
        return cls(tuple(shares), calibration, score, precision)


def each_alone(parts: Sequence[Values], rows: Rows, rate: Rate) -> list[Mixture]:
    """What each member would be without the others."""
    count = len(parts)
    return [Mixture.of(parts, [float(i == member) for i in range(count)], rows, rate) for member in range(count)]


def best_mixture(parts: Sequence[Values], rows: Rows, rate: Rate) -> Mixture:
    """The mixture of the highest average precision; the best member alone unless others add `LEAST_GAIN` to it.

    Members are added one after the other, each as often as it helps, starting with the best (Caruana et al., "Ensemble
    Selection from Libraries of Models", ICML 2004).
    """
    single = best = now = max(each_alone(parts, rows, rate), key=_precision)
    counts = [round(weight) for weight in single.weights]
    for _ in range(ROUNDS):
        more = [[count + (i == member) for i, count in enumerate(counts)] for member in range(len(parts))]
        mixtures = [Mixture.of(parts, weights, rows, rate) for weights in more]
        now = max(mixtures, key=_precision)
        counts = more[mixtures.index(now)]
        best = max(best, now, key=_precision)
    return best if best.average_precision >= single.average_precision + LEAST_GAIN else single


def _precision(mixture: Mixture) -> float:
    return mixture.average_precision


def boundary(score: Values, rows: Rows) -> float:
    """Where F1 is best on the known rows, with every score blurred: it counts as flagged by the chance that it is
    beyond. Not so low that more than a tenth of the normal rows are.
    """
    found, normal = score[rows.anomalous], score[rows.known & ~rows.anomalous]
    apart = max(float(np.median(found) - np.median(normal)), 0.0)
    blur = max(BLUR * apart * len(found) ** -0.2, 1e-6)
    lowest = max(float(np.quantile(normal, BODY)), _LEAST)
    places = np.linspace(lowest, max(float(score.max()), lowest), _PLACES)
    hits, alarms = (_beyond(part, places, blur) for part in (found, normal))
    return float(places[int(np.argmax(2.0 * hits / (hits + alarms + len(found))))])


def _beyond(score: Values, places: Values, blur: float) -> Values:
    """How many scores lie beyond each place, by their chances."""
    from scipy.special import ndtr

    counts: Values = np.array([ndtr((score - place) / blur).sum() for place in places])
    return counts


def confidences(score: Values, rows: Rows, points: int) -> Values:
    """(points,) how likely the verdict is right, by the labels, at published scores from 0 to `LARGEST`, evenly.

    The share of anomalous rows by score is a logistic curve, fitted with a weak prior (Platt 1999).
    """
    from sklearn.linear_model import LogisticRegression

    grid = np.linspace(0.0, LARGEST, points)
    model = LogisticRegression().fit(score[rows.known][:, None], rows.anomalous[rows.known])
    likely: Values = model.predict_proba(grid[:, None])[:, 1]
    return np.where(grid >= BOUNDARY, likely, 1.0 - likely)


def judged(score: Values, rows: Rows, at: float) -> dict[str, float]:
    """How scores do on the known rows with the boundary at that place."""
    known, anomalous = score[rows.known], rows.anomalous[rows.known]
    sweep = Sweep.of(known, anomalous)
    ranked = {"average_precision": sweep.average_precision(), "roc_auc": sweep.roc_auc()}
    return ranked | dict(Confusion.of(known >= at, anomalous).figures())
