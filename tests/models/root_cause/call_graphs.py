"""Made-up incidents in made-up call graphs, whose cause is known: what a ranking of root causes is judged by.

Services call services further down, now and then back up. A request waits for its own work and for its calls, one after
the other or side by side, and fails by its own fault or because a call failed that nothing made good. The fault is put
into one service; everything else follows from the calls. Windows are a minute wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.root_cause.evidence import Evidence, cost
from models.root_cause.kinds import SILENCE

Values = NDArray[np.float64]

WINDOW_US = 60_000_000
FAULTS = ("slow", "failing", "silent", "busy")
"""The cause takes longer; fails; sends and answers nothing; or uses up its processor, and takes longer for it."""

NORMAL, DURING = 60, 6
SPREADS = 3.0
TIMEOUT_MS, REFUSED_MS = 2_000.0, 50.0


@dataclass(frozen=True, slots=True)
class Incident:
    """`noticed` is the service where people see it: the entrance."""

    entities: list[str]
    calls: list[tuple[str, str]]
    evidence: Evidence
    cause: str
    fault: str
    noticed: str


@dataclass(frozen=True, slots=True)
class _System:
    names: list[str]
    rate: Values
    """(n, n) calls of j by a request of i."""
    own_ms: Values
    beside: NDArray[np.bool_]
    """(n,) whether calls run side by side."""
    heals: Values
    """(n,) which part of failed calls does no harm."""
    load: float


def incident(
    seed: int,
    services: int = 30,
    fault: str | None = None,
    *,
    missing: float = 0.15,
    forgotten: float = 0.0,
    elsewhere: int = 2,
    lag: int = 0,
) -> Incident:
    """One incident. `missing` of the values are not there, `forgotten` of the calls not in the graph, and `elsewhere`
    services have troubles of their own at about that time. Callers feel what their callees do `lag` windows later.
    """
    rng = np.random.default_rng([seed, services])
    system = _system(rng, services)
    fault = fault or FAULTS[seed % len(FAULTS)]
    reached = np.flatnonzero(_traffic(system) > 0.05 * system.load)
    cause = int(rng.choice(reached[reached > 0]))
    others = [int(i) for i in rng.permutation(services) if i not in (cause, 0)][:elsewhere]
    trouble = _Trouble(fault, cause, int(rng.integers(1, 3)), float(rng.uniform(0.3, 1.0)), others, lag)
    usual = _windows(rng, system, NORMAL)
    now = _windows(rng, system, DURING, trouble)
    edges = [(system.names[i], system.names[j]) for i, j in np.argwhere(system.rate > 0).tolist()]
    kept = [edge for edge in edges if rng.random() >= forgotten]
    evidence = _evidence(rng, usual, now, missing)
    return Incident(system.names, kept, evidence, system.names[cause], fault, system.names[0])


def _system(rng: np.random.Generator, n: int) -> _System:
    """Service 0 is the entrance; each other one is called by one to three of those before it."""
    rate = np.zeros((n, n))
    for j in range(1, n):
        for i in set(rng.integers(max(0, j // 4 - 1), j, size=int(rng.integers(1, 4))).tolist()):
            rate[i, j] = rng.uniform(0.2, 2.0)
    names = [f"service-{number:04d}" for number in rng.permutation(n).tolist()]
    return _System(
        names,
        rate,
        rng.lognormal(2.5, 1.0, n),
        rng.random(n) < 0.3,
        rng.uniform(0.0, 0.8, n),
        float(rng.uniform(1e2, 1e4)),
    )


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What goes wrong from window `begun` on; each of the others is slower than usual, for reasons of its own."""

    fault: str
    cause: int
    begun: int
    strength: float
    others: list[int]
    lag: int


def _traffic(system: _System, dead: int | None = None) -> Values:
    """(n,) requests of each in a window. A dead service calls nobody, though its callers still try."""
    traffic = np.zeros(len(system.names))
    traffic[0] = system.load
    for j in range(1, len(traffic)):
        traffic[j] = traffic @ system.rate[:, j]
        if j == dead:
            traffic[j] = 0.0
    return traffic


def _windows(
    rng: np.random.Generator, system: _System, count: int, trouble: _Trouble | None = None
) -> dict[str, Values]:
    """What `count` windows say of each service, (count, n) a metric; NaN where they say nothing."""
    n = len(system.names)
    own = system.own_ms * rng.lognormal(0.0, 0.03, (count, n))
    fails = rng.uniform(0.0, 0.004, (count, n))
    cpu = rng.normal(0.4, 0.02, (count, n))
    dead = np.zeros((count, n), np.bool_)
    traffic = np.tile(_traffic(system), (count, 1))
    if trouble is not None:
        for other in trouble.others:
            own[int(rng.integers(0, count)) :, other] *= rng.uniform(1.3, 2.0)
        at = (slice(trouble.begun, None), trouble.cause)
        if trouble.fault in ("slow", "busy"):
            own[at] += trouble.strength * (200.0 + 4.0 * own[at])
        if trouble.fault == "busy":
            cpu[at] = 0.95
        if trouble.fault == "failing":
            fails[at] += 0.3 * trouble.strength
        if trouble.fault == "silent":
            dead[at] = True
            traffic[trouble.begun :] = _traffic(system, trouble.cause)
    felt = np.maximum(np.arange(count) - (trouble.lag if trouble is not None else 0), 0)
    latency, error = own.copy(), fails.copy()
    for i in range(n - 1, -1, -1):
        below = np.flatnonzero(system.rate[i])
        if len(below) == 0:
            continue
        rate = system.rate[i, below]
        wait = rate * np.where(dead[:, below], REFUSED_MS, np.minimum(latency[:, below], TIMEOUT_MS))[felt]
        latency[:, i] += wait.max(axis=1) if system.beside[i] else wait.sum(axis=1)
        bad = np.maximum(error[:, below], dead[:, below] | (latency[:, below] > TIMEOUT_MS))[felt]
        unharmed = (1.0 - np.minimum(rate, 1.0) * bad * (1.0 - system.heals[i])).prod(axis=1)
        error[:, i] = 1.0 - (1.0 - error[:, i]) * unharmed
    events = rng.poisson(traffic).astype(np.float64)
    quiet = events == 0
    failed = rng.binomial(events.astype(np.int64), np.clip(error, 0.0, 1.0)) / np.maximum(events, 1.0)
    return {
        "latency_ms": np.where(quiet, np.nan, latency),
        "errors_ratio": np.where(quiet, np.nan, failed),
        "cpu_ratio": np.where(dead, np.nan, cpu),
        "events_count": events,
    }


def _evidence(
    rng: np.random.Generator, usual: Mapping[str, Values], now: Mapping[str, Values], missing: float
) -> Evidence:
    """What left three spreads around the usual value."""
    rows: list[tuple[int, str, bool, float, int, float]] = []
    events = now["events_count"]
    for metric, before in usual.items():
        during = now[metric]
        if metric != "events_count":
            during = np.where(rng.random(during.shape) < missing, np.nan, during)
        middle = np.nan_to_num(np.nanmedian(before, axis=0))
        least = {"latency_ms": 0.02 * middle, "errors_ratio": 1.0 / np.maximum(events.mean(axis=0), 1.0)}
        spread = np.maximum(1.4826 * np.nanmedian(np.abs(before - middle), axis=0), least.get(metric, 0.0))
        spread = np.maximum(spread, np.sqrt(np.maximum(middle, 1.0)) if metric == "events_count" else 1e-3)
        low, high = middle - SPREADS * spread, middle + SPREADS * spread
        beyond = np.nan_to_num(cost(during, low, high, np.ones_like(during)))
        lost = np.nan_to_num(cost(during, low, high, events)).sum(axis=0)
        for place in np.flatnonzero(beyond.sum(axis=0) > 0.0).tolist():
            worst, first = int(beyond[:, place].argmax()), int(np.argmax(beyond[:, place] > 0.0))
            score = min(beyond[worst, place] / (SPREADS * spread[place]), 10.0)
            silent = metric == "events_count" and during[worst, place] == 0.0
            priced = float(lost[place]) if metric in ("latency_ms", "errors_ratio") else float("nan")
            name = SILENCE if silent else metric
            rows.append((place, name, bool(during[worst, place] > high[place]), score, first * WINDOW_US, priced))
    return Evidence.from_rows(rows)
