"""An alert budget: how many incidents people are willing to look into, instead of a threshold.

Training asks, of scores that no model had learned from, how many incidents would have opened at one stated rate of
alarms after another, each replayed through the entities' own thresholds and the rules of the `incidents` worker; the
highest rate within the budget goes into the models. Live, each entity's threshold keeps to that rate by its own alarms,
and nothing counts across entities.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.calibration import LARGEST
from models.severity import SeverityCuts
from models.thresholds import Expectation, Thresholds, episode_rates, published
from models.train import HeldOut
from workers.incidents.incident import Kind, Track
from workers.incidents.lifecycle import advance, expire
from workers.incidents.occurrences import Occurrences
from workers.incidents.policy import Policy
from workers.incidents.scores import Window

_DAYS = {"day": 1.0, "week": 7.0, "month": 30.0}
_DAY_US = 86_400_000_000
_FACTORS = 2.0 ** np.arange(3.0, -8.5, -0.5)
"""Rates tried, as multiples of the nominal one, the highest first: from 8 times to a 256th of it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So many incidents in so many days, of all entities together."""

    incidents: float
    days: float
    text: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """`3/week`, `0.5/day`, `10/month`. Raises ValueError."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(day|week|month)\s*", text)
        if found is None or float(found[1]) == 0.0:
            raise ValueError(f"{text!r} is no budget: write how many incidents in a day, week or month, such as 3/week")
        return cls(float(found[1]), _DAYS[found[2]], text.strip())

    def each(self, entities: int) -> float:
        """Incidents an entity and day."""
        return self.incidents / self.days / entities


@dataclass(frozen=True, slots=True)
class Bought:
    """What a budget came to: the rate of flagged rows, and the incidents it gave in so many entity-days held out."""

    alpha: float
    incidents: int
    entity_days: float
    within: bool

    def sentence(self, budget: Budget, entities: int) -> str:
        """How it went, for people."""
        rate = self.incidents / max(self.entity_days, 1e-9) * entities * budget.days
        unit = budget.text.partition("/")[2].strip()
        said = (
            f"budget {budget.text} for {entities} {'entity' if entities == 1 else 'entities'}: {self.incidents} "
            f"incidents in {self.entity_days:.0f} entity-days held out, {rate:.1f} a {unit} for all"
        )
        return said if self.within else f"{said}; even the strictest rate tried is above the budget"


def buy(budget: Budget, entities: int, held: HeldOut, policy: Policy, cuts: SeverityCuts, own: bool) -> Bought:
    """The highest rate of alarms whose incidents lie within the budget's share of these held-out scores.

    `entities` share the budget; `own` says whether entities find thresholds of their own.
    """
    entity_days = len(held.score) * held.thinned / held.rows_a_day
    allowed = budget.each(entities) * entity_days
    low, high = 0, len(_FACTORS) - 1  # the first factor within the budget lies in low … high, or nowhere
    counts: dict[int, int] = {}

    def within(place: int) -> bool:
        counts[place] = _incidents(held, min(held.alpha * _FACTORS[place], 0.5), policy, cuts, own)
        return counts[place] <= allowed

    if not within(high):
        return Bought(float(held.alpha * _FACTORS[high]), counts[high], entity_days, False)
    while low < high:
        middle = (low + high) // 2
        if within(middle):
            high = middle
        else:
            low = middle + 1
    return Bought(float(min(held.alpha * _FACTORS[high], 0.5)), counts[high], entity_days, True)


def _incidents(held: HeldOut, alpha: float, policy: Policy, cuts: SeverityCuts, own: bool) -> int:
    """How many incidents open at a rate: scores calibrated at another one differ by a factor."""
    scale = np.log(held.alpha) / np.log(alpha)
    score = np.minimum(held.score * scale, LARGEST)
    if own:
        thresholds = Thresholds(int(held.series.entity.max()) + 1)
        rates = episode_rates(score, held.series, held.rows_a_day)
        thresholds.expect("model", Expectation.of(rates, alpha, held.rows_a_day, held.known, held.valley * scale))
        every = np.ones(len(score), np.bool_)
        slot, model = held.series.entity.astype(np.int64), np.zeros(len(score), np.int64)
        score = published(score, thresholds.step(slot, held.series.time, score, score, model, every)[0])
    ranks = cuts.rank(score)
    return sum(
        _opened(score[rows], ranks[rows], held.series.time[rows], held, policy)
        for rows in (np.flatnonzero(held.series.entity == entity) for entity in np.unique(held.series.entity))
    )


def _opened(
    score: NDArray[np.float64], rank: NDArray[np.intp], time: NDArray[np.int64], held: HeldOut, policy: Policy
) -> int:
    """Incidents that one entity's scores open; of thinned rows each stands for those that were left out beside it."""
    repeats, step = max(1, round(held.thinned)), int(_DAY_US / held.rows_a_day)
    rules = replace(policy, event_profiles=frozenset())
    track, occurrences, opened = Track(-1), Occurrences(policy.occurrence_days), 0
    for at, value, severity in zip(time.tolist(), score.tolist(), rank.tolist(), strict=True):
        if severity == 0 and track.idle:  # such a window changes nothing
            continue
        for back in range(repeats - 1, -1, -1):
            end = at - back * step
            if end <= track.last_end:
                continue
            changes = expire(rules, track, end, "")
            window = Window("", end - step, end, value, severity, False, False, True, 1, (), "")
            changes += advance(rules, "", "", track, occurrences, window)
            opened += sum(change.kind is Kind.CREATE for change in changes)
    return opened
