"""What a group event says to people: how much is in trouble, since when, and who probably caused it."""

from __future__ import annotations

from collections.abc import Sequence

from models.root_cause.ranking import Candidate
from models.severity import NAMES as SEVERITIES
from workers.groups.group import Group, Kind
from workers.groups.step import Change
from workers.units import clock, duration, shown

_LIKELY, _POSSIBLE = 0.5, 0.2
"""From the first share on it probably began with an entity; below the second nobody is named."""


def sentence(change: Change, causes: Sequence[Candidate]) -> str:
    """A sentence or two; of a group of one incident, what that incident says itself."""
    group = change.group
    if group.incident_count == 1:
        return next(iter(group.members.values())).reason
    lasted = duration(change.time - group.opened_at)
    now = f"since {clock(group.opened_at)}.{_cause(group, causes)}"
    match change.kind:
        case Kind.RESOLVE:
            return f"All {_incidents(group)} are over, {lasted} after the first opened."
        case Kind.CLOSED:
            return f"All {_incidents(group)} are closed."
        case Kind.REOPEN:
            return f"Trouble is back: {_open(group)}.{_cause(group, causes)}"
        case Kind.ESCALATE:
            worse = f"from {SEVERITIES[change.before]} to {SEVERITIES[group.severity]}"
            return f"It got worse, {worse}: {_open(group)} {now}"
        case _:
            return f"{_begin(_open(group))} {now}"


def _incidents(group: Group) -> str:
    return f"{group.incident_count:,} incidents of {_entities(group.entity_count)}"


def _entities(count: int) -> str:
    return "one entity" if count == 1 else f"{count:,} entities"


def _open(group: Group) -> str:
    """`12 of 14 incidents of 9 entities are open (3 critical, 9 high)`."""
    ranks = [f"{count:,} {SEVERITIES[rank]}" for rank, count in enumerate(group.open_by_rank) if count][::-1]
    every = group.open_count == group.incident_count
    share = f"all {_incidents(group)}" if every else f"{group.open_count:,} of {_incidents(group)}"
    return f"{share} {'is' if group.open_count == 1 else 'are'} open ({', '.join(ranks)})"


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cause(group: Group, causes: Sequence[Candidate]) -> str:
    if not causes or group.entity_count == 1 or causes[0].share < _POSSIBLE:
        return ""
    first = causes[0]
    how = "It probably began with" if first.share >= _LIKELY else "It may have begun with"
    return f" {how} {shown(first.entity)}: {first.reason[:1].lower()}{first.reason[1:]}"
