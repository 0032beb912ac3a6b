"""What is remembered of an entity: its recent windows, its incident, and what happened to it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import StrEnum

from workers.incidents.feedback import Feedback
from workers.incidents.scores import Window


class Kind(StrEnum):
    """What an incident event says happened."""

    CREATE = "CREATE"
    CONTINUE = "CONTINUE"
    ESCALATE = "ESCALATE"
    RESOLVE = "RESOLVE"
    REOPEN = "REOPEN"
    CLOSED = "CLOSED"
    SUPPRESS = "SUPPRESS"


class Phase(StrEnum):
    """Where an incident is in its life. One that is `HELD` has not opened: feedback keeps it from that."""

    HELD = "held"
    OPEN = "open"
    FLAPPING = "flapping"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Ending(StrEnum):
    """Why an incident resolved."""

    CLEAN = "clean"
    RETIRED = "retired"
    ABANDONED = "abandoned"
    AGE = "age"


DEVIATION, SILENCE = "deviation", "silence"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule at work and how far it has come: `have` of `need` `name`, as in "2 of 3 clean windows"."""

    name: str
    have: int
    need: int

    def __str__(self) -> str:
        return f"{self.have} of {self.need} {self.name}"


@dataclass(slots=True)
class Incident:
    """One occurrence of trouble of one entity in one profile. Times are epoch microseconds; `severity` is a rank."""

    id: str
    fingerprint: str
    cause: str
    regular: bool
    severity: int
    phase: Phase
    first_anomalous_at: int
    """Start of the first anomalous window."""
    opened_at: int
    last_anomalous_at: int
    """End of the last anomalous window; minus `first_anomalous_at` it is the duration."""
    evidence: Window
    """The last anomalous window."""
    occurrence_count: int
    window_count: int
    resolved_at: int | None = None
    closed_at: int | None = None
    ending: Ending | None = None
    sequence: int = 0
    """The number of the next event."""
    written_at: int = 0
    """Time of the last event."""
    clean: int = 0
    """Clean windows in a row."""
    below: int = 0
    """Windows in a row below the incident's severity …"""
    below_top: int = 0
    """… and the highest rank among them."""
    reopens: int = 0
    held: bool = False
    """A SUPPRESS has said that feedback keeps this from opening or reopening, and it has not opened since."""


@dataclass(slots=True)
class Track:
    """An entity in one profile.

    `recent` holds the last n windows while no incident is open: the anomalous ones, None for the others. `incident` may
    be one that feedback holds back. A track without either is *idle*: clean scores do not change it.
    """

    last_end: int
    """End of the last window taken, epoch microseconds; nothing at or before it is taken again."""
    recent: list[Window | None] = field(default_factory=list)
    incident: Incident | None = None

    @property
    def idle(self) -> bool:
        return self.incident is None and not self.recent


@dataclass(frozen=True, slots=True)
class Change:
    """A step in an incident's life, with a copy of the incident as it was then.

    `time` (epoch microseconds) and `score_id` are of the score that caused it; `before` is the severity's rank before.
    `silent` says whether the entity was silent at that moment.
    """

    kind: Kind
    time: int
    score_id: str
    rule: Rule
    incident: Incident
    before: int
    silent: bool = False
    returned: bool = False
    """The entity was silent since the incident opened and now sends something that deviates."""
    since_resolved: int = 0
    """REOPEN: how long the incident had been resolved, microseconds."""
    held_by: Feedback | None = None
    """SUPPRESS: the rule that holds the incident back."""


def changed(
    kind: Kind,
    incident: Incident,
    time: int,
    score_id: str,
    rule: Rule,
    *,
    before: int,
    silent: bool = False,
    returned: bool = False,
    since: int = 0,
) -> Change:
    """The change that an incident has just gone through, with the next sequence number."""
    said = copy.copy(incident)
    incident.sequence += 1
    incident.written_at = time
    return Change(kind, time, score_id, rule, said, before, silent, returned, since)
