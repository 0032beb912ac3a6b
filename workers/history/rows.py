"""What one incident event makes of the tables: pure functions of the event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.severity import NAMES
from workers.history.schema import incident_events, incidents

Event = Mapping[str, Any]
"""An `IncidentEvent` record as decoded, times in epoch microseconds."""

Row = dict[str, Any]

SEVERITIES = tuple(name or "" for name in NAMES)
RANKS = {name: rank for rank, name in enumerate(SEVERITIES)}

OPEN, FLAPPING, RESOLVED, CLOSED, SUPPRESSED = "open", "flapping", "resolved", "closed", "suppressed"
STATES = (OPEN, FLAPPING, RESOLVED, CLOSED, SUPPRESSED)

_STATE_AFTER = {"RESOLVE": RESOLVED, "CLOSED": CLOSED, "SUPPRESS": SUPPRESSED}

_EVENT_COLUMNS = tuple(column.name for column in incident_events.columns)
_OF_ITS_OWN = ("fingerprint_id", "entity", "profile")
_SHARED_COLUMNS = tuple(c.name for c in incidents.columns if c.name in (*_EVENT_COLUMNS, *_OF_ITS_OWN))


def event_row(event: Event) -> Row:
    """The event's row in `incident_events`."""
    return {name: event[name] for name in _EVENT_COLUMNS}


def incident_row(event: Event) -> Row:
    """The incident's row in `incidents`, were this its only event.

    What was held back by a rule has no CLOSED of its own: it is over with its event. Where the rule kept a resolved
    incident from reopening, that stays resolved and gets its CLOSED.
    """
    row = {name: event[name] for name in _SHARED_COLUMNS}
    state = _STATE_AFTER.get(event["type"], OPEN)
    if state == SUPPRESSED and event["resolved_at"] is not None:
        state = RESOLVED
    if state == SUPPRESSED:
        row["closed_at"] = event["closed_at"] if event["closed_at"] is not None else event["time"]
    return {
        **row,
        "state": state,
        "highest_severity": event["severity"],
        "highest_rank": RANKS.get(event["severity"], 0),
        "updated_at": event["time"],
        "reopenings": 0,
    }


def incident_rows(events: Iterable[Event]) -> list[Row]:
    """One row an incident: what its latest event says, with the highest severity among these events.

    By incident id: writers that meet in one table then never wait for each other in a circle.
    """
    rows: dict[str, Row] = {}
    for event in events:
        row, known = incident_row(event), rows.get(event["incident_id"])
        if known is None:
            rows[event["incident_id"]] = row
            continue
        latest, other = (row, known) if row["sequence"] > known["sequence"] else (known, row)
        if other["highest_rank"] > latest["highest_rank"]:
            latest |= {name: other[name] for name in ("highest_severity", "highest_rank")}
        rows[event["incident_id"]] = latest
    return [rows[incident] for incident in sorted(rows)]


def entity_rows(events: Iterable[Event]) -> list[Row]:
    """Each entity and profile with the time of its latest event, by name."""
    latest: dict[tuple[str, str], int] = {}
    for event in events:
        whose = event["entity"], event["profile"]
        latest[whose] = max(event["time"], latest.get(whose, event["time"]))
    return [{"entity": whose[0], "profile": whose[1], "updated_at": latest[whose]} for whose in sorted(latest)]


def storable(value: Any) -> Any:
    """The value as every database takes it: PostgreSQL knows no text with a NUL in it."""
    if isinstance(value, str):
        return value.replace("\0", "␀")
    if isinstance(value, dict):
        return {name: storable(inner) for name, inner in value.items()}
    return [storable(inner) for inner in value] if isinstance(value, list) else value
