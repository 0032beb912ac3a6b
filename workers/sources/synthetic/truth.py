"""Where the anomalies are: drawn before any event is, kept beside the data, never sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.sources.synthetic.attacks import ATTACKS, flood_of_lines, strengths
from workers.sources.synthetic.plan import Plan

SERVICE_KINDS = ("error_rate", "latency", "traffic_spike", "traffic_drop", "combined")
HOST_KINDS = ("cpu", "memory", "disk", "network", "processes")

_SCHEDULE = 1  # which of the seed's independent streams draws the schedule


@dataclass(frozen=True, slots=True)
class Truth:
    """Anomalous episodes, ordered by entity and start.

    `entity` numbers the plan's names; `first` and `last` are interval numbers, both included; `kind` numbers `kinds`.
    `effects` holds one column per effect: what an episode multiplies (1: not) or sets (NaN: not).
    """

    plan: Plan
    kinds: tuple[str, ...]
    entity: NDArray[np.int64]
    kind: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    effects: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.entity)

    @property
    def start(self) -> NDArray[np.int64]:
        """Epoch microseconds; an episode is [start, end)."""
        return self.plan.start + self.first * self.plan.interval

    @property
    def end(self) -> NDArray[np.int64]:
        return self.plan.start + (self.last + 1) * self.plan.interval

    def rows(self) -> list[dict[str, object]]:
        """The table for people and judges: entity, kind, start, end (epoch microseconds) and the effects.

        Attacks have the technique's number in MITRE ATT&CK besides.
        """
        names, starts, ends = self.plan.names, self.start, self.end
        return [
            {
                "entity": names[self.entity[row]],
                "kind": self.kinds[self.kind[row]],
                "start": int(starts[row]),
                "end": int(ends[row]),
                **({"technique": ATTACKS[self.kinds[self.kind[row]]].technique} if self.plan.attacks else {}),
                **{name: float(column[row]) for name, column in self.effects.items()},
            }
            for row in range(len(self))
        ]

    def grid(self, effect: str, missing: float) -> NDArray[np.float64]:
        """An effect per entity and interval, (entities, intervals); `missing` where no episode is."""
        cells = np.full((self.plan.entities, self.plan.intervals), missing)
        for row, value in enumerate(self.effects[effect]):
            cells[self.entity[row], self.first[row] : self.last[row] + 1] = value
        return cells

    def anomalous(self) -> NDArray[np.bool_]:
        """Which intervals are anomalous, (entities, intervals)."""
        cells = np.zeros((self.plan.entities, self.plan.intervals), np.bool_)
        for entity, first, last in zip(self.entity, self.first, self.last, strict=True):
            cells[entity, first : last + 1] = True
        return cells


def schedule(plan: Plan) -> Truth:
    """Draw the episodes of a plan: the wished share of every entity's intervals, kinds in equal parts."""
    rng = np.random.default_rng([plan.seed, _SCHEDULE])
    spans = [_spans(plan, rng) for _ in range(plan.entities)]
    entity = np.repeat(np.arange(plan.entities), [len(firsts) for firsts, _ in spans])
    first = np.concatenate([firsts for firsts, _ in spans])
    lengths = np.concatenate([span for _, span in spans])
    kinds = plan.attacks or (HOST_KINDS if plan.profile == "host" else SERVICE_KINDS)
    kind = _equal_parts(len(entity), len(kinds), rng)
    effects = _effects(plan, kind, rng)
    return Truth(plan, kinds, entity, kind, first, first + lengths - 1, effects)


def _effects(plan: Plan, kind: NDArray[np.int64], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    if plan.attacks:
        return strengths(plan.attacks, kind, rng) if plan.profile == "host" else flood_of_lines(kind, rng)
    return host_effects(kind, rng) if plan.profile == "host" else service_effects(kind, rng)


def _spans(plan: Plan, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First intervals and lengths of one entity's episodes, apart from each other where there is room."""
    lengths = _lengths(round(plan.anomaly_rate * plan.intervals), plan.episode, rng)
    count = len(lengths)
    free = plan.intervals - int(lengths.sum())
    apart = min(plan.episode[1], free // (count + 1))  # as long as the longest episode: each has time to be over
    slack = free - apart * (count + 1)
    cuts = np.sort(rng.integers(0, slack + 1, count))
    return np.cumsum(lengths) - lengths + apart * np.arange(1, count + 1) + cuts, lengths


def _lengths(total: int, episode: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Random lengths within MIN:MAX that add up to the total, or as near as whole episodes allow."""
    shortest, longest = episode
    most = total // shortest
    least = -(-total // longest)
    if total == 0 or most < least:
        return np.full(min(most, least), longest, np.int64)
    count = min(max(round(2 * total / (shortest + longest)), least), most)
    lengths = rng.integers(shortest, longest + 1, count)
    while (missing := total - int(lengths.sum())) != 0:
        movable = np.flatnonzero(lengths < longest if missing > 0 else lengths > shortest)
        lengths[rng.permutation(movable)[: abs(missing)]] += np.sign(missing)
    return lengths


def _equal_parts(count: int, kinds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` kinds in random order; how often two kinds occur differs by one at most."""
    rounds = [rng.permutation(kinds) for _ in range(-(-count // kinds))]
    return np.concatenate([*rounds, np.empty(0, np.int64)])[:count]


def service_effects(kind: NDArray[np.int64], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """How strong each episode is: `error_rate` is set (NaN: normal), `latency` and `traffic` are factors."""
    count = len(kind)
    error_rate = rng.uniform(0.05, 0.25, count)
    latency = rng.uniform(3, 10, count)
    spike = rng.uniform(5, 20, count)
    drop = 1 - rng.uniform(0.80, 0.95, count)
    # A combined anomaly is two of errors, latency and traffic, or all three; traffic rises or falls.
    left_out = rng.integers(0, 4, count)
    rises = rng.random(count) < 0.5
    combined = kind == SERVICE_KINDS.index("combined")
    has_errors = (kind == SERVICE_KINDS.index("error_rate")) | (combined & (left_out != 0))
    has_latency = (kind == SERVICE_KINDS.index("latency")) | (combined & (left_out != 1))
    has_spike = (kind == SERVICE_KINDS.index("traffic_spike")) | (combined & (left_out != 2) & rises)
    has_drop = (kind == SERVICE_KINDS.index("traffic_drop")) | (combined & (left_out != 2) & ~rises)
    return {
        "error_rate": np.where(has_errors, error_rate, np.nan),
        "latency": np.where(has_latency, latency, 1.0),
        "traffic": np.where(has_spike, spike, np.where(has_drop, drop, 1.0)),
    }


def host_effects(kind: NDArray[np.int64], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """How strong each episode is, 0 … 1 on the scale of what it strains (`workers.sources.synthetic.hosts`)."""
    strength = rng.uniform(0.6, 1.0, len(kind))
    return {name: np.where(kind == number, strength, 0.0) for number, name in enumerate(HOST_KINDS)}
