"""How often the ranking of root causes names the cause, beside simple rules, and what a ranking costs.

    python -m bench.root_cause [FOLDER] [--show]

On incidents with a known cause: made-up call graphs, and the tables of FOLDER where one is given (their form is told in
bench/incident_cases.py). Each figure is top-1 / top-3 / mean reciprocal rank; a cause that is not ranked counts as 0.
`--show` prints each incident of the folder with its first candidates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.incident_cases import Case, read_cases
from bench.machine import describe
from models.root_cause.evidence import Evidence, Symptoms
from models.root_cause.kinds import PASSED_ON, Kind, kind_of
from models.root_cause.ranking import Candidate, rank
from tests.models.root_cause.call_graphs import FAULTS, WINDOW_US, incident

SEEDS = 200
SIZES = (100, 1_000, 10_000, 100_000)

Rule = Callable[[Case], Sequence[str]]


def ranked(case: Case, graph: bool = True, costs: bool = True, told: bool = True) -> list[Candidate]:
    unknown = np.full(len(case.evidence.cost), np.nan)
    return rank(
        case.entities,
        case.evidence if costs else replace(case.evidence, cost=unknown),
        case.calls if graph else (),
        noticed=_noticed(case) if told else None,
        window_us=case.window_us,
    )


def largest_score(case: Case) -> list[str]:
    return _largest(case, Symptoms.of(len(case.entities), case.evidence).score.max(axis=1))


def largest_cost(case: Case) -> list[str]:
    """Of the kind that was noticed."""
    return _largest(case, Symptoms.of(len(case.entities), case.evidence).cost[:, _noticed(case) or Kind.LATENCY])


def deepest(case: Case) -> list[str]:
    """Entities with a symptom that calls pass on, and whose callees have none of the same kind, by their scores."""
    symptoms = Symptoms.of(len(case.entities), case.evidence)
    place = {name: at for at, name in enumerate(case.entities)}
    value = np.zeros(len(place))
    for kind in PASSED_ON:
        score = symptoms.score[:, kind]
        callers = [place[a] for a, b in case.calls if a in place and b in place and score[place[b]] > 0.0 and a != b]
        score[callers] = 0.0
        value = np.maximum(value, score)
    return _largest(case, value)


def at_random(case: Case) -> list[str]:
    rng = np.random.default_rng(list(f"{case.source} {case.name}".encode()))
    return [case.entities[at] for at in rng.permutation(len(case.entities)).tolist()]


RULES: dict[str, Rule] = {
    "ranking": lambda case: _names(ranked(case)),
    "not told what was noticed": lambda case: _names(ranked(case, told=False)),
    "scores alone, no costs": lambda case: _names(ranked(case, costs=False)),
    "no call graph": lambda case: _names(ranked(case, graph=False)),
    "largest score": largest_score,
    "largest cost": largest_cost,
    "deepest affected": deepest,
    "at random": at_random,
}


def figures(cases: Iterable[Case], rule: Rule) -> str:
    found = [_reciprocal(rule(case), case.cause) for case in cases]
    ranks = np.array(found)
    return f"{np.mean(ranks == 1.0):.2f} / {np.mean(ranks >= 1 / 3):.2f} / {np.mean(ranks):.2f}"


def judge(title: str, groups: dict[str, list[Case]]) -> None:
    """One table: a line a rule, a column a group of cases."""
    print(f"\n{title}: top-1 / top-3 / mean reciprocal rank")
    print(f"{'':28}" + "".join(f"{name + f' ({len(cases)})':>24}" for name, cases in groups.items()))
    for name, rule in RULES.items():
        print(f"{name:28}" + "".join(f"{figures(cases, rule):>24}" for cases in groups.values()), flush=True)


def synthetic() -> list[Case]:
    """Incidents in graphs of 30 services, two of which have troubles of their own; 15 % of the values are missing."""
    cases = []
    for seed in range(SEEDS):
        one = incident(seed)
        name, metric = f"incident {seed}", _largest_metric(one.evidence)
        cases.append(
            Case("synthetic", name, one.fault, metric, one.entities, one.evidence, one.calls, WINDOW_US, one.cause)
        )
    return cases


def cost_of(size: int) -> str:
    """Time of a ranking where every entity is affected, and has five callees on average."""
    rng = np.random.default_rng(0)
    names = [f"entity-{number:06d}" for number in range(size)]
    score, place = rng.uniform(1.0, 5.0, 2 * size), np.tile(np.arange(size), 2)
    metrics = ["latency_ms"] * size + ["errors_ratio"] * size
    onset = rng.integers(0, 10, 2 * size) * WINDOW_US
    evidence = Evidence(place, metrics, np.ones(2 * size, np.bool_), score, onset, score * 100.0)
    deep = rng.integers(0, size, (5 * size, 2))
    seconds = []
    for pairs in (np.sort(deep, axis=1), deep):  # callees behind their callers; then anywhere, which makes cycles
        calls = [(names[a], names[b]) for a, b in pairs.tolist()]
        start = time.perf_counter()
        rank(names, evidence, calls)
        seconds.append(time.perf_counter() - start)
    return f"{size:>9,} entities, {5 * size:>9,} calls: {seconds[0]:>8.3f} s, with cycles {seconds[1]:>8.3f} s"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folder", nargs="?", type=Path, help="incidents with a known cause, as in bench/incident_cases.py")
    ask.add_argument("--show", action="store_true", help="each incident of the folder with its candidates")
    asked = ask.parse_args()
    cases = list(read_cases(asked.folder)) if asked.folder is not None else []
    if asked.folder is not None and not cases:
        ask.error(f"{asked.folder} holds no *_issues.parquet")
    print(describe())
    made = synthetic()
    judge("made-up call graphs", {"all": made} | {fault: [c for c in made if c.part == fault] for fault in FAULTS})
    for source in sorted({case.source for case in cases}):
        mine = [case for case in cases if case.source == source]
        kinds = sorted({(case.part, case.metric) for case in mine})
        parts = {part: [c for c in mine if c.part == part] for part in sorted({part for part, _ in kinds})}
        each = {f"{p} {metric}": [c for c in mine if (c.part, c.metric) == (p, metric)] for p, metric in kinds}
        judge(source, {"all": mine} | parts | each)
    for case in cases if asked.show else ():
        print(f"\n{case.source} {case.name}, {case.metric}, caused by {case.cause}")
        for candidate in ranked(case)[:3]:
            print(f"  {candidate.share:.2f}  {candidate.entity}: {candidate.reason}")
    print("\na ranking, one core")
    for size in SIZES:
        print(cost_of(size), flush=True)


def _noticed(case: Case) -> Kind | None:
    return kind_of(case.metric, up=case.metric != "availability") if case.metric else None


def _largest(case: Case, value: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    order = sorted(np.flatnonzero(value > 0.0).tolist(), key=lambda at: (-value[at], case.entities[at]))
    return [case.entities[at] for at in order]


def _largest_metric(evidence: Evidence) -> str:
    return evidence.metric[int(np.argmax(evidence.score))]


def _names(candidates: list[Candidate]) -> list[str]:
    return [candidate.entity for candidate in candidates]


def _reciprocal(names: Sequence[str], cause: str) -> float:
    return 1.0 / (list(names).index(cause) + 1) if cause in names else 0.0


if __name__ == "__main__":
    main()
