"""Which of a group's entities probably caused the others' trouble, from what the incidents say of themselves."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from models.root_cause.evidence import Evidence, cost
from models.root_cause.kinds import PASSED_ON, SILENCE, kind_of
from models.root_cause.ranking import Candidate, rank
from workers.groups.group import SILENCE as BY_SILENCE
from workers.groups.group import Group, Member
from workers.groups.links import Links
from workers.groups.policy import Policy

Row = tuple[int, str, bool, float, int, float]


def root_causes(policy: Policy, links: Links, group: Group) -> list[Candidate]:
    """The most probable ones first; their shares are of a whole of 1 over all of the group's entities.

    Sought among the incidents that are open, or among all where none is. Empty where they say nothing.
    """
    members: Sequence[Member] = [m for m in group.members.values() if m.open] or list(group.members.values())
    if len(members) > policy.ranked:
        members = heapq.nsmallest(policy.ranked, members, key=lambda one: (one.first_anomalous_at, one.incident))
    entities = sorted({member.entity for member in members})
    places = {entity: place for place, entity in enumerate(entities)}
    rows = [row for member in members for row in _rows(places[member.entity], member)]
    calls = [call for call in links.calls if call[0] in places or call[1] in places] if len(entities) > 1 else []
    return rank(entities, Evidence.from_rows(rows), calls)[: policy.causes]


def _rows(place: int, member: Member) -> list[Row]:
    if member.cause == BY_SILENCE:
        return [(place, SILENCE, False, member.score, member.first_anomalous_at, float("nan"))]
    return [_row(place, member, one) for one in member.contributions]


def _row(place: int, member: Member, one: dict[str, object]) -> Row:
    metric, up, share = str(one["metric"]), one["direction"] == "up", one["share"]
    assert isinstance(share, float)
    return (place, metric, up, member.score * share, member.first_anomalous_at, _cost(member, metric, up, one))


def _cost(member: Member, metric: str, up: bool, one: dict[str, object]) -> float:
    """What it cost beyond the usual, where that adds up along calls and is known."""
    if kind_of(metric, up) not in PASSED_ON:
        return float("nan")
    actual, low, high = (_number(one[name]) for name in ("actual", "low", "high"))
    low = -np.inf if np.isnan(low) else low
    high = np.inf if np.isnan(high) else high
    found = cost(np.array([actual]), np.array([low]), np.array([high]), np.array([float(member.events)]))
    return float(found[0])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
