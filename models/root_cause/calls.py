"""Who calls whom among the entities of an incident."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.root_cause.evidence import UNKNOWN, Symptoms
from models.root_cause.kinds import PASSED_ON

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calls:
    """Edges `caller[e]` → `callee[e]`, each once, in ascending order; nobody calls itself. The first `measured` places
    are the incident's entities, those behind them are only known from the graph.
    """

    caller: Places
    callee: Places
    measured: int
    size: int

    @classmethod
    def of(cls, places: Mapping[str, int], edges: Iterable[tuple[str, str]]) -> Calls:
        """Of the entities with these places (0 … n − 1), and whatever else the edges name."""
        found = sorted({(a, b) for a, b in edges if a != b})
        others = sorted({name for edge in found for name in edge} - places.keys())
        at = dict(places) | {name: len(places) + i for i, name in enumerate(others)}
        pairs = np.array(sorted((at[a], at[b]) for a, b in found), np.int64).reshape(-1, 2)
        return cls(pairs[:, 0].copy(), pairs[:, 1].copy(), len(places), len(at))

    def look_through(self, symptoms: Symptoms) -> Symptoms:
        """The symptoms with those of unmeasured entities in place: of each kind the largest of what it calls.

        A proxy of which nothing is known does not hide who is behind it.
        """
        added = self.size - self.measured
        pad = ((0, added), (0, 0))
        score, costs = np.pad(symptoms.score, pad), np.pad(symptoms.cost, pad)
        onset = np.pad(symptoms.onset, pad, constant_values=UNKNOWN)
        edges = self.caller >= self.measured
        caller, callee = self.caller[edges], self.callee[edges]
        for _ in range(added):
            before = score.copy(), costs.copy(), onset.copy()
            np.maximum.at(score, caller, score[callee])
            np.maximum.at(costs, caller, costs[callee])
            np.minimum.at(onset, caller, onset[callee])
            if all(np.array_equal(was, now) for was, now in zip(before, (score, costs, onset), strict=True)):
                break
        return Symptoms(score, costs, onset, np.pad(symptoms.metric, pad, constant_values=-1))

    def affected_callers(self, symptoms: Symptoms) -> Places:
        """(size,) how many measured callers of each have symptoms that a callee may cause."""
        hurt = (symptoms.score[:, PASSED_ON] > 0.0).any(axis=1) & (np.arange(self.size) < self.measured)
        return np.bincount(self.callee[hurt[self.caller]], minlength=self.size)
