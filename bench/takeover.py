"""How long a partition with 10,000 entities is away when its owner dies: by its checkpoint, and by the log alone.

The heir is a member already. "noticed" is the broker's session time-out, "loaded" what the heir needs for the state
once it owns the partition, "working" when a record appended after the death is committed. The limit of a restore in
the same run: reading as many bytes from the same Redis.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from bench import machine
from bench.load import START, service_events
from bench.rig import Rig
from tests.support.services import some_kafka, some_redis

ENTITIES = 10_000
SECONDS = 1_800
PER_SECOND = 1_000
"""Half an hour, an event of every entity in every pane: all windows are full."""


def main() -> None:
    """One line for a restore, one for a rebuild."""
    print(machine.describe())
    with some_kafka() as kafka, some_redis() as server, TemporaryDirectory() as folder, ExitStack() as ends:
        rig = Rig(kafka, server.url, "takeover", 1, {"FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0"})
        written = _send(rig, SECONDS)
        print(
            f"{ENTITIES:,} entities on one partition, {written:,} events in {SECONDS // 60} minutes; default settings"
        )
        members = [_Member(rig, Path(folder) / name) for name in ("first", "second", "third")]
        for member in members:
            ends.callback(member.kill)
        members[0].start()
        rig.await_read("windows", rig.settings.topics.events, 120)
        store = redis.Redis.from_url(server.url)
        for how, owner, heir in (("restore", 0, 1), ("rebuild", 1, 2)):
            time.sleep(3 * rig.settings.worker.checkpoint_interval_ms / 1000)
            members[heir].start()
            members[heir].await_event("started")
            time.sleep(2.0)
            size, seconds = _read_all(store)
            if how == "rebuild":
                store.flushall()
            killed = members[owner].kill()
            _send(rig, 1)
            loaded = members[heir].await_event("loaded")
            assigned = _at(members[heir].await_event("assigned"))
            rig.await_read("windows", rig.settings.topics.events, 120)
            working = time.time()
            if loaded["how"] != how:
                raise RuntimeError(f"expected a {how}, not a {loaded['how']}")
            print(
                f"{how}: noticed {assigned - killed:.1f} s after kill -9, loaded {_at(loaded) - assigned:.2f} s later, "
                f"{loaded['replay']:,} records to replay, working {working - assigned:.2f} s after the assignment"
                + (f"; redis-py reads the {size >> 20} MiB in {seconds:.2f} s" if how == "restore" else ""),
                flush=True,
            )


def _send(rig: Rig, seconds: int) -> int:
    """Append the events of so many last seconds."""
    begin = time.time_ns() // 1000 - seconds * 1_000_000
    load = service_events(ENTITIES, seconds * PER_SECOND, PER_SECOND)
    return rig.write(rig.settings.topics.events, (replace(table, time=table.time + begin - START) for table in load))


def _read_all(store: redis.Redis) -> tuple[int, float]:
    """Bytes in all values but the readable windows, and the seconds to read them."""
    keys = [key for key in store.scan_iter(count=1_000) if b":window:" not in key and store.type(key) == b"string"]
    began = time.perf_counter()
    size = sum(
        len(value) for start in range(0, len(keys), 100) for value in store.mget(keys[start : start + 100]) if value
    )
    return size, time.perf_counter() - began


class _Member:
    """A windows worker whose log is read."""

    def __init__(self, rig: Rig, log: Path) -> None:
        self._rig, self._log = rig, log
        self._process: Any = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = self._rig.start("windows", log=log)

    def kill(self) -> float:
        """kill -9; when that was."""
        at = time.time()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        return at

    def await_event(self, event: str) -> dict[str, Any]:
        """The first line of its log that tells of this event."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for line in self._log.read_text().splitlines():
                if f'"{event}"' in line and (told := json.loads(line))["event"] == event:
                    return dict(told)
            time.sleep(0.02)
        raise RuntimeError(f"never logged: {event}\n{self._log.read_text()[-2000:]}")


def _at(told: dict[str, Any]) -> float:
    return datetime.fromisoformat(told["timestamp"]).timestamp()


if __name__ == "__main__":
    main()
