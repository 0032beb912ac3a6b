"""Fitting a model where labels say which rows were anomalous.

The earlier part of the labelled rows grows trees; the later part, the last fifth, says when to stop, what each member
is worth, and where the boundary lies. Members that need no labels learn from all rows but the anomalous ones, and are
judged on the later part by models that have not seen its days. In the end each learns from all rows. So the figures of
the later part flatter a little: several things were chosen by them.

There is one model, of all hours: labels are few, and the scaler knows the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.detectors import BoostedTrees
from models.ensembles import MemberName
from models.fitting import Data, FitPolicy, Fitted, by_days, figures, held_out, ranges, reference, scale
from models.growing import Grown, grow
from models.judging import Mixture, Rate, Rows, best_mixture, boundary, calibrated, confidences, each_alone, judged
from models.labels import ANOMALOUS, UNKNOWN, Labels, count, episodes, later_part
from models.manifest import Validation
from models.model import Known, Member, PeriodModel
from models.scaling import Scaler
from models.thresholds import episode_rates, published
from models.views import View

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labelled:
    """n rows with their labels; only `usual` ones are examples of what is normal.

    `later` are those that judge, with what is known of them in `rows`. `harmless` says, as it will to the model when it
    scores, which values are to be taken as expected (`models.knowledge`): trees must learn from what they will see.
    """

    data: Data
    label: Labels
    usual: Mask
    later: Mask
    rows: Rows
    harmless: Known

    @classmethod
    def of(cls, data: Data, label: Labels, usual: Mask, harmless: Known) -> Self:
        later = later_part(label, data.series)
        return cls(data, label, usual, later, Rows((label != UNKNOWN)[later], (label == ANOMALOUS)[later]), harmless)

    def seen(self, view: View, scaler: Scaler) -> Values:
        """(n, d) what a member that learns from labels sees of the rows."""
        data = self.data
        scaled = scaler.transform(data.used, data.at)
        mask = self.harmless(data.named, data.used, scaler.expected(data.at))
        return view.of(data.used, scaled if mask is None else np.where(mask, 0.0, scaled))

    @property
    def anomalous(self) -> Mask:
        found: Mask = self.label == ANOMALOUS
        return found


@dataclass(frozen=True, slots=True)
class _Tried:
    """A member with its calibration and its calibrated scores of the later rows; `grown` if it learned from labels."""

    name: MemberName
    calibration: Calibration
    part: Values
    grown: Grown | None = None


def fit_labelled(names: tuple[str, ...], known: Labelled, policy: FitPolicy) -> Fitted:
    """Fit on rows whose labels suffice (`models.labels.what_is_missing`). Raises ValueError."""
    rows, rate = known.rows, Rate(policy.alpha, policy.contamination)
    tried = [*_without_labels(known, policy, rate), *_by_labels(known, policy, rate)]
    mixture = best_mixture([one.part for one in tried], rows, rate)
    at = boundary(mixture.score, rows)
    score = published(mixture.score, np.full(len(mixture.score), at))
    sure = confidences(score, rows, len(mixture.calibration.confidences))
    calibration = replace(mixture.calibration, confidences=sure)
    quiet = score[~rows.anomalous]
    series = known.data.take(known.later).series.take(np.flatnonzero(~rows.anomalous))
    usual = known.data.take(known.usual)
    scaler, scaled = scale(usual)
    below, above = ranges(usual, scaler)
    members = [
        replace(_refitted(one, known, usual, scaler, scaled, policy.seed), weight=weight)
        for one, weight in zip(tried, mixture.weights, strict=True)
        if weight > 0.0
    ]
    model = PeriodModel(
        names,
        usual.columns,
        scaler,
        tuple(members),
        "mean",
        calibration,
        below,
        above,
        episode_rates(quiet, series, policy.rows_a_day),
        reference(known.data),
        at,
    )
    validation = _validation(known, tried, mixture, at, rate)
    return Fitted(model, len(known.label), figures(quiet, calibration), quiet, series, validation)


def _without_labels(known: Labelled, policy: FitPolicy, rate: Rate) -> list[_Tried]:
    """The members that learn from usual rows alone, calibrated on all rows held out."""
    names = policy.ensemble.without_labels().members
    folds = by_days(known.data.at) or [known.later]
    tried = []
    for name, raw in zip(names, held_out(known.data, names, folds, policy.seed, known.usual), strict=True):
        held = ~np.isnan(raw)
        calibration = calibrated(raw[held], known.anomalous[held], rate)
        tried.append(_Tried(name, calibration, calibration.score(raw[known.later])))
    return tried


def _by_labels(known: Labelled, policy: FitPolicy, rate: Rate) -> list[_Tried]:
    """The members that learn from labels, calibrated on the later rows, which they have not learned from."""
    tried = []
    for name in (member for member in policy.ensemble.members if member.by_labels):
        data = known.data
        scaler, _ = scale(data.take(known.usual & ~known.later))
        seen = known.seen(View.fit(name.view, data.named, data.used), scaler)
        grown = grow(seen, known.label, data.series, policy.seed, search=policy.search, jobs=policy.jobs)
        margin = grown.detector.score(seen[known.later])
        calibration = calibrated(margin, known.rows.anomalous, rate)
        tried.append(_Tried(name, calibration, calibration.score(margin), grown))
    return tried


def _refitted(one: _Tried, known: Labelled, usual: Data, scaler: Scaler, scaled: Values, seed: int) -> Member:
    """The member as it learns from all rows, those that are usual or those that are labelled."""
    if one.grown is None:
        view, detector = one.name.fit(usual.named, usual.used, scaled, seed)
        return Member(detector, view, one.calibration)
    data, growth, trees = known.data, one.grown.growth, one.grown.trees
    view = View.fit(one.name.view, data.named, data.used)
    rows = known.label != UNKNOWN
    seen = known.seen(view, scaler)[rows]
    return Member(BoostedTrees.fit(seen, known.anomalous[rows], growth, trees, seed), view, one.calibration)


def _validation(known: Labelled, tried: Sequence[_Tried], mixture: Mixture, at: float, rate: Rate) -> Validation:
    rows = known.rows
    alone = each_alone([one.part for one in tried], rows, rate)
    members = {
        str(one.name): {"weight": weight, **judged(mine.score, rows, boundary(mine.score, rows))}
        for one, mine, weight in zip(tried, alone, mixture.weights, strict=True)
    }
    episode = episodes(known.label, known.data.series)
    return Validation(
        rows=int(np.count_nonzero(rows.known)),
        anomalous=int(np.count_nonzero(rows.anomalous)),
        episodes=count(episode[known.later]),
        trees={str(one.name): {**asdict(one.grown.growth), "trees": one.grown.trees} for one in tried if one.grown},
        members=members,
        ensemble=judged(mixture.score, rows, at),
    )
