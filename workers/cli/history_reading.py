"""The history's database as commands read it, and words for when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workers.cli.extras import need
from workers.cli.failures import Failure, NoHistory
from workers.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

_START = "start the worker that makes it: faultline worker history"


def needs_history(command: str) -> None:
    """Raises `Failure` where what speaks to databases is not installed."""
    need(f"faultline {command}", "history", "sqlalchemy", "alembic", "psycopg")


@contextmanager
def open_history(settings: Settings, command: str) -> Iterator[Connection]:
    """The database for reading, in one transaction: one look at one state. Raises `Failure` and `Fatal`."""
    needs_history(command)
    from sqlalchemy.exc import DBAPIError

    from workers.history.database import fatal, file_of, open_engine, place
    from workers.history.migrating import NEWEST, check_known, revision_of

    url = settings.history.url
    where, file = place(url), file_of(url)
    if file is not None and not file.exists():
        raise NoHistory(f"there is no history in {where} (FAULTLINE_HISTORY__URL); {_START}")
    engine = open_engine(url, read_only=True)
    try:
        with engine.begin() as connection:
            revision = revision_of(connection)
            check_known(revision, where)
            if revision is None:
                raise NoHistory(f"{where} holds no history; {_START}")
            if revision != NEWEST:
                raise Failure(f"the tables in {where} are of an older Faultline; start `faultline worker history` once")
            yield connection
    except DBAPIError as error:
        reason = fatal(error, url)
        raise Failure(str(reason) if reason else f"{where} does not answer: {error.orig}") from error
    finally:
        engine.dispose()


def erase_from_history(settings: Settings, entity: str, until: int) -> int:
    """Remove an entity's incidents that opened before a time (epoch microseconds), with their events; how many.

    Raises `Failure` and `Fatal`.
    """
    with open_history(settings, "archive erase --history"):
        pass  # there is one, and its tables are ours
    from sqlalchemy.exc import DBAPIError

    from workers.history.database import fatal, open_engine, place
    from workers.history.retention import erase

    url = settings.history.url
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            return erase(connection, entity, until)
    except DBAPIError as error:
        reason = fatal(error, url)
        raise Failure(str(reason) if reason else f"{place(url)} does not answer: {error.orig}") from error
    finally:
        engine.dispose()
