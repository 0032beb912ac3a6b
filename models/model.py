"""A trained model of one period: scaler, members and calibration, as they score vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of, number_of, part_of
from models.calibration import LARGEST, Calibration
from models.detectors import BY_LABELS, DETECTORS, Forecast, Scorer
from models.drift import Reference
from models.ensembles import Fusion, MemberName
from models.explain import top_reasons
from models.foretold import Foretold
from models.naming import Naming, naming
from models.periods import Places
from models.scaling import Scaler, slot_position
from models.scored import Reasons, Scored
from models.thresholds import LEVELS, published
from models.views import View

Values = NDArray[np.float64]

Known = Callable[[Naming, Values, Values], NDArray[np.bool_] | None]

LED = 2.0
"""How many times what the first member says the others may, where it leads."""

MOST_WEIGHT, MOST_EPISODES = 1e6, 1e6
"""Of a member in a mean, and a day, there are fewer minutes: beyond it a bundle was not trained but made."""

EXPLAINED_FROM = 0.5
"""Scores from which on the detectors themselves are asked for reasons: a walk through a forest costs as much again."""


@dataclass(frozen=True, slots=True)
class Member:
    """A detector, what it sees of a vector, how its raw scores are calibrated, and its weight in a mean.

    One that does not decide has no part in the score, only in where rows rank that are no alarm (`models.ranking`).
    """

    detector: Scorer
    view: View
    calibration: Calibration
    weight: float = 1.0
    decides: bool = True


@dataclass(frozen=True, slots=True)
class PeriodModel:
    """Scores vectors of one feature list. `columns` are the features used, d of them; the others are ignored.

    `below` and `above` (d,) span what 99 % of the training rows kept around their expected value. `episodes` is how
    often a day the held-out scores reached each of `thresholds.LEVELS`, `known` how often training itself had anomalies
    that it left out, and `valley` the score between the usual ones and a second population (infinite: there was none).
    `boundary` is the calibrated score that becomes
    1.0: another one than 1 where labels say so. `reference` is what drift is measured against.
    """

    names: tuple[str, ...]
    columns: NDArray[np.int64]
    scaler: Scaler
    members: tuple[Member, ...]
    fusion: Fusion
    calibration: Calibration
    below: Values
    above: Values
    episodes: Values
    reference: Reference
    boundary: float = 1.0
    known: float = 0.0
    valley: float = math.inf
    used: Naming = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "used", naming(self.names).take(self.columns))

    def score(self, values: Values, places: Places, known: Known | None = None) -> Scored:
        """Score n vectors (n, k) in the order of `names`, NaN where a value is missing; each row by itself.

        `known` says of the values used and of what was expected of them, both (n, d), which are to be taken as missing.
        """
        used = np.ascontiguousarray(values[:, self.columns])
        ignored = known(self.used, used, self.scaler.expected(places)) if known is not None else None
        if ignored is not None:
            used = np.where(ignored, np.nan, used)
        scaled = self.scaler.transform(used, places)
        if ignored is not None:
            scaled = np.where(ignored, 0.0, scaled)  # as expected: what learned from labels knows of missing values
        seen = [member.view.of(used, scaled) for member in self.members]
        parts = [m.calibration.score(m.detector.score(X)) for m, X in zip(self.members, seen, strict=True)]
        deciding = [i for i, member in enumerate(self.members) if member.decides]
        weighed = [self.members[i].weight for i in deciding]
        score = self.calibration.score(fuse(self.fusion, [parts[i] for i in deciding], weighed))
        if self.boundary != 1.0:
            score = published(score, np.full(len(score), self.boundary))
        weights = self._weights(seen, parts, score)
        if ignored is not None:
            weights[ignored] = 0.0
        reasons = self._reasons(weights, scaled, used, places)
        foretold = self._foretold(used)
        if foretold is not None:
            foretold.narrow(reasons, self.columns, len(self.names))
        mean = fuse("mean", parts, [member.weight for member in self.members])
        missing = self.calibration.missing
        note = [missing if far else "" for far in (score >= 1.0).tolist()] if missing else [""] * len(score)
        return Scored(score, mean, self.calibration.confidence(score), reasons, note)

    def member_scores(self, values: Values, places: Places) -> Values:
        """(n, m) the calibrated score of each member that decides, by itself; each reaches 1.0 at its own boundary."""
        used = np.ascontiguousarray(values[:, self.columns])
        scaled = self.scaler.transform(used, places)
        deciding = [member for member in self.members if member.decides]
        scores = [m.calibration.score(m.detector.score(m.view.of(used, scaled))) for m in deciding]
        return np.column_stack(scores)

    def foretell(self, values: Values) -> Foretold | None:
        """What is expected of the newest samples of n vectors (n, k) by their past; None without a forecast."""
        return self._foretold(np.ascontiguousarray(values[:, self.columns]))

    def _foretold(self, used: Values) -> Foretold | None:
        """By the first member that forecasts; it takes values as they came."""
        for member in self.members:
            if isinstance(member.detector, Forecast):
                return Foretold.by(member.detector, member.view, member.view.of(used, used))
        return None

    def cells(self, values: Values, places: Places) -> NDArray[np.uint8]:
        """(n, d) the cells that the watched features of n vectors (n, k) fall into (`models.drift`)."""
        columns = self.reference.columns
        residual = values[:, self.columns[columns]] - self.scaler.expected(places, columns)
        return self.reference.codes(residual)

    def _weights(self, seen: list[Values], parts: list[Values], score: Values) -> Values:
        """(n, d) shares of the features; 0 for rows far below the boundary, where deviations explain enough.

        Of a mean every member that decides has a share by its part in it; else the largest have.
        """
        weights = np.zeros((len(score), len(self.columns)))
        rows = np.flatnonzero(score >= EXPLAINED_FROM)
        if len(rows) == 0:
            return weights
        deciding = [one for one in zip(self.members, seen, parts, strict=True) if one[0].decides]
        largest = np.max([part for _, _, part in deciding], axis=0)
        for member, X, part in deciding:
            share = part * member.weight if self.fusion == "mean" else np.where(part == largest, part, 0.0)
            mine = rows[share[rows] > 0.0]
            if len(mine):
                _add_shares(weights, mine, member.view.features, member.detector.explain(X, mine), share)
        return weights

    def _reasons(self, weights: Values, scaled: Values, used: Values, places: Places) -> Reasons:
        reasons = top_reasons(self.used, weights, scaled, used)
        slot, share = slot_position(places.hour)
        _complete(
            reasons.metric,
            reasons.feature,
            reasons.low,
            reasons.high,
            self.columns,
            self.scaler.centre,
            places.weekend,
            slot,
            share,
            self.below,
            self.above,
        )
        return reasons

    def to_arrays(self) -> Mapping[str, NDArray[Any]]:
        """Everything as plain arrays, by path; names and kinds of members are the manifest's."""
        arrays: dict[str, NDArray[Any]] = {
            "columns": self.columns,
            "below": self.below,
            "above": self.above,
            "episodes": self.episodes,
            "boundary": np.array(self.boundary),
            "known": np.array(self.known),
            "valley": np.array(self.valley),
        }
        arrays |= {f"scaler/{name}": array for name, array in self.scaler.to_arrays().items()}
        arrays |= {f"reference/{name}": array for name, array in self.reference.to_arrays().items()}
        arrays |= {f"fused/{name}": array for name, array in self.calibration.to_arrays().items()}
        for number, member in enumerate(self.members):
            arrays |= {f"{number}/detector/{name}": array for name, array in member.detector.to_arrays().items()}
            arrays |= {f"{number}/view/{name}": array for name, array in member.view.to_arrays().items()}
            arrays |= {f"{number}/calibration/{name}": a for name, a in member.calibration.to_arrays().items()}
            arrays[f"{number}/weight"] = np.array(member.weight)
            arrays[f"{number}/decides"] = np.array(member.decides)
        return arrays

    @classmethod
    def from_arrays(
        cls, names: tuple[str, ...], members: Sequence[str], fusion: Fusion, arrays: Mapping[str, NDArray[Any]]
    ) -> PeriodModel:
        """Raises ValueError where the arrays do not fit together, with the path of the part that is wrong."""
        columns = array_of(arrays, "columns", np.int64)
        if not 0 < len(columns) == len(set(columns.tolist())) or columns.min() < 0 or columns.max() >= len(names):
            raise ValueError("the model uses features that it does not name, none, or one twice")
        below, above, episodes = (array_of(arrays, name, np.float64) for name in ("below", "above", "episodes"))
        scaler = part_of(arrays, "scaler", Scaler.from_arrays)
        if not len(columns) == len(below) == len(above) == len(scaler.scale) or not members:
            raise ValueError("the arrays are no model")
        if not (np.isfinite(below).all() and np.isfinite(above).all() and (below <= above).all()):
            raise ValueError("below and above span no ranges")
        if episodes.shape != LEVELS.shape or not ((episodes >= 0) & (episodes <= MOST_EPISODES)).all():
            raise ValueError("the arrays hold no rates of episodes")
        boundary = number_of(arrays, "boundary")
        if not 0.0 < boundary < LARGEST:
            raise ValueError(f"a boundary lies between 0 and {LARGEST:g}, not at {boundary}")
        known = number_of(arrays, "known")
        if not 0.0 <= known <= MOST_EPISODES:
            raise ValueError(f"anomalies come a number of times a day, not {known}")
        valley = number_of(arrays, "valley")
        if not valley >= 0.0:
            raise ValueError(f"a valley lies among the scores, not at {valley}")
        learned = tuple(_member(arrays, n, MemberName.parse(one), len(columns)) for n, one in enumerate(members))
        if not any(member.decides for member in learned):
            raise ValueError("none of the model's members decides")
        return cls(
            names=names,
            columns=columns,
            scaler=scaler,
            members=learned,
            fusion=fusion,
            calibration=part_of(arrays, "fused", Calibration.from_arrays),
            below=below,
            above=above,
            episodes=episodes,
            reference=part_of(arrays, "reference", lambda part: Reference.from_arrays(part, len(columns))),
            boundary=boundary,
            known=known,
            valley=valley,
        )


def fuse(fusion: Fusion, parts: Sequence[Values], weights: Sequence[float]) -> Values:
    """(n,) one score of the members' calibrated ones, before it is calibrated itself."""
    total = np.zeros(len(parts[0]))
    if fusion == "max":
        for part in parts:
            np.maximum(total, part, out=total)
        return total
    if fusion == "led":
        rest = fuse("max", parts[1:], weights[1:]) if len(parts) > 1 else total
        led: Values = np.maximum(parts[0], np.minimum(rest, LED * parts[0]))
        return led
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        total += part * (weight / whole)
    return total


def _member(arrays: Mapping[str, NDArray[Any]], number: int, name: MemberName, width: int) -> Member:
    kinds: Mapping[str, type[Scorer]] = {**DETECTORS, **BY_LABELS}
    detector = part_of(arrays, f"{number}/detector", kinds[name.detector].from_arrays)
    view = part_of(arrays, f"{number}/view", lambda part: View.from_arrays(name.view, width, part))
    if detector.width != len(view.features):
        raise ValueError(f"a detector of {detector.width} features does not fit a view of {len(view.features)}")
    weight, decides = number_of(arrays, f"{number}/weight"), number_of(arrays, f"{number}/decides")
    if not 0.0 < weight <= MOST_WEIGHT:
        raise ValueError(f"a member's weight lies between 0 and {MOST_WEIGHT:g}, not at {weight}")
    calibration = part_of(arrays, f"{number}/calibration", Calibration.from_arrays)
    return Member(detector, view, calibration, weight, bool(decides))


@njit(cache=True)
def _add_shares(
    weights: Values, rows: NDArray[np.intp], columns: NDArray[np.int64], explained: Values, part: Values
) -> None:
    """Divide the part of each of these rows' score among the features of the view as `explained` does."""
    for i in range(len(rows)):
        whole = 0.0
        for j in range(len(columns)):
            whole += explained[i, j]
        if whole > 0.0:
            for j in range(len(columns)):
                weights[rows[i], columns[j]] += part[rows[i]] * explained[i, j] / whole


@njit(cache=True)
def _complete(
    metric: NDArray[np.int32],
    feature: NDArray[np.int32],
    low: Values,
    high: Values,
    columns: NDArray[np.int64],
    centre: Values,
    weekend: NDArray[np.bool_],
    slot: NDArray[np.int64],
    share: Values,
    below: Values,
    above: Values,
) -> None:
    """Fill in what was expected of the metrics, and number them as the vector does instead of as the model does."""
    for i in range(len(metric)):
        day = centre[1 if weekend[i] else 0]
        a, b = max(slot[i], 0), min(slot[i] + 1, len(day) - 1)
        for place in range(metric.shape[1]):
            m = metric[i, place]
            if m < 0:
                continue
            expected = day[a, m] + share[i] * (day[b, m] - day[a, m])
            if math.isfinite(expected + below[m]) and math.isfinite(expected + above[m]):
                low[i, place], high[i, place] = expected + below[m], expected + above[m]
            metric[i, place], feature[i, place] = columns[m], columns[feature[i, place]]
