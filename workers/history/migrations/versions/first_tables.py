"""Incidents, their events, and the entities they are of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    time: Any = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
    document: Any = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

    def texts(*names: str) -> list[sa.Column[Any]]:
        return [sa.Column(name, sa.Text, nullable=False) for name in names]

    def life() -> list[sa.Column[Any]]:
        return [
            *(sa.Column(name, time, nullable=False) for name in ("first_anomalous_at", "opened_at")),
            sa.Column("last_anomalous_at", time, nullable=False),
            sa.Column("resolved_at", time),
            sa.Column("closed_at", time),
        ]

    def counts(*names: str) -> list[sa.Column[Any]]:
        return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]

    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Text, primary_key=True),
        *texts("fingerprint_id", "entity", "profile", "state", "severity", "highest_severity"),
        sa.Column("highest_rank", sa.Integer, nullable=False),
        *texts("cause"),
        sa.Column("regular", sa.Boolean, nullable=False),
        *life(),
        sa.Column("updated_at", time, nullable=False),
        *counts("sequence", "reopenings", "occurrence_count", "window_count"),
        *texts("reason", "impact", "recommendation"),
        sa.Column("contributions", document, nullable=False),
    )
    op.create_table(
        "incident_events",
        *texts("incident_id"),
        *counts("sequence"),
        *texts("id", "type"),
        sa.Column("time", time, nullable=False),
        *texts("score_id", "severity", "cause"),
        sa.Column("regular", sa.Boolean, nullable=False),
        *life(),
        *counts("occurrence_count", "window_count"),
        sa.Column("rule", document, nullable=False),
        *texts("reason", "impact", "recommendation"),
        sa.Column("contributions", document, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "sequence"),
    )
    op.create_table(
        "entities",
        *texts("entity", "profile"),
        sa.Column("updated_at", time, nullable=False),
        sa.PrimaryKeyConstraint("entity", "profile"),
    )
    newest = ["opened_at", "incident_id"]
    asked = ["highest_rank", "state", "profile", "entity", "fingerprint_id"]
    op.create_index("incidents_by_time", "incidents", [*newest, *asked])
    for name, column in (
        ("entity", "entity"),
        ("profile", "profile"),
        ("state", "state"),
        ("severity", "highest_rank"),
        ("fingerprint", "fingerprint_id"),
    ):
        op.create_index(f"incidents_by_{name}", "incidents", [column, *newest])
    op.create_index("incidents_by_closing", "incidents", ["closed_at"])


def downgrade() -> None:
    for name in ("entities", "incident_events", "incidents"):
        op.drop_table(name)
