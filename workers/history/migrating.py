"""Bringing the tables up to date, by whoever of several workers comes first, and telling how far they are."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from workers.runtime.errors import Fatal

NEWEST = "0001"
"""The revision that `schema.py` describes."""

KNOWN = frozenset({NEWEST})
"""Every revision that this code can bring up to date."""

_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK = 0x666175_6C74
"""PostgreSQL's advisory lock that whoever migrates holds; an SQLite transaction that writes is alone anyway."""


def revision_of(connection: Connection) -> str | None:
    """How far the tables are; None where there are none of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def upgrade(engine: Engine, where: str) -> str | None:
    """Bring the tables to the newest revision in one transaction; the revision before. Nothing to do is no work.

    Raises Fatal where they are of a newer Faultline than this one; what the database raises goes through.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = revision_of(connection)
        check_known(before, where)
        if before != NEWEST:
            _run(connection)
        return before


def check_known(revision: str | None, where: str) -> None:
    if revision is not None and revision not in KNOWN:
        raise Fatal(
            f"the tables in {where} are of a newer Faultline (revision {revision}, this one knows {NEWEST})",
            "Run that version or a newer one, or use another database",
        )


def _run(connection: Connection) -> None:
    # Imported here: commands that read need to know no more than the revision.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
