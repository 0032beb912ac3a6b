"""Forgetting: closed incidents by event time, a bounded number at a time; and all of one entity."""

from __future__ import annotations

from sqlalchemy import Connection, delete, exists, select

from workers.history.schema import entities, incident_events, incidents

DAY = 86_400_000_000


def forget(connection: Connection, before: int, most: int) -> int:
    """Delete up to `most` incidents that closed before a time (epoch microseconds), their events, and entities of
    which nothing is left. Returns how many incidents went: fewer than `most` means that all are gone.
    """
    oldest = select(incidents.c.incident_id).where(incidents.c.closed_at < before)
    chosen = list(connection.scalars(oldest.order_by(incidents.c.closed_at).limit(most)))
    if chosen:
        for table in (incident_events, incidents):
            connection.execute(delete(table).where(table.c.incident_id.in_(chosen)))
    if len(chosen) < most:
        same = (incidents.c.entity == entities.c.entity, incidents.c.profile == entities.c.profile)
        left = exists().where(*same)
        connection.execute(delete(entities).where(entities.c.updated_at < before, ~left))
    return len(chosen)


def erase(connection: Connection, entity: str, until: int) -> int:
    """Delete an entity's incidents that opened before a time (epoch microseconds), with their events; how many."""
    mine = select(incidents.c.incident_id).where(incidents.c.entity == entity, incidents.c.opened_at < until)
    connection.execute(delete(incident_events).where(incident_events.c.incident_id.in_(mine)))
    gone = connection.execute(
        delete(incidents).where(incidents.c.entity == entity, incidents.c.opened_at < until)
    ).rowcount
    left = exists().where(incidents.c.entity == entity)
    connection.execute(delete(entities).where(entities.c.entity == entity, ~left))
    return int(gone)
