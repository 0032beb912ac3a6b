"""Incident events as the incidents worker writes them, databases to put them into, and what then lies there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import select

from schemas.records import encode
from tests.workers.incidents.given import NOON, events, outputs_of, run_of
from workers.history.database import open_engine
from workers.history.migrating import upgrade
from workers.history.rows import Event
from workers.history.schema import entities, incident_events, incidents
from workers.history.writing import write
from workers.incidents.policy import Policy
from workers.runtime.records import Records

HASTY = Policy(open_windows=1, resolve_windows=1, flap_reopens=2, flap_resolve_windows=2, close_after=60_000_000)
"""Incidents open, resolve and come back within a few windows."""

FLAP_REOPENS = HASTY.flap_reopens

Tables = dict[str, list[tuple[Any, ...]]]


def lives(marks: str, entity: str = "checkout", **fields: Any) -> list[Event]:
    """The events of an entity whose windows are as marked (see `tests.workers.incidents.given.run_of`)."""
    return list(events(outputs_of(run_of(marks, entity=entity, **fields), HASTY)))


def records(values: Sequence[Event | bytes | None], progress: Sequence[int] = (), form: Any = "json") -> Records:
    """Events (or bytes) as records; behind them, records that tell of progress alone."""
    encoded = [encode("IncidentEvent", [one], form)[0] if isinstance(one, Mapping) else one for one in values]
    told = [(("faultline-progress", b"%d" % time),) for time in progress]
    n = len(encoded) + len(told)
    return Records(
        "incidents",
        1,
        np.arange(n, dtype=np.int64) * 2,
        np.full(n, NOON, np.int64),
        [b"checkout"] * len(encoded) + [None] * len(told),
        [*encoded, *([b"{}"] * len(told))],
        [*([None] * len(encoded)), *told],
    )


def written(url: str, batches: Sequence[Sequence[Event]]) -> Tables:
    """What lies in the tables after these batches."""
    engine = open_engine(url)
    upgrade(engine, "here")
    for batch in batches:
        with engine.begin() as connection:
            write(connection, batch, FLAP_REOPENS)
    engine.dispose()
    return tables(url)


def tables(url: str) -> Tables:
    """Every row of every table, by its key."""
    engine = open_engine(url, read_only=True)
    with engine.begin() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in (incidents, incident_events, entities)
        }
    engine.dispose()
    return found


def column(url: str, name: str) -> dict[str, Any]:
    """One column of `incidents`, by incident."""
    place = [one.name for one in incidents.columns].index(name)
    return {row[0]: row[place] for row in tables(url)["incidents"]}
