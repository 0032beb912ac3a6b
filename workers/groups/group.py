"""What is remembered: groups, the incidents in them that are not closed, and how both are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from models.severity import NAMES as SEVERITIES

RANKS = {name: rank for rank, name in enumerate(SEVERITIES)}

SILENCE = "silence"


class Kind(StrEnum):
    """What a group event says happened."""

    CREATE = "CREATE"
    CONTINUE = "CONTINUE"
    ESCALATE = "ESCALATE"
    RESOLVE = "RESOLVE"
    REOPEN = "REOPEN"
    CLOSED = "CLOSED"


@dataclass(slots=True)
class Member:
    """An incident of a group that is not closed. Times are epoch microseconds; `severity` is a rank."""

    incident: str
    group: str
    entity: str
    open: bool
    severity: int
    cause: str
    regular: bool
    first_anomalous_at: int
    score: float
    events: int
    contributions: list[dict[str, Any]]
    reason: str


@dataclass(slots=True)
class Group:
    """Incidents that belong together. It lives from its first incident to the end of its last."""

    id: str
    opened_at: int
    """Event time of its first incident's opening."""
    severity: int
    """What its last event said."""
    incidents: list[str] = field(default_factory=list)
    """In the order in which they came, the first few."""
    entities: list[str] = field(default_factory=list)
    incident_count: int = 0
    entity_count: int = 0
    sequence: int = 0
    """The number of the next event."""
    may_speak_at: int = 0
    """From when on it may say what can wait."""
    pending: bool = False
    """Something changed that no event has said yet."""
    silent: bool = True
    """None of its incidents was a deviation."""
    regular: bool = False
    resolved_at: int | None = None
    members: dict[str, Member] = field(default_factory=dict)
    """By incident id. Not written down with the group, like what follows from them:"""
    open_by_rank: list[int] = field(default_factory=lambda: [0] * len(SEVERITIES))
    """How many open members there are of each severity."""

    @property
    def open_count(self) -> int:
        return sum(self.open_by_rank)

    @property
    def worst(self) -> int | None:
        """The highest rank among open members; None where none is open."""
        return max((rank for rank, count in enumerate(self.open_by_rank) if count), default=None)

    def dump(self) -> dict[str, object]:
        names = [name for name in self.__slots__ if name not in ("members", "open_by_rank")]
        return {name: getattr(self, name) for name in names}


def load_group(values: Mapping[str, Any]) -> Group:
    """What `dump` was given."""
    return Group(**values)


def load_member(values: Mapping[str, Any]) -> Member:
    return Member(**values)
