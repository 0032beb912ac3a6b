"""Why an entity is a candidate, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.root_cause.blame import Ways
from models.root_cause.calls import Calls
from models.root_cause.evidence import UNKNOWN, Evidence, Symptoms
from models.root_cause.kinds import PASSED_ON, Kind

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_ALSO = 0.5
"""A second symptom is named from this part of the first one's score on."""

_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """What speaks for an entity: `moves` are its one or two largest symptoms, each a noun and a verb, in the order of
    their scores, and `kind` is the first one's.

    `first` says that they began before anything else of the incident, by a window at least; `callers` is how many
    affected entities call it. `depends` is whether it calls affected ones itself, and `explained` the part of the first
    symptom that these cover; None where no calls are known at all.
    """

    kind: Kind
    moves: tuple[tuple[str, str], ...]
    first: bool
    callers: int
    depends: bool | None
    explained: float


def findings_of(symptoms: Symptoms, evidence: Evidence, graph: Calls, ways: Ways, window_us: int) -> list[Finding]:
    """Of each measured entity; `symptoms` are those that the graph shows."""
    score = symptoms.score[: graph.measured].copy()
    score[:, Kind.TRAFFIC] *= ~(score[:, : Kind.TRAFFIC] > 0.0).any(axis=1)  # named where there is nothing else
    order = np.argsort(-score, axis=1, kind="stable").tolist()
    onset = symptoms.onset[: graph.measured].min(axis=1)
    earliest = np.sort(onset)
    first = np.zeros(len(onset), np.bool_)
    if len(onset) > 1 and earliest[0] != UNKNOWN:
        first = (onset == earliest[0]) & (earliest[1] - earliest[0] >= window_us)
    callers = graph.affected_callers(symptoms)
    depends = np.bincount(graph.caller, minlength=graph.size) > 0
    found = []
    for at, kinds in enumerate(order):
        kind = Kind(kinds[0])
        named = [Kind(k) for k in kinds[:2] if score[at, k] >= _ALSO * score[at, kind]]
        found.append(
            Finding(
                kind=kind,
                moves=tuple(_move(one, evidence, int(symptoms.metric[at, one])) for one in named),
                first=bool(first[at]),
                callers=int(callers[at]),
                depends=bool(depends[at]) if len(graph.caller) else None,
                explained=float(ways.covered[at, kind]) if kind in PASSED_ON else 0.0,
            )
        )
    return found


def say(finding: Finding) -> str:
    """`Its errors rose first and three affected callers depend on it; nothing that it calls is affected.`"""
    text = _symptoms(finding) + (" first" if finding.first else "")
    if finding.callers:
        callers = _NUMBERS[finding.callers] if finding.callers < len(_NUMBERS) else f"{finding.callers:,}"
        one = finding.callers == 1
        text += f" and {callers} affected {'caller depends' if one else 'callers depend'} on it"
    if finding.depends is not None:
        text += f"; {_callees(finding)}"
    return f"{text}."


def _symptoms(finding: Finding) -> str:
    if finding.kind is Kind.SILENCE:
        return "It fell silent"
    (noun, verb), *others = finding.moves
    if not others:
        return f"Its {noun} {verb}"
    also, how = others[0]
    return f"Its {noun} and {also} {verb}" if how == verb else f"Its {noun} {verb}, {also} {how}"


def _move(kind: Kind, evidence: Evidence, row: int) -> tuple[str, str]:
    verb = "rose" if evidence.up[row] else "fell"
    match kind:
        case Kind.LATENCY:
            return "latency", "rose"
        case Kind.ERRORS:
            return "errors", "rose"
        case Kind.SILENCE:
            return "signs of life", "ended"
        case Kind.TRAFFIC:
            return "traffic", verb
        case _:
            name = " ".join("".join(c if c.isprintable() else " " for c in evidence.metric[row]).split())
            return (name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"), verb


def _callees(finding: Finding) -> str:
    if not finding.depends:
        return "nothing that it calls is affected"
    if finding.kind is Kind.SILENCE:
        return "it calls others that are affected"
    if finding.explained > 0.0:
        return f"what it calls explains {finding.explained:.0%} of it"
    return "what it calls is affected in another way"
