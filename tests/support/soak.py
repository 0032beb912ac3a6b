"""A long run on this machine's own metrics: source, workers, broker and Redis beside each other, and what they take.

As a program (see docs/operating.md) it runs for as long as it is told and ends with 1 where something grew:

    python -m tests.support.soak --minutes 60 --interval 1
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from tests.support.broker import Broker
from tests.support.installation import FAULTLINE, STAGES, Installation, eventually
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt, RedisServer
from tests.support.services import some_kafka

MIB = 1 << 20
EVENTS = "telemetry.events.v1"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a running installation. `rss` in bytes by process, `lag` in records by worker."""

    seconds: float
    rss: dict[str, int]
    lag: dict[str, float]
    redis_keys: int
    redis_bytes: int

    def line(self) -> str:
        memory = "  ".join(f"{name} {size / MIB:.1f}" for name, size in self.rss.items())
        lag = "  ".join(f"{name} {records:.0f}" for name, records in self.lag.items())
        redis = f"{self.redis_keys} keys, {self.redis_bytes / MIB:.2f} MiB"
        return f"{self.seconds:7.0f} s | RSS in MiB: {memory} | lag: {lag} | Redis: {redis}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the last third of the readings may lie above the second: what a leak would exceed."""

    rss: int = 4 * MIB
    lag: int = 0
    redis_keys: int = 16
    redis_bytes: int = MIB


class Soak:
    """`faultline source host` into the workers, for as long as the `with` block lasts. The Redis must be its own."""

    def __init__(self, kafka: Broker, redis: RedisAt, interval: float, log: Path) -> None:
        self.faultline = Installation(kafka, redis, partitions=1)
        self._redis, self._interval, self._log = redis, interval, log
        self._workers: dict[str, Daemon] = {}
        self.readings: list[Reading] = []

    def __enter__(self) -> Self:
        self.faultline.__enter__()
        self.faultline.start_all()
        self._workers = dict(zip(STAGES, self.faultline.workers, strict=True))
        argv = [str(FAULTLINE), "source", "host", "--interval", str(self._interval), "--entity", "soak", "--quiet"]
        self._workers["source"] = Daemon(argv, self._log, self.faultline.settings)
        # The first record makes a worker load what it works with: that is no growth.
        eventually(lambda: self._has_worked("incidents"), 120, "the first scores reach the last worker")
        self._began = time.monotonic()
        return self

    def __exit__(self, *what: object) -> None:
        if "source" in self._workers:
            self._workers["source"].stop()
        self.faultline.__exit__(*what)

    def run(self, seconds: float, every: float, told: Callable[[Reading], None] = lambda _: None) -> None:
        """Look every so many seconds. `RuntimeError` where a process has ended."""
        while time.monotonic() - self._began < seconds:
            time.sleep(every)
            self.readings.append(self._look())
            told(self.readings[-1])

    def _look(self) -> Reading:
        for name, worker in self._workers.items():
            if not worker.running:
                raise RuntimeError(f"{name} has ended:\n{worker.tail()}")
        with self._redis.client() as client:
            keys, used = int(client.dbsize()), int(client.info("memory")["used_memory"])
        return Reading(
            time.monotonic() - self._began,
            {name: psutil.Process(worker.pid).memory_info().rss for name, worker in self._workers.items()},
            {name: self._lag(self._workers[name]) for name in STAGES},
            keys,
            used,
        )

    def _has_worked(self, name: str) -> bool:
        found = self.faultline.metrics(self._workers[name])
        return any(value > 0 for metric, value in found.items() if metric.startswith("faultline_records_total{"))

    def _lag(self, worker: Daemon) -> float:
        found = self.faultline.metrics(worker)
        return sum(value for name, value in found.items() if name.startswith("faultline_lag_records{"))


def growth(readings: Sequence[Reading], bounds: Bounds) -> list[str]:
    """What grew, in words: medians of the last third against the second; the first third is for warming up."""
    third = len(readings) // 3
    earlier, later = readings[third : 2 * third], readings[2 * third :]
    faults = []

    def compare(what: str, value: Callable[[Reading], float], bound: float) -> None:
        before, after = (statistics.median(map(value, part)) for part in (earlier, later))
        if after > before + bound:
            faults.append(f"{what} grew from {before:,.0f} to {after:,.0f}")

    for name in readings[0].rss:
        compare(f"memory of {name}", lambda reading, name=name: reading.rss[name], bounds.rss)  # type: ignore[misc]
    for name in readings[0].lag:
        compare(f"lag of {name}", lambda reading, name=name: reading.lag[name], bounds.lag)  # type: ignore[misc]
    compare("keys in Redis", lambda reading: reading.redis_keys, bounds.redis_keys)
    compare("memory of Redis", lambda reading: reading.redis_bytes, bounds.redis_bytes)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two samples of the source")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two looks")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped early"))  # what was started is stopped as well
    subprocess.run([FAULTLINE, "compile"], check=True)  # not a part of what is measured
    with some_kafka() as servers, RedisServer() as redis:
        with Soak(Broker(servers), redis, given.interval, redis.home / "source.log") as soak:
            soak.run(given.minutes * 60, given.every, lambda reading: print(reading.line(), flush=True))
            scores = len(soak.faultline.records("anomaly.scores.v1"))
        faults = growth(soak.readings, Bounds())
    print("\n".join(faults) if faults else f"nothing grew; {scores:,} scores")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
