"""What was unusual in an incident: one row for each metric of an entity that left its usual range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.root_cause.kinds import PASSED_ON, Kind, kind_of

Values = NDArray[np.float64]

UNKNOWN = np.iinfo(np.int64).max
"""The onset of a symptom of which nobody knows when it began: later than all others."""

NOTHING = 1e-9
"""Scores, and costs as a share of the largest, are not told from 0 below it: quotients of them stay finite."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """m symptoms. `entity` (m,) are places among the incident's entities, `metric` names (m), `up` (m,) directions.

    `score` (m,) is how unusual the metric was, on one scale for all (a calibrated score times the metric's share of
    it): 0 or NaN is not unusual, and the row says nothing. `onset` (m,) is when it began, in microseconds, or
    `UNKNOWN`. `cost` (m,) is what it cost beyond the usual, as `cost` below has it, all of one kind in one unit, 0 or
    NaN where that is not known. Raises ValueError where columns differ in length, or hold what they cannot.
    """

    entity: NDArray[np.int64]
    metric: Sequence[str]
    up: NDArray[np.bool_]
    score: Values
    onset: NDArray[np.int64]
    cost: Values

    def __post_init__(self) -> None:
        for name in ("entity", "up", "score", "onset", "cost"):
            column = getattr(self, name)
            if column.shape != (len(self.metric),):
                raise ValueError(f"evidence has {len(self.metric)} metrics, but its column {name} is {column.shape}")
        if len(self.entity) and self.entity.min() < 0:
            raise ValueError("evidence names an entity by a place below 0: places count from 0")
        for name, column in (("score", self.score), ("cost", self.cost)):
            if (column < 0).any() or np.isinf(column).any():
                raise ValueError(f"evidence has a {name} that is negative or infinite: 0 or NaN stand for none")

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[int, str, bool, float, int, float]]) -> Evidence:
        """From rows of (entity, metric, up, score, onset, cost)."""
        return cls(
            entity=np.array([row[0] for row in rows], np.int64),
            metric=[row[1] for row in rows],
            up=np.array([row[2] for row in rows], np.bool_),
            score=np.array([row[3] for row in rows], np.float64),
            onset=np.array([row[4] for row in rows], np.int64),
            cost=np.array([row[5] for row in rows], np.float64),
        )


def cost(actual: Values, low: Values, high: Values, events: Values) -> Values:
    """(m,) by how much a mean per event lay outside of its expected range, times the events: what it cost in all.

    Of a mean latency that is the time lost, of an error ratio (or of an availability) the events that failed: both
    add up along calls. NaN where a value is missing.
    """
    beyond = np.maximum(np.maximum(actual - high, low - actual), 0.0)
    return np.asarray(beyond * events, np.float64)


@dataclass(frozen=True, slots=True)
class Symptoms:
    """The evidence by entity and kind, all (n, kinds): 0 and `UNKNOWN` where there is none. `metric` is the row of the
    evidence that says most, −1 for none. Costs are shares of the largest of their kind.

    Where costs of a kind are known for some entities only, the others' are put at what their score would cost there
    (the median); where for none, the score stands for the cost.
    """

    score: Values
    cost: Values
    onset: NDArray[np.int64]
    metric: NDArray[np.int64]
    any: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "any", (self.score > 0.0).any(axis=1))

    def take(self, places: NDArray[np.int64]) -> Symptoms:
        """Those of the entities at these places, in their order."""
        return Symptoms(self.score[places], self.cost[places], self.onset[places], self.metric[places])

    @classmethod
    def of(cls, n: int, evidence: Evidence) -> Symptoms:
        """Of n entities. Raises ValueError where the evidence names another one."""
        if len(evidence.entity) and evidence.entity.max() >= n:
            raise ValueError(f"evidence names entity {evidence.entity.max()} (from 0), but there are {n} entities")
        told = np.flatnonzero(evidence.score > NOTHING)
        told = told[np.lexsort((_ranks([evidence.metric[row] for row in told.tolist()]), evidence.score[told]))]
        kinds = [kind_of(evidence.metric[row], bool(evidence.up[row])) for row in told.tolist()]
        at = (evidence.entity[told], np.array(kinds, np.int64))
        score, priced = np.zeros((n, len(Kind))), np.zeros((n, len(Kind)))
        onset, metric = np.full((n, len(Kind)), UNKNOWN), np.full((n, len(Kind)), -1, np.int64)
        np.maximum.at(score, at, evidence.score[told])
        np.maximum.at(priced, at, np.nan_to_num(evidence.cost[told]))
        np.minimum.at(onset, at, evidence.onset[told])
        metric[at] = told  # of several the last stays, which has the largest score
        return cls(score, _costs(score, priced), onset, metric)


def _costs(score: Values, priced: Values) -> Values:
    costs = score.copy()
    for kind in PASSED_ON:
        known = (score[:, kind] > 0.0) & (priced[:, kind] > 0.0)
        if known.any():
            typical = float(np.median(priced[known, kind] / score[known, kind]))
            costs[:, kind] = np.where(known, priced[:, kind], score[:, kind] * typical)
    largest = costs.max(axis=0, initial=0.0)
    costs = np.divide(costs, largest, out=np.zeros_like(costs), where=largest > 0.0)
    return np.where(score > 0.0, np.maximum(costs, NOTHING), 0.0)


def _ranks(names: list[str]) -> NDArray[np.int64]:
    place = {name: rank for rank, name in enumerate(sorted(set(names), reverse=True))}
    return np.array([place[name] for name in names], np.int64)
