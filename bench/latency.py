"""From the append of the record that closes a pane to its scores and incidents on their topics, through all workers.

First half an hour of history as fast as it goes, so that every window is full; then live traffic at a steady rate, in
which ever more services answer slowly. What is measured: the wall time between the append of the first record of a
partition whose event time lies past the pane's end and the lateness, and the moment when a `read_committed` consumer
holds the score or the opening of the incident.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import orjson
from confluent_kafka import Consumer

from bench import machine
from bench.load import START, service_events
from bench.rig import Rig, append, fast_producer
from schemas.columns import Events
from schemas.events import encode_events
from schemas.times import parse_time
from tests.support.services import some_kafka, some_redis
from workers.sources.partition import partition_of

PARTITIONS = 4
ENTITIES = 500
RATE = 20_000
HISTORY_SECONDS = 2_100
LIVE_SECONDS = 90
SLOW_FROM = 15
"""Seconds of live traffic before the first service gets slow."""
SLOW_EVERY = 0.12
"""Seconds until the next one does."""
SLOWER = 10.0
PANE = 10_000_000
_TICK = 0.05
_SECOND = 1_000_000

Place = tuple[int, int]
"""A partition and the end of a pane, epoch microseconds."""


def main() -> None:
    """Print the distribution of both delays at RATE events a second (environment)."""
    rate = int(os.environ.get("RATE", str(RATE)))
    print(machine.describe())
    with some_kafka() as kafka, some_redis() as redis:
        rig = Rig(kafka, redis.url, "latency", PARTITIONS)
        print(
            f"{ENTITIES} services, {rate:,} events/s for {LIVE_SECONDS} s; one process a worker, default settings; "
            f"limit: three commit intervals, {3 * rig.settings.worker.commit_interval_ms / 1000:.1f} s"
        )
        workers = [rig.start(name) for name in ("windows", "scoring", "incidents")]
        try:
            measure(rig, rate)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(60)


def measure(rig: Rig, rate: int) -> None:
    """History, then live traffic, then the two lines."""
    topics = rig.settings.topics
    begin = time.time_ns() // 1000 - HISTORY_SECONDS * _SECOND
    history = service_events(ENTITIES, HISTORY_SECONDS * 200, 200, batch=20_000)
    written = rig.write(topics.events, (_moved(table, begin - START) for table in history))
    print(f"history: {written:,} events", flush=True)
    for worker, topic in (("windows", topics.events), ("scoring", topics.features), ("incidents", topics.scores)):
        rig.await_read(worker, topic, 120)
    watch = Watch(rig)
    closed_at = live(rig, rate, watch)
    watch.wait(20)
    watch.close()
    tell("scores", watch.scores, closed_at)
    tell("incidents", watch.incidents, closed_at)


def live(rig: Rig, rate: int, watch: Watch) -> dict[Place, float]:
    """Send traffic at a steady rate; when each partition's time passed each pane's end (wall, before the append)."""
    producer = fast_producer(rig.bootstrap, linger_ms=1)
    lateness = rig.settings.windows.lateness_ms * 1000
    closed_at: dict[Place, float] = {}
    reached = [0] * PARTITIONS
    began = time.time()
    for number, table in enumerate(service_events(ENTITIES, rate * LIVE_SECONDS, rate, 2, round(rate * _TICK))):
        watch.wait(began + number * _TICK - time.time())
        now = time.time()
        slow = round((number * _TICK - SLOW_FROM) / SLOW_EVERY)
        table = _slowed(replace(table, time=np.full(len(table), int(now * _SECOND))), slow)
        keys = [name.encode() for name in table.entity.values]
        places = [partition_of(key, PARTITIONS) for key in keys]
        pane = (int(now * _SECOND) - lateness) // PANE
        for partition in {places[code] for code in table.entity.codes.tolist()}:
            for closed in range((reached[partition] or pane) + 1, pane + 1):
                closed_at[partition, closed * PANE] = now
            reached[partition] = pane
        append(producer, rig.settings.topics.events, table.entity.codes.tolist(), encode_events(table), keys, places)
    producer.flush()
    return closed_at


def _moved(table: Events, by: int) -> Events:
    return replace(table, time=table.time + by)


def _slowed(table: Events, services: int) -> Events:
    """The first so many services answer slowly."""
    slow = table.entity.codes < services
    return replace(table, metric_value=np.where(slow, table.metric_value * SLOWER, table.metric_value))


class Watch:
    """Holds when each score and each opening of an incident was there for a `read_committed` reader."""

    def __init__(self, rig: Rig) -> None:
        self._topics = rig.settings.topics
        self.scores: dict[tuple[str, int], float] = {}
        self.incidents: dict[tuple[str, int], float] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": rig.bootstrap,
                "group.id": "latency-watch",
                "auto.offset.reset": "latest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
            }
        )
        self._consumer.subscribe([self._topics.scores, self._topics.incidents])

    def wait(self, seconds: float) -> None:
        """Look for so long, and at least once."""
        deadline = time.monotonic() + seconds
        while True:
            self._look(min(max(0.0, deadline - time.monotonic()), 0.02))
            if time.monotonic() >= deadline:
                return

    def close(self) -> None:
        self._consumer.close()

    def _look(self, seconds: float) -> None:
        for message in self._consumer.consume(2_000, seconds):
            value = message.value()
            if message.error() or message.key() is None or value is None:
                continue
            now, record = time.time(), orjson.loads(value)
            if message.topic() == self._topics.scores:
                self.scores[record["entity"], parse_time(record["window_end"])] = now
            elif record["type"] == "CREATE":
                self.incidents[record["entity"], parse_time(record["opened_at"])] = now


def tell(what: str, seen: dict[tuple[str, int], float], closed_at: dict[Place, float]) -> None:
    """The distribution of the delays; what was closed by the history is not counted."""
    places = ((at, (partition_of(entity.encode(), PARTITIONS), end)) for (entity, end), at in seen.items())
    delays = np.array([at - closed_at[place] for at, place in places if place in closed_at])
    if not len(delays):
        raise RuntimeError(f"no {what} came of the live traffic")
    low, middle, high = np.percentile(delays, [50, 95, 99])
    print(
        f"{what:>10}: {len(delays):6,}  p50 {low:.2f} s  p95 {middle:.2f} s  p99 {high:.2f} s  max {delays.max():.2f} s"
    )


if __name__ == "__main__":
    main()
