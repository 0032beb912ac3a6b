"""Fitting one period's model: cross-fitted held-out scores calibrate it, then it learns from all rows.

Days are dealt into three folds; each fold is scored by a model of the other two, so that calibration sees every day
held out. With fewer than three days the last fifth is held out instead. The final model is fitted on all rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.drift import Reference, watched
from models.ensembles import Ensemble, MemberName
from models.manifest import Validation
from models.model import Member, PeriodModel, fuse
from models.naming import Naming, naming
from models.periods import Places
from models.populations import LEAST_DAYS, far_out, usual_below
from models.scaling import Scaler
from models.thresholds import AT_ONCE, KNOWN, Series, episode_rates, episodes_in, noise_below
from models.views import columns_of

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDS = 3
HELD_OUT = 0.2
MIN_SHARE = 0.5
"""A feature is used if at least this share of the rows has it."""

LEAST_METRICS = 3
"""Of a member that sees fewer nobody asks where anomalies are."""

RANGE = (0.005, 0.995)
"""Quantiles of the deviation from the expected value that the expected range spans."""


@dataclass(frozen=True, slots=True)
class FitPolicy:
    """How a model is fitted. `alpha` is the share of rows that may be flagged by chance, `rows_a_day` how many an
    entity has before any are left out; `witness` tells whether anomalies are many, and has no part in the model;
    `search` and `jobs` are for trees grown by labels (`models.growing`).
    """

    ensemble: Ensemble
    contamination: float
    alpha: float
    rows_a_day: float
    seed: int
    witness: MemberName | None = None
    search: bool = False
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Data:
    """n rows in time order: their values (n, d) of the features that are used, where they lie in time, whose they are.

    `columns` (d,) are the places of these features among all, `named` their names.
    """

    columns: NDArray[np.int64]
    named: Naming
    used: Values
    at: Places
    series: Series

    @classmethod
    def of(cls, names: tuple[str, ...], learned: NDArray[np.int64], X: Values, at: Places, series: Series) -> Self:
        """Those of the `learned` columns of X (n, k) that most rows have. Raises ValueError where there is none."""
        columns = learned[np.count_nonzero(~np.isnan(X[:, learned]), axis=0) >= MIN_SHARE * len(X)]
        if len(columns) == 0:
            raise ValueError("no feature has values in at least half of the rows")
        return cls(columns, naming(names).take(columns), np.ascontiguousarray(X[:, columns]), at, series)

    def beside(self, X: Values, at: Places, series: Series) -> Self:
        """The same features of other rows (n, k)."""
        return replace(self, used=np.ascontiguousarray(X[:, self.columns]), at=at, series=series)

    def take(self, rows: Mask) -> Self:
        series = self.series.take(np.flatnonzero(rows))
        return replace(self, used=self.used[rows], at=self.at.take(rows), series=series)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and its held-out figures; `score` and `series` are of the rows held out, as calibrated.

    `anomalies_are_many`: whether among the scores were so many of what is no noise. `validation` is what labels say of
    it, where they were used.
    """

    model: PeriodModel
    rows: int
    held_out: dict[str, float]
    score: Values
    series: Series
    validation: Validation | None = None
    anomalies_are_many: bool = False


def fit_period(
    names: tuple[str, ...], data: Data, everything: Data, policy: FitPolicy, anomalous: Mask | None = None
) -> Fitted:
    """Fit on rows of `names` in time order; `everything` has the same features also of what is no example, and
    `anomalous` says which of those rows training itself found to be anomalous, if any.

    Raises ValueError where a view needs features that there are not.
    """
    ensemble = policy.ensemble
    every = (*ensemble.members, *ensemble.ranking)
    witness = () if policy.witness is None or not tells(policy.witness, data.named) else (policy.witness,)
    folds = by_days(data.at) or [last_fifth(len(data.used))]
    held = held_out(data, (*every, *witness), folds, policy.seed)
    held, told = held[: len(every)], held[len(every) :]
    rows = np.flatnonzero(~np.isnan(held[0]))
    days = len(np.unique(data.at.day[rows]))
    calibrations = [_calibrated(raw[rows], policy, days) for raw in held]
    deciding = list(zip(calibrations, held, strict=True))[: len(ensemble.members)]
    parts = [c.score(raw[rows]) for c, raw in deciding]
    fused = fuse(ensemble.fusion, parts, [1.0] * len(parts))
    final = _calibrated(fused, policy, days)
    score = final.score(fused)
    scaler, scaled = scale(data)
    members = []
    for name, calibration in zip(every, calibrations, strict=True):
        view, detector = name.fit(data.named, data.used, scaled, policy.seed)
        members.append(Member(detector, view, calibration, decides=name in ensemble.members))
    below, above = ranges(data, scaler)
    model = PeriodModel(
        names,
        data.columns,
        scaler,
        tuple(members),
        ensemble.fusion,
        final,
        below,
        above,
        episode_rates(score, data.series.take(rows), policy.rows_a_day),
        reference(everything),
    )
    if anomalous is not None and anomalous.any():
        known, unusual = _known(model, everything, anomalous)
        valley = usual_below(np.append(score, unusual), days)
        if math.isinf(valley) and ensemble.cleaned_again:
            # What was left out twice is not among the held-out scores: what these still reach is noise.
            valley = noise_below(model.episodes, policy.alpha * policy.rows_a_day)
        model = replace(model, known=known, valley=valley)
    many = any(math.isfinite(usual_below(raw, days)) for raw in (fused, *(raw[rows] for _, raw in deciding)))
    many = many or (
        days >= LEAST_DAYS and any(_often_far(raw[rows], data.take(np.any(folds, axis=0)), policy) for raw in told)
    )
    said = figures(score, final)
    return Fitted(model, len(data.used), said, score, data.series.take(rows), anomalies_are_many=many)


def tells(witness: MemberName, named: Naming) -> bool:
    """Whether it sees enough metrics: one alone that is restless looks like one with anomalies."""
    return len(set(named.group[columns_of(witness.view, named.names)].tolist())) >= LEAST_METRICS


def _often_far(raw: Values, data: Data, policy: FitPolicy) -> bool:
    """Whether raw scores (n,) are far out in many rows, and at least `KNOWN` times as often as alarms are stated."""
    far = data.take(far_out(raw))
    stated = policy.alpha * policy.rows_a_day * _days(data)
    return len(far.used) > 0 and episodes_in(far.series) >= KNOWN * stated


def _days(data: Data) -> int:
    """On how many days any entity has rows, each entity's counted by themselves."""
    return len(np.unique(np.stack([data.series.entity.astype(np.int64), data.at.day]), axis=1)[0])


def _known(model: PeriodModel, everything: Data, anomalous: Mask) -> tuple[float, Values]:
    """How often a day an entity had what training found to be anomalous, and the model does as well; and its scores."""
    there = everything.take(anomalous)
    values = np.full((len(there.used), len(model.names)), np.nan)
    values[:, model.columns] = there.used
    score = model.score(values, there.at).score
    far = np.flatnonzero(score >= AT_ONCE)
    return episodes_in(there.series.take(far)) / _days(everything), score


def figures(score: Values, calibration: Calibration) -> dict[str, float]:
    """What is told of held-out scores."""
    return {
        "rows": float(len(score)),
        "effective_rows": calibration.sample,
        "flagged_share": float(np.mean(score >= 1.0)),
        "score_median": float(np.median(score)),
        "score_p99": float(np.quantile(score, 0.99)),
    }


def held_out(
    data: Data, members: Sequence[MemberName], folds: Sequence[Mask], seed: int, usual: Mask | None = None
) -> list[Values]:
    """Raw scores (n,) per member of rows as a model without their fold sees them; NaN for rows of no fold.

    Only `usual` rows are learned from, all if None.
    """
    scores = [np.full(len(data.used), np.nan) for _ in members]
    for test in folds:
        learned = data.take(~test if usual is None else ~test & usual)
        unseen = data.take(test)
        scaler, scaled = scale(learned)
        unseen_scaled = scaler.transform(unseen.used, unseen.at)
        for number, name in enumerate(members):
            view, detector = name.fit(learned.named, learned.used, scaled, seed)
            scores[number][test] = detector.score(view.of(unseen.used, unseen_scaled))
    return scores


def by_days(at: Places) -> list[Mask]:
    """Days dealt into three folds; none where there are fewer than three."""
    days = np.unique(at.day)
    fold = np.searchsorted(days, at.day) % FOLDS
    return [fold == number for number in range(FOLDS)] if len(days) >= FOLDS else []


def last_fifth(n: int) -> Mask:
    return np.arange(n) >= n - max(2, int(n * HELD_OUT))


def scale(data: Data) -> tuple[Scaler, Values]:
    """A scaler of these rows, and the rows as it scales them."""
    scaler = Scaler.fit(data.used, data.at, counts=data.named.counts, by_chance=data.named.of_kinds)
    return scaler, scaler.transform(data.used, data.at)


def ranges(data: Data, scaler: Scaler) -> tuple[Values, Values]:
    """(d,) how far below and above what was expected nearly all of these rows lie."""
    residual = data.used - scaler.expected(data.at)
    safe = np.where(np.isnan(residual), 0.0, residual)
    below, above = np.quantile(safe, RANGE, axis=0)
    return below, above


def reference(data: Data) -> Reference:
    """What drift from these rows will be measured against: what was left of each by a time of day that others taught.

    By its own rows a time of day is known better than it will be. All rows belong here, those that models are not to
    learn from too: days to come will have such.
    """
    columns = watched(data.named)
    used = np.ascontiguousarray(data.used[:, columns])
    residual = np.full(used.shape, np.nan)
    folds = by_days(data.at) or [last_fifth(len(used))]
    for test in folds:
        residual[test] = used[test] - Scaler.fit(used[~test], data.at.take(~test)).expected(data.at.take(test))
    held = np.any(folds, axis=0)
    return Reference.fit(columns, used[held], residual[held], data.series.take(np.flatnonzero(held)))


def _calibrated(raw: Values, policy: FitPolicy, days: int) -> Calibration:
    return Calibration.fit(raw, policy.alpha, policy.contamination, policy.ensemble.tail, days)
