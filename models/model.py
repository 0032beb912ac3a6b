"""A trained model of one period: scaler, members and calibration, as they score vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import Calibration
from models.detectors import DETECTORS, Detector
from models.explain import top_reasons
from models.naming import Naming, naming
from models.periods import Places
from models.scaling import Scaler, slot_position
from models.scored import Reasons, Scored

Values = NDArray[np.float64]

FUSION = "mean"
"""How members become one: the mean of their calibrated scores by weight, calibrated once more."""


EXPLAINED_FROM = 0.5
"""Scores from which on the detectors themselves are asked for reasons: a walk through a forest costs as much again."""


@dataclass(frozen=True, slots=True)
class Member:
    """A detector, how its raw scores are calibrated, and its weight in the mean."""

    detector: Detector
    calibration: Calibration
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PeriodModel:
    """Scores vectors of one feature list. `columns` are the features used, d of them; the others are ignored.

    `below` and `above` (d,) span what 99 % of the training rows kept around their expected value.
    """

    names: tuple[str, ...]
    columns: NDArray[np.int64]
    scaler: Scaler
    members: tuple[Member, ...]
    calibration: Calibration
    below: Values
    above: Values
    used: Naming = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "used", naming(tuple(self.names[column] for column in self.columns.tolist())))

    def score(self, values: Values, places: Places) -> Scored:
        """Score n vectors (n, k) in the order of `names`, NaN where a value is missing; each row by itself."""
        used = np.ascontiguousarray(values[:, self.columns])
        scaled = self.scaler.transform(used, places)
        parts = self._parts(scaled)
        score = self.calibration.score(_sum(parts))
        reasons = self._reasons(self._weights(scaled, parts, score), scaled, used, places)
        return Scored(score, self.calibration.confidence(score), reasons, [""] * len(score))

    def _parts(self, scaled: Values) -> list[Values]:
        """What each member adds to the weighted mean of calibrated scores, (n,) each."""
        whole = sum(member.weight for member in self.members)
        return [m.calibration.score(m.detector.score(scaled)) * (m.weight / whole) for m in self.members]

    def _weights(self, scaled: Values, parts: list[Values], score: Values) -> Values:
        """(n, d) shares of the features; 0 for rows far below the boundary, where deviations explain enough."""
        weights = np.zeros(scaled.shape)
        rows = np.flatnonzero(score >= EXPLAINED_FROM)
        if len(rows):
            for member, part in zip(self.members, parts, strict=True):
                _add_shares(weights, rows, member.detector.explain(scaled, rows), part)
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
        arrays: dict[str, NDArray[Any]] = {"columns": self.columns, "below": self.below, "above": self.above}
        arrays |= {f"scaler/{name}": array for name, array in self.scaler.to_arrays().items()}
        arrays |= {f"fused/{name}": array for name, array in self.calibration.to_arrays().items()}
        for number, member in enumerate(self.members):
            arrays |= {f"{number}/detector/{name}": array for name, array in member.detector.to_arrays().items()}
            arrays |= {f"{number}/calibration/{name}": a for name, a in member.calibration.to_arrays().items()}
            arrays[f"{number}/weight"] = np.array(member.weight)
        return arrays

    @classmethod
    def from_arrays(
        cls, names: tuple[str, ...], kinds: Sequence[str], arrays: Mapping[str, NDArray[Any]]
    ) -> PeriodModel:
        """Raises KeyError or ValueError where the arrays do not fit together."""
        columns = np.asarray(arrays["columns"], np.int64)
        below, above = (np.asarray(arrays[name], np.float64) for name in ("below", "above"))
        scaler = Scaler.from_arrays(_below(arrays, "scaler"))
        if not len(columns) == len(below) == len(above) == len(scaler.scale) or not kinds:
            raise ValueError("the arrays are no model")
        if len(columns) == 0 or columns.min() < 0 or columns.max() >= len(names):
            raise ValueError("the model uses features that it does not name")
        return cls(
            names=names,
            columns=columns,
            scaler=scaler,
            members=tuple(_member(arrays, number, kind, len(columns)) for number, kind in enumerate(kinds)),
            calibration=Calibration.from_arrays(_below(arrays, "fused")),
            below=below,
            above=above,
        )


def _member(arrays: Mapping[str, NDArray[Any]], number: int, kind: str, width: int) -> Member:
    detector = DETECTORS[kind].from_arrays(_below(arrays, f"{number}/detector"))
    if detector.width != width:
        raise ValueError(f"a detector of {detector.width} features does not fit a model of {width}")
    weight = float(arrays[f"{number}/weight"].item())
    if not 0.0 < weight < np.inf:
        raise ValueError(f"a member's weight must be above 0, not {weight}")
    return Member(detector, Calibration.from_arrays(_below(arrays, f"{number}/calibration")), weight)


def _below(arrays: Mapping[str, NDArray[Any]], folder: str) -> dict[str, NDArray[Any]]:
    start = folder + "/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _sum(parts: Sequence[Values]) -> Values:
    total = np.zeros(len(parts[0]))
    for part in parts:
        total += part
    return total


@njit(cache=True)
def _add_shares(weights: Values, rows: NDArray[np.intp], explained: Values, part: Values) -> None:
    """Divide the part of each of these rows' score among the features as `explained` does."""
    d = weights.shape[1]
    for i in range(len(rows)):
        whole = 0.0
        for j in range(d):
            whole += explained[i, j]
        if whole > 0.0:
            for j in range(d):
                weights[rows[i], j] += part[rows[i]] * explained[i, j] / whole


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
            low[i, place], high[i, place] = expected + below[m], expected + above[m]
            metric[i, place], feature[i, place] = columns[m], columns[feature[i, place]]
