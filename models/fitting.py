"""Fitting one period's model: cross-fitted held-out scores calibrate it, then it learns from all rows.

Days are dealt into three folds; each fold is scored by a model of the other two, so that calibration sees every day
held out. With fewer than three days the last fifth is held out instead. The final model is fitted on all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.ensembles import Ensemble
from models.model import Member, PeriodModel, fuse
from models.naming import Naming, naming
from models.periods import Places
from models.scaling import Scaler
from models.thresholds import Series, episode_rates

Values = NDArray[np.float64]

FOLDS = 3
HELD_OUT = 0.2
MIN_SHARE = 0.5
"""A feature is used if at least this share of the rows has it."""

RANGE = (0.005, 0.995)
"""Quantiles of the deviation from the expected value that the expected range spans."""


@dataclass(frozen=True, slots=True)
class FitPolicy:
    """How a model is fitted. `alpha` is the share of rows that may be flagged by chance, `rows_a_day` how many an
    entity has before any are left out.
    """

    ensemble: Ensemble
    contamination: float
    alpha: float
    rows_a_day: float
    seed: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and its held-out figures; `score` and `series` are of the rows held out, as calibrated."""

    model: PeriodModel
    rows: int
    held_out: dict[str, float]
    score: Values
    series: Series


def fit_period(
    names: tuple[str, ...],
    learned: NDArray[np.int64],
    X: Values,
    at: Places,
    series: Series,
    policy: FitPolicy,
) -> Fitted:
    """Fit on n rows (n, k) in time order; `learned` are the columns that may be used.

    Raises ValueError where no feature has values, or none that a view needs.
    """
    columns = learned[np.count_nonzero(~np.isnan(X[:, learned]), axis=0) >= MIN_SHARE * len(X)]
    if len(columns) == 0:
        raise ValueError("no feature has values in at least half of the rows")
    used = np.ascontiguousarray(X[:, columns])
    named = naming(names).take(columns)
    ensemble = policy.ensemble
    held = _held_out(named, used, at, policy)
    rows = np.flatnonzero(~np.isnan(held[0]))
    calibrations = [_calibrated(raw[rows], policy) for raw in held]
    parts = [c.score(raw[rows]) for c, raw in zip(calibrations, held, strict=True)]
    fused = fuse(ensemble.fusion, parts, [1.0] * len(parts))
    final = _calibrated(fused, policy)
    score = final.score(fused)
    scaler, scaled = _scale(used, at)
    members = []
    for name, calibration in zip(ensemble.members, calibrations, strict=True):
        view, detector = name.fit(named, used, scaled, policy.seed)
        members.append(Member(detector, view, calibration))
    below, above = _ranges(used - scaler.expected(at))
    model = PeriodModel(
        names,
        columns,
        scaler,
        tuple(members),
        ensemble.fusion,
        final,
        below,
        above,
        episode_rates(score, series.take(rows), policy.rows_a_day),
    )
    figures = {
        "rows": float(len(rows)),
        "effective_rows": final.sample,
        "flagged_share": float(np.mean(score >= 1.0)),
        "score_median": float(np.median(score)),
        "score_p99": float(np.quantile(score, 0.99)),
    }
    return Fitted(model, len(used), figures, score, series.take(rows))


def _held_out(named: Naming, X: Values, at: Places, policy: FitPolicy) -> list[Values]:
    """Raw scores per member of rows as their fold's model sees them, in row order; NaN for rows never held out."""
    scores = [np.full(len(X), np.nan) for _ in policy.ensemble.members]
    for test in _folds(at, len(X)):
        learned, unseen = X[~test], X[test]
        scaler, scaled = _scale(learned, at.take(~test))
        unseen_scaled = scaler.transform(unseen, at.take(test))
        for number, name in enumerate(policy.ensemble.members):
            view, detector = name.fit(named, learned, scaled, policy.seed)
            scores[number][test] = detector.score(view.of(unseen, unseen_scaled))
    return scores


def _calibrated(raw: Values, policy: FitPolicy) -> Calibration:
    return Calibration.fit(raw, policy.alpha, policy.contamination, policy.ensemble.tail)


def _folds(at: Places, n: int) -> Sequence[NDArray[np.bool_]]:
    days = np.unique(at.day)
    if len(days) < FOLDS:
        return [np.arange(n) >= n - max(2, int(n * HELD_OUT))]
    fold = np.searchsorted(days, at.day) % FOLDS
    return [fold == number for number in range(FOLDS)]


def _scale(X: Values, at: Places) -> tuple[Scaler, Values]:
    scaler = Scaler.fit(X, at)
    return scaler, scaler.transform(X, at)


def _ranges(residual: Values) -> tuple[Values, Values]:
    safe = np.where(np.isnan(residual), 0.0, residual)
    below, above = np.quantile(safe, RANGE, axis=0)
    return below, above
