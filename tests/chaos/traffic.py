"""Some fifty minutes of seeded events with a slowdown, failures and silences in them, late ones, poison and ticks.

One producer writes all of it into one topic that every run reads: the input of an undisturbed run and of a disturbed
one are the same records at the same offsets, ticks included.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

from tests.support.broker import Broker, Record
from workers.windows.ticks import Tick

START = datetime(2026, 3, 2, 9, 35, tzinfo=UTC)
"""So that an hour begins in the middle: what is logged hourly is logged then."""

MINUTES = 48
PARTITIONS = 3
SERVICES = ("cart", "login", "pay", "search", "stock", "users")
"""Service n lies in partition n modulo three. `pay` slows down, `login` fails, `cart` falls silent and comes back."""

SLOW, FAILING, SILENT = (14.0, 20.0), (24.0, 29.0), (12.0, 22.0)
"""Minutes from, to."""

QUIET, QUIET_PARTITION = (33.0, 38.0), 2
"""When that whole partition has nothing but ticks."""

_BLOCK_SECONDS = 30


@dataclass(slots=True)
class Traffic:
    """The input of one round; `written` counts by partition, and so gives the offsets that ticks name."""

    broker: Broker
    topic: str
    seed: int
    written: list[int] = field(default_factory=lambda: [0] * PARTITIONS)

    def play(self, seconds: float, hurry: threading.Event) -> None:
        """Write it at an even pace within about that time, and what is left without a pause once told to hurry."""
        rng, began = random.Random(self.seed), time.monotonic()
        for begin in range(0, MINUTES * 60, _BLOCK_SECONDS):
            hurry.wait(max(0.0, began + seconds * begin / (MINUTES * 60) - time.monotonic()))
            self._write(list(_block(rng, begin)))
            if _within(begin, QUIET):
                self._tick(QUIET_PARTITION, begin + _BLOCK_SECONDS, "idle")
        for partition in range(PARTITIONS):
            self._tick(partition, MINUTES * 60 + 600, "end")

    def _tick(self, partition: int, second: float, kind: str) -> None:
        as_of, time_us = self.written[partition] - 1, int(_at(second).timestamp() * 1e6)
        tick = Tick(time_us, as_of, "end" if kind == "end" else "idle")
        self._write([Record(tick.encode(), None, tuple((n, bytes(v)) for n, v in tick.headers), partition)])

    def _write(self, records: list[Record]) -> None:
        for record in records:
            self.written[record.partition] += 1
        self.broker.produce(self.topic, records)


def _block(rng: random.Random, begin: int) -> Iterator[Record]:
    for second in range(begin, begin + _BLOCK_SECONDS):
        for number, service in enumerate(SERVICES):
            silent = service == "cart" and _within(second, SILENT)
            quiet = number % PARTITIONS == QUIET_PARTITION and _within(begin, QUIET)
            if rng.random() < 0.7 and not silent and not quiet:
                yield Record(_value(rng, service, second), service.encode(), partition=number % PARTITIONS)


def _value(rng: random.Random, service: str, second: float) -> bytes:
    """One in fifty is late, few of them too late; one in two hundred cannot be read; clocks are wrong now and then."""
    kind = rng.random()
    if kind < 0.005:
        return rng.choice((b"{", b"", b'{"timestamp": "yesterday"}', b"\xc3\x01 nonsense"))
    moment = _at(second + rng.random())
    if kind < 0.025:
        moment -= timedelta(seconds=rng.uniform(5, 400))
    elif kind < 0.027:
        moment += timedelta(days=36_500)
    slow = service == "pay" and _within(second, SLOW)
    failing = service == "login" and _within(second, FAILING) and rng.random() < 0.6
    event = {
        "timestamp": moment.isoformat(),
        "entity": service,
        "kind": "api",
        "attributes": {"path": rng.choice(("/a", "/b", "/c")), "status_code": "503" if failing else "200"},
        "metrics": {"latency_ms": round(rng.lognormvariate(3.5, 0.3) * (10 if slow else 1), 3)},
    }
    return orjson.dumps(event)


def _at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def _within(second: float, minutes: tuple[float, float]) -> bool:
    return minutes[0] <= second / 60 < minutes[1]
