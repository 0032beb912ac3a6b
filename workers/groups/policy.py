"""The rules of grouping as numbers: frozen, taken from the settings once, times in microseconds of event time."""

from __future__ import annotations

from dataclasses import dataclass

from workers.settings import GroupsSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """When an incident joins a group, and how often a group reports."""

    join_within: int = 300_000_000
    """Incidents of entities whose calls are not known belong together when they open so close to the group's first."""
    hops: int = 2
    """Entities so many calls apart belong together while the group is open."""
    continue_every: int = 60_000_000
    """A group that only grew, shrank or eased reports at most this often."""
    listed: int = 200
    """At most so many incidents and entities are named in a group's events; all are counted."""
    causes: int = 5
    """At most so many probable root causes are named."""
    ranked: int = 2_000
    """Root causes are sought among so many incidents, those that began first."""

    @classmethod
    def of(cls, settings: GroupsSettings) -> Policy:
        return cls(
            join_within=settings.join_within_ms * 1000,
            hops=settings.hops,
            continue_every=settings.continue_every_ms * 1000,
        )
