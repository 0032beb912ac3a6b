"""Incidents of the history as documents for machines and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.times import format_time
from workers.cli.tailing import shown_time
from workers.units import duration

Row = Mapping[str, Any]

TIMES = ("time", "first_anomalous_at", "opened_at", "last_anomalous_at", "resolved_at", "closed_at", "updated_at")
_FOR_QUERIES = ("highest_rank",)
"""Columns that say again what another one says."""

ID = 12
"""Characters of an id that tell it from others to a person; `show` takes as many as make it the only one."""


def document(row: Row) -> dict[str, Any]:
    """A row for a machine, its times in RFC 3339."""
    return {name: _plain(name, value) for name, value in row.items() if name not in _FOR_QUERIES}


def _plain(name: str, value: Any) -> Any:
    return format_time(value) if name in TIMES and value is not None else value


def event_document(incident: Row, event: Row) -> dict[str, Any]:
    """An event as it was on the topic."""
    return document(with_shared(incident, event))


def with_shared(incident: Row, event: Row) -> dict[str, Any]:
    """An event's row with what its incident's row holds for all of them."""
    return {**event, **{name: incident[name] for name in ("fingerprint_id", "entity", "profile")}}


COLUMNS = ("opened", "state", "severity", "entity", "profile", "lasted", "why", "id")


def line(row: Row, opening: str | None = None) -> tuple[object, ...]:
    """One incident in a table of `COLUMNS`; `opening`: what to say of one that is over instead of that it is."""
    severity = row["highest_severity"] if row["state"] in ("resolved", "closed", "suppressed") else row["severity"]
    return (
        shown_time(row["opened_at"]),
        row["state"],
        severity,
        row["entity"],
        row["profile"],
        lasted(row),
        opening or row["reason"],
        row["incident_id"][:ID],
    )


def lasted(row: Row) -> str:
    return duration(row["last_anomalous_at"] - row["first_anomalous_at"])


def facts(row: Row) -> Iterator[tuple[str, str]]:
    """What is said of an incident as a whole: name and value of each line."""
    highest = row["highest_severity"]
    severity = row["severity"] if highest == row["severity"] else f"{row['severity']}, at its worst {highest}"
    yield "incident", row["incident_id"]
    yield "entity", f"{row['entity']} ({row['profile']})"
    yield "state", row["state"]
    yield "severity", severity
    yield (
        "anomalous",
        f"{shown_time(row['first_anomalous_at'])} to {shown_time(row['last_anomalous_at'])}, {lasted(row)}",
    )
    yield "windows", f"{row['window_count']:,} anomalous"
    yield "opened", shown_time(row["opened_at"])
    if row["resolved_at"] is not None:
        yield "resolved", shown_time(row["resolved_at"])
    if row["closed_at"] is not None:
        yield "closed", shown_time(row["closed_at"])
    if row["reopenings"]:
        yield "reopened", f"{row['reopenings']:,} times"
    yield "cause", row["cause"] + ("" if row["regular"] else ", of an entity that does not report regularly")
    yield "fingerprint", f"{row['fingerprint_id']}, opening {row['occurrence_count']:,} of it in 90 days"
    for name in ("impact", "recommendation"):
        if row[name]:
            yield name, row[name]


EVENT_COLUMNS = ("#", "time", "event", "severity", "rule", "why", "contributions")


def event_line(event: Row) -> tuple[object, ...]:
    """One event in a table of `EVENT_COLUMNS`."""
    rule = event["rule"]
    parts = (f"{one['metric']} {one['direction']} {one['share'] or 0:.0%}" for one in event["contributions"])
    return (
        event["sequence"],
        shown_time(event["time"]),
        event["type"],
        event["severity"],
        f"{rule['have']:,} of {rule['need']:,} {rule['name']}",
        event["reason"],
        ", ".join(parts),
    )
