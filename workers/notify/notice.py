"""What there is to tell: an incident or group event in the one shape that rules and payloads work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from models.severity import NAMES
from schemas.ids import stable_id

SEVERITIES = tuple(name for name in NAMES if name)
RANKS: Mapping[str, int] = {name: rank for rank, name in enumerate(SEVERITIES, 1)}

OVER = frozenset({"RESOLVE", "CLOSED"})
"""Types of events after which there is no trouble any more."""
SUPPRESS = "SUPPRESS"
SILENCE = "silence"

_NAMED = 3
_LATEST = 253_402_300_800_000_000
"""The year 10000, epoch microseconds: what RFC 3339 cannot write."""
_TIMES = ("time", "first_anomalous_at", "opened_at", "last_anomalous_at", "resolved_at")


@dataclass(frozen=True, slots=True)
class Notice:
    """One event. `key` is what pages are told apart by: the incident's or the group's id. Times: epoch microseconds.

    Of a group, `entity` is its likeliest root cause, and `entities` are all of it.
    """

    id: str
    key: str
    of: Literal["incidents", "groups"]
    type: str
    time: int
    sequence: int
    severity: str
    entity: str
    entities: Sequence[str]
    profile: str
    cause: str
    regular: bool
    fingerprint: str
    opened_at: int
    first_anomalous_at: int
    last_anomalous_at: int
    resolved_at: int | None
    occurrence_count: int
    window_count: int
    reason: str
    impact: str
    recommendation: str
    contributions: Sequence[Mapping[str, Any]] = ()
    root_causes: Sequence[Mapping[str, Any]] = ()
    incident_ids: Sequence[str] = ()
    confidence: float | None = None

    @property
    def over(self) -> bool:
        return self.type in OVER

    @property
    def ended_at(self) -> int:
        """When the trouble was over; of an event that does not end it, its own time."""
        return self.time if self.resolved_at is None else self.resolved_at


def rank(severity: str) -> int:
    """Of a severity that nobody knows, the lowest: it pages rather than not."""
    return RANKS.get(severity, 1)


def impossible_time(event: Mapping[str, Any]) -> str | None:
    """The name of a time that cannot be told to anyone; None where all can."""
    for name in _TIMES:
        time = event.get(name)
        if time is not None and not 0 <= time < _LATEST:
            return name
    return None


def of_incident(event: Mapping[str, Any]) -> Notice:
    """A decoded `IncidentEvent`."""
    return Notice(
        id=event["id"],
        key=event["incident_id"],
        of="incidents",
        type=event["type"],
        time=event["time"],
        sequence=event["sequence"],
        severity=event["severity"],
        entity=event["entity"],
        entities=[event["entity"]],
        profile=event["profile"],
        cause=event["cause"],
        regular=event["regular"],
        fingerprint=event["fingerprint_id"],
        opened_at=event["opened_at"],
        first_anomalous_at=event["first_anomalous_at"],
        last_anomalous_at=event["last_anomalous_at"],
        resolved_at=event["resolved_at"],
        occurrence_count=event["occurrence_count"],
        window_count=event["window_count"],
        reason=event["reason"],
        impact=event["impact"],
        recommendation=event["recommendation"],
        contributions=event["contributions"],
        incident_ids=[event["incident_id"]],
        confidence=event["confidence"],
    )


def of_group(event: Mapping[str, Any]) -> Notice:
    """A decoded `GroupEvent`; one that does not say when the group began began with its first event."""
    entities, causes = list(event["entities"]), list(event["root_causes"])
    first = causes[0]["entity"] if causes else entities[0] if entities else event["group_id"]
    return Notice(
        id=stable_id(event["group_id"], event["sequence"]),
        key=event["group_id"],
        of="groups",
        type=event["type"],
        time=event["time"],
        sequence=event["sequence"],
        severity=event["severity"],
        entity=first,
        entities=entities or [first],
        profile="",
        cause=event.get("cause", "deviation"),
        regular=event.get("regular", True),
        fingerprint=event["group_id"],
        opened_at=event.get("opened_at") or event["time"],
        first_anomalous_at=event.get("opened_at") or event["time"],
        last_anomalous_at=event["time"],
        resolved_at=event.get("resolved_at"),
        occurrence_count=1,
        window_count=len(event["incident_ids"]),
        reason=event.get("reason") or _in_trouble(entities or [first]),
        impact=f"It probably began with {first}: {causes[0]['reason']}" if causes else "",
        recommendation=f"Look at {first} first." if causes else "",
        root_causes=causes,
        incident_ids=list(event["incident_ids"]),
    )


def _in_trouble(entities: Sequence[str]) -> str:
    named = ", ".join(entities[:_NAMED])
    more = len(entities) - _NAMED
    return f"{len(entities)} in trouble at the same time: {named}" + (f" and {more} more." if more > 0 else ".")
