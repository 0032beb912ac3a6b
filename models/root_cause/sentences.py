"""Why an entity is a candidate, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.root_cause.blame import Ways
from models.root_cause.calls import Calls
from models.root_cause.evidence import UNKNOWN, Evidence, Symptoms, Values
from models.root_cause.kinds import PASSED_ON, Kind

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Finding:
    """What speaks for an entity: its largest symptom of `kind`, how it stands in time (`first` of all by more than a
    window) and among the others. `explained` is the part of the symptom that its callees cover, `calls` whether any
    callee of it is affected.
    """

    kind: Kind
    metric: str
    up: bool
    first: bool
    callers: int
    calls: bool
    explained: float
    graph: bool


def findings_of(symptoms: Symptoms, evidence: Evidence, graph: Calls, ways: Ways, window_us: int) -> list[Finding]:
    """Of each measured entity; `symptoms` are those that the graph shows."""
    kinds = _main_kinds(symptoms.score[: graph.measured])
    onset = symptoms.onset[: graph.measured].min(axis=1)
    earliest = np.sort(onset)
    first = np.zeros(len(onset), np.bool_)
    if len(onset) > 1 and earliest[0] != UNKNOWN:
        first = (onset == earliest[0]) & (earliest[1] - earliest[0] >= window_us)
    callers = graph.affected_callers(symptoms)
    calls = np.bincount(graph.caller, minlength=graph.size) > 0
    found = []
    for at, kind in enumerate(kinds):
        row = int(symptoms.metric[at, kind])
        found.append(
            Finding(
                kind=kind,
                metric=evidence.metric[row],
                up=bool(evidence.up[row]),
                first=bool(first[at]),
                callers=int(callers[at]),
                calls=bool(calls[at]),
                explained=float(ways.covered[at, kind]) if kind in PASSED_ON else 0.0,
                graph=len(graph.caller) > 0,
            )
        )
    return found


def say(finding: Finding) -> str:
    """`Its errors rose first and three affected callers depend on it; nothing that it calls is affected.`"""
    text = f"{_symptom(finding)}{' first' if finding.first else ''}"
    if finding.callers:
        callers = _NUMBERS[finding.callers] if finding.callers < len(_NUMBERS) else f"{finding.callers:,}"
        one = finding.callers == 1
        text += f" and {callers} affected {'caller depends' if one else 'callers depend'} on it"
    if finding.graph:
        text += f"; {_callees(finding)}"
    return f"{text}."


def _symptom(finding: Finding) -> str:
    match finding.kind:
        case Kind.LATENCY:
            return "Its latency rose"
        case Kind.ERRORS:
            return "Its errors rose"
        case Kind.SILENCE:
            return "It fell silent"
        case Kind.LESS_TRAFFIC:
            return "Its traffic fell, which is more often an effect than a cause,"
        case _:
            return f"Its {' '.join(finding.metric.split())} {'rose' if finding.up else 'fell'}"


def _callees(finding: Finding) -> str:
    if not finding.calls:
        return "nothing that it calls is affected"
    if finding.kind is Kind.SILENCE:
        return "it calls others that are affected"
    if finding.explained > 0.0:
        return f"what it calls explains {finding.explained:.0%} of it"
    return "what it calls is affected in another way"


def _main_kinds(score: Values) -> list[Kind]:
    """The kind with the largest score; less traffic only where there is nothing else."""
    score = score.copy()
    score[:, Kind.LESS_TRAFFIC] *= ~(score[:, : Kind.LESS_TRAFFIC] > 0.0).any(axis=1)
    return [Kind(number) for number in score.argmax(axis=1).tolist()]
