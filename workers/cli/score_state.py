"""What one-shot runs remember from one to the next: a SQLite file, written in one transaction at the end of a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from workers.cli.failures import Failure

_FORMAT = 1
_WAY_OUT = "Name another file with --state, or remove this one to begin anew"
_OUTBOX = 10_000
"""Undelivered alerts that are kept; the oldest go first."""

# The names begin with faultline: the file may be one that another program keeps its own tables in.
_TABLES = """
CREATE TABLE IF NOT EXISTS faultline_run (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS faultline_part (step TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (step, name));
CREATE TABLE IF NOT EXISTS faultline_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, time INTEGER NOT NULL, entity TEXT NOT NULL,
    body BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Undelivered:
    number: int
    id: str
    time: int
    entity: str
    body: bytes


@dataclass(slots=True)
class Memory:
    """`config`: what the state depends on; `position`: how far each source or entity was taken; `open`: incidents that
    were told of.
    """

    config: str = ""
    position: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: dict[str, dict[str, bytes]] = field(default_factory=dict)


class StateFile:
    """Use through `opened`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def read(self) -> Memory | None:
        """None where nothing was saved yet, or by a build whose state is not ours."""
        rows = self._db.execute("SELECT name, value FROM faultline_run").fetchall()
        try:
            run = {name: orjson.loads(value) for name, value in rows}
        except orjson.JSONDecodeError as error:
            raise Failure(f"the state cannot be read ({error}). {_WAY_OUT}") from error
        if run.get("format") != _FORMAT:
            return None
        parts: dict[str, dict[str, bytes]] = {}
        for step, name, value in self._db.execute("SELECT step, name, value FROM faultline_part"):
            parts.setdefault(step, {})[name] = value
        return Memory(run["config"], run["position"], run["offsets"], run["open"], parts)

    def write(self, memory: Memory, undelivered: Sequence[tuple[str, int, str, bytes]]) -> None:
        """Everything, and what is still to be delivered behind what waits already, or nothing of it."""
        run: Mapping[str, object] = {
            "format": _FORMAT,
            "config": memory.config,
            "position": memory.position,
            "offsets": memory.offsets,
            "open": memory.open,
        }
        parts = [(step, name, value) for step, named in memory.parts.items() for name, value in named.items()]
        with self._db:
            self._db.execute("DELETE FROM faultline_part")
            self._db.executemany("INSERT INTO faultline_part VALUES (?, ?, ?)", parts)
            self._db.executemany(
                "INSERT OR REPLACE INTO faultline_run VALUES (?, ?)", [(n, orjson.dumps(v)) for n, v in run.items()]
            )
            self._db.executemany(
                "INSERT INTO faultline_outbox (id, time, entity, body) VALUES (?, ?, ?, ?)", undelivered
            )
            self._db.execute(
                "DELETE FROM faultline_outbox WHERE number <= (SELECT max(number) FROM faultline_outbox) - ?",
                (_OUTBOX,),
            )

    def undelivered(self) -> list[Undelivered]:
        rows = self._db.execute("SELECT number, id, time, entity, body FROM faultline_outbox ORDER BY number")
        return [Undelivered(*row) for row in rows]

    def delivered(self, number: int) -> None:
        with self._db:
            self._db.execute("DELETE FROM faultline_outbox WHERE number = ?", (number,))


@contextmanager
def opened(path: Path) -> Iterator[StateFile]:
    """The file, made if need be, and nobody else's while this lasts. Raises `Failure`."""
    lock = FileLock(f"{path}.lock", timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Failure(f"{path}: another run is under way. Give runs beside each other files of their own") from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}. {_WAY_OUT}") from error
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_TABLES)
            yield StateFile(connection)
    except sqlite3.Error as error:
        raise Failure(f"{path}: {error}. {_WAY_OUT}") from error
    finally:
        lock.release()
