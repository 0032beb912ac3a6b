"""The database behind a URL: SQLite or PostgreSQL, opened as each wants it, its errors told apart."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from workers.runtime.errors import Fatal

SETTING = "FAULTLINE_HISTORY__URL"

_CONNECT_SECONDS = 3
_BUSY_SECONDS = 1.0
"""How long SQLite waits for another writer; what still cannot be written is tried again later."""

_COMMON: dict[str, Any] = {
    "pool_size": 1,
    "max_overflow": 0,
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": orjson.loads,
}

_STATEMENT_MS, _LOCK_MS = 8_000, 3_000

_REFUSED = re.compile(
    r"authentication failed|database \".*\" does not exist|role \".*\" does not exist|no pg_hba\.conf entry|"
    r"not permitted to log in|permission denied for database|no password supplied|invalid connection option",
    re.I,
)
"""What PostgreSQL says to a client that will never get in; a connection that fails has no SQLSTATE of its own."""

_MISSING = re.compile(r"no such (table|column)|has no column named", re.I)
_NOT_OURS = re.compile(r"file is not a database|malformed|readonly database|unable to open database file", re.I)


def parse(url: str) -> URL:
    """The address, its driver named. Raises Fatal for what is none, or would keep nothing."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Fatal(f"the history's address is none: {error}", f"Correct {SETTING}") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise Fatal(
            f"no history can be kept in {parsed.drivername}",
            f"{SETTING} is sqlite:///file.db or postgresql://user:password@host/database",
        )
    if parsed.drivername == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise Fatal("a history in memory would be gone with the worker", f"{SETTING}=sqlite:///faultline-history.db")
    return parsed


def place(url: str) -> str:
    """The address without its password, for messages."""
    return parse(url).render_as_string(hide_password=True)


def file_of(url: str) -> Path | None:
    """The file of a SQLite database."""
    parsed = parse(url)
    return Path(str(parsed.database)) if parsed.drivername == "sqlite" else None


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine of one connection; nothing is connected yet. Raises Fatal for an address that is none."""
    parsed = parse(url)
    if parsed.drivername == "sqlite":
        return _sqlite(Path(str(parsed.database)), read_only)
    return _postgresql(parsed, read_only)


def _sqlite(file: Path, read_only: bool) -> Engine:
    address = f"file:{quote(str(file.absolute()))}?mode={'ro' if read_only else 'rwc'}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, **_COMMON)

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        if not read_only:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")  # offsets are committed after: what is written must stay
        connection.execute("PRAGMA cache_size=-65536")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set the journal by which readers and the writer do not wait for each other; the file remembers it.

    SQLite's own waiting does not cover this change: where two make it at once, one is refused without a pause.
    """
    again = Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        stop=stop_after_delay(_BUSY_SECONDS),
        wait=wait_random(0.005, 0.05),
        reraise=True,
    )
    again(connection.execute, "PRAGMA journal_mode=WAL")


def _postgresql(url: URL, read_only: bool) -> Engine:
    arguments = {"connect_timeout": _CONNECT_SECONDS, "application_name": "faultline-history"}
    engine = create_engine(url, connect_args=arguments, **_COMMON)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # For this transaction only: a pooler between us may give the connection to others.
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_STATEMENT_MS}")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MS}")
        if read_only:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    return engine


def fatal(error: DBAPIError, url: str) -> Fatal | None:
    """The error as one that no waiting can mend, with the way out; None where the database is only away or busy."""
    said, state = " ".join(str(error.orig).split()), getattr(error.orig, "sqlstate", None)
    where = place(url)
    if state in ("42P01", "42703") or _MISSING.search(said):
        return Fatal(f"the tables in {where} are not as we left them: {said}", "Restore them, or use another database")
    if state == "42501":
        return Fatal(f"this user may not write to {where}: {said}", "Grant it CREATE and USAGE on the schema")
    if _REFUSED.search(said) if state is None else state[:2] in ("28", "3D"):
        return Fatal(f"{where} refuses us: {said}", f"Correct {SETTING}: user, password, database")
    if _NOT_OURS.search(said):
        return Fatal(f"{where} cannot be used: {said}", f"{SETTING} must name a file that can be written and is ours")
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        return None
    if state is not None and state[:2] in ("40", "53", "55", "57", "58", "08"):
        return None  # conflicts, resources, locks, an operator at work, the system, the connection
    return Fatal(f"{where} does not take an event: {said}", "This is a bug; please report it")
