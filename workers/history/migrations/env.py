"""Run by Alembic: apply the steps on the connection and in the transaction that `migrating.upgrade` has opened."""

from __future__ import annotations

from alembic import context

from workers.history.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
