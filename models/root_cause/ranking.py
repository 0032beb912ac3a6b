"""Which entity of an incident probably caused it, with a share of the blame each and a sentence why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.root_cause.blame import Ways, settle, start, weigh_onsets
from models.root_cause.calls import Calls
from models.root_cause.evidence import Evidence, Symptoms
from models.root_cause.kinds import Kind
from models.root_cause.sentences import findings_of, say

WINDOW_US = 60_000_000
"""Width of the windows that onsets were read from, where nothing else is said: a minute."""

_DIGITS = 9
"""Shares are equal, and names decide, where they differ by less than the walk leaves undone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity that may have caused an incident; the shares of all candidates sum to 1."""

    entity: str
    share: float
    reason: str


def rank(
    entities: Sequence[str],
    evidence: Evidence,
    calls: Iterable[tuple[str, str]] = (),
    *,
    noticed: Kind | None = None,
    window_us: int = WINDOW_US,
) -> list[Candidate]:
    """All entities with symptoms, the most probable cause first, equal ones by name.

    `entities` are all that were measured in the incident, with or without evidence. `calls` are (caller, callee) pairs,
    cycles allowed; an entity that only they name is not measured, and is looked through. Without calls the evidence of
    each entity has to speak for itself. `noticed` is the kind of symptom that the incident is about, where that is
    known; `window_us` the width of the windows that onsets were read from. The order of entities, evidence and calls
    changes nothing, nor does an entity without symptoms. Raises ValueError for entities named twice, for evidence of
    others, and for windows without width.

    Cost: per round of the walk a few passes over the calls between entities with symptoms, and as many rounds as calls
    are deep (at most about 400, around cycles).
    """
    if len(set(entities)) != len(entities):
        raise ValueError("an entity of the incident is named twice")
    if window_us <= 0:
        raise ValueError(f"window_us must be above 0, not {window_us}")
    everyone = Symptoms.of(len(entities), evidence)
    affected = sorted((entities[place], place) for place in np.flatnonzero(everyone.any).tolist())
    if not affected:
        return []
    names = [name for name, _ in affected]
    symptoms = everyone.take(np.array([place for _, place in affected], np.int64))
    places = {name: place for place, name in enumerate(names)}
    unaffected = set(entities) - places.keys()
    graph = Calls.of(places, (pair for pair in calls if unaffected.isdisjoint(pair)))
    shown = graph.look_through(symptoms)
    ways = Ways.of(shown, graph, weigh_onsets(shown, graph, window_us))
    begin = np.zeros_like(shown.score)
    begin[: len(names)] = start(symptoms, noticed)
    share = settle(begin, ways, graph)[: len(names)]
    share /= share.sum()
    findings = findings_of(shown, evidence, graph, ways, window_us)
    order = np.lexsort((np.arange(len(names)), -np.round(share, _DIGITS)))
    return [Candidate(names[at], float(share[at]), say(findings[at])) for at in order.tolist()]
