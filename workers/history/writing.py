"""Events into rows, at least once, in any order: what comes again or late changes nothing it should not.

`incident_events` takes each (incident_id, sequence) once. In `incidents` a row is overwritten only by an event of a
higher sequence; the highest severity and the reopenings are over all events, whichever came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table, and_, bindparam, case, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from workers.history.rows import FLAPPING, OPEN, Event, Row, entity_rows, event_row, incident_rows
from workers.history.schema import entities, incident_events, incidents

_OF_ALL_EVENTS = ("highest_severity", "highest_rank", "reopenings", "state")
"""Columns of `incidents` that are not simply what the latest event says."""


def write(connection: Connection, events: Sequence[Event], flap_reopens: int) -> None:
    """All of these events, in the caller's transaction. `flap_reopens`: reopenings that make an incident flapping."""
    if not events:
        return
    connection.execute(_new_only(connection, incident_events), _by_key([event_row(event) for event in events]))
    connection.execute(_upsert(connection, flap_reopens), incident_rows(events))
    reopened = sorted({event["incident_id"] for event in events if event["type"] == "REOPEN"})
    if reopened:
        connection.execute(_recount(flap_reopens), [{"reopened": incident} for incident in reopened])
    connection.execute(_seen(connection), entity_rows(events))


def _by_key(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["incident_id"], row["sequence"]))


def _insert(connection: Connection, table: Table) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _new_only(connection: Connection, table: Table) -> Insert:
    insert: Insert = _insert(connection, table).on_conflict_do_nothing()
    return insert


def _upsert(connection: Connection, flap_reopens: int) -> Insert:
    insert = _insert(connection, incidents)
    new, old = insert.excluded, incidents.c
    newer, worse = new.sequence > old.sequence, new.highest_rank > old.highest_rank
    changes = {
        name: case((newer, new[name]), else_=old[name])
        for name in incidents.c.keys()  # noqa: SIM118 - a collection of columns, which iterates over them
        if name not in ("incident_id", *_OF_ALL_EVENTS)
    }
    state = case((and_(new.state == OPEN, old.reopenings >= flap_reopens), FLAPPING), else_=new.state)
    changes |= {
        "state": case((newer, state), else_=old.state),
        "highest_severity": case((worse, new.highest_severity), else_=old.highest_severity),
        "highest_rank": case((worse, new.highest_rank), else_=old.highest_rank),
    }
    upsert: Insert = insert.on_conflict_do_update(
        index_elements=[incidents.c.incident_id], set_=changes, where=or_(newer, worse)
    )
    return upsert


def _recount(flap_reopens: int) -> Any:
    """Count the reopenings of an incident anew, and say whether it is flapping."""
    counted = (
        select(func.count())
        .where(incident_events.c.incident_id == bindparam("reopened"), incident_events.c.type == "REOPEN")
        .scalar_subquery()
    )
    going_on = or_(incidents.c.state == OPEN, incidents.c.state == FLAPPING)  # many at once take no IN
    now = case((counted >= flap_reopens, FLAPPING), else_=OPEN)
    return (
        update(incidents)
        .where(incidents.c.incident_id == bindparam("reopened"))
        .values(reopenings=counted, state=case((going_on, now), else_=incidents.c.state))
    )


def _seen(connection: Connection) -> Insert:
    insert = _insert(connection, entities)
    upsert: Insert = insert.on_conflict_do_update(
        index_elements=[entities.c.entity, entities.c.profile],
        set_={"updated_at": insert.excluded.updated_at},
        where=insert.excluded.updated_at > entities.c.updated_at,
    )
    return upsert
