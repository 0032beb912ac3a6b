"""The tables of the history, as the newest migration leaves them.

Times are epoch microseconds on our side; PostgreSQL holds them as `timestamptz`, SQLite as integers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Micros(TypeDecorator[int]):
    """Epoch microseconds, as exact on PostgreSQL as on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "postgresql":
            return value
        return _EPOCH + timedelta(microseconds=value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        if isinstance(value, datetime):
            return (value - _EPOCH) // _MICROSECOND
        return None if value is None else int(value)


Document = JSON().with_variant(JSONB(), "postgresql")

metadata = MetaData()

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("fingerprint_id", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("highest_severity", Text, nullable=False),
    Column("highest_rank", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("regular", Boolean, nullable=False),
    Column("first_anomalous_at", Micros, nullable=False),
    Column("opened_at", Micros, nullable=False),
    Column("last_anomalous_at", Micros, nullable=False),
    Column("resolved_at", Micros),
    Column("closed_at", Micros),
    Column("updated_at", Micros, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("reopenings", BigInteger, nullable=False),
    Column("occurrence_count", BigInteger, nullable=False),
    Column("window_count", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("impact", Text, nullable=False),
    Column("recommendation", Text, nullable=False),
    Column("contributions", Document, nullable=False),
)
"""One row an incident: what its event of the highest `sequence` says, and what is so over all of its events.

`updated_at` is that event's time. `highest_severity` (and its rank, 1 to 4) and `reopenings` are over all events.
"""

incident_events = Table(
    "incident_events",
    metadata,
    Column("incident_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", Micros, nullable=False),
    Column("score_id", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("regular", Boolean, nullable=False),
    Column("first_anomalous_at", Micros, nullable=False),
    Column("opened_at", Micros, nullable=False),
    Column("last_anomalous_at", Micros, nullable=False),
    Column("resolved_at", Micros),
    Column("closed_at", Micros),
    Column("occurrence_count", BigInteger, nullable=False),
    Column("window_count", BigInteger, nullable=False),
    Column("rule", Document, nullable=False),
    Column("reason", Text, nullable=False),
    Column("impact", Text, nullable=False),
    Column("recommendation", Text, nullable=False),
    Column("contributions", Document, nullable=False),
    PrimaryKeyConstraint("incident_id", "sequence"),
)
"""Every event; entity, profile and fingerprint are the incident's."""

entities = Table(
    "entities",
    metadata,
    Column("entity", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("updated_at", Micros, nullable=False),
    PrimaryKeyConstraint("entity", "profile"),
)
"""Who ever had an incident in which profile, and the time of the latest event: a pattern is looked for here, not in a
million rows."""

_NEWEST = (incidents.c.opened_at, incidents.c.incident_id)

BY_TIME = Index(
    "incidents_by_time",
    *_NEWEST,
    incidents.c.highest_rank,
    incidents.c.state,
    incidents.c.profile,
    incidents.c.entity,
    incidents.c.fingerprint_id,
)
"""Holds all that can be asked for, so that no question, whatever it combines, has to read the rows it leaves out."""

BY_ENTITY = Index("incidents_by_entity", incidents.c.entity, *_NEWEST)
BY_PROFILE = Index("incidents_by_profile", incidents.c.profile, *_NEWEST)
BY_STATE = Index("incidents_by_state", incidents.c.state, *_NEWEST)
BY_SEVERITY = Index("incidents_by_severity", incidents.c.highest_rank, *_NEWEST)
BY_FINGERPRINT = Index("incidents_by_fingerprint", incidents.c.fingerprint_id, *_NEWEST)
BY_CLOSING = Index("incidents_by_closing", incidents.c.closed_at)
