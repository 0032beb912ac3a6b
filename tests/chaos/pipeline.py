"""The real workers from events to incidents in one namespace, with a fleet of processes for each; and what came out."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.fleet import QUICK, Fleet
from tests.chaos.progress import Reading
from tests.chaos.traffic import PARTITIONS
from tests.support.broker import Broker, Record
from tests.support.installation import FAULTLINE, STAGES
from workers.scoring.own_thresholds import KEY

INPUTS = {"windows": "", "scoring": "telemetry.features.v1", "incidents": "anomaly.scores.v1"}
OUTPUTS = (
    "telemetry.features.v1",
    "anomaly.scores.v1",
    "anomaly.events.v1",
    "anomaly.incidents.v1",
    "anomaly.incidents.state.v1",
    "anomaly.drift.v1",
)
DEAD = "telemetry.deadletter.v1"

Shown = tuple[bytes | None, tuple[tuple[str, bytes], ...]]
Streams = dict[tuple[str, int, bytes | None], list[Shown]]
"""What a `read_committed` reader sees: by topic, partition and key, values and headers in order."""


@dataclass(slots=True)
class Place:
    """One worker's fleet, as a schedule of faults sees it; somebody else feeds."""

    fleet: Fleet
    rng: random.Random

    def feed(self, count: int) -> None: ...


@dataclass(slots=True)
class Pipeline:
    """All of it reads the `events` topic, which others may read too; every other topic is the namespace's own."""

    broker: Broker
    redis_url: str
    events: str
    protocol: str
    folder: Path
    registry: Path
    namespace: str = field(init=False)
    fleets: dict[str, Fleet] = field(init=False)

    def __post_init__(self) -> None:
        self.namespace = self.broker.unique(f"pipeline-{self.protocol}")
        self.folder.mkdir(parents=True, exist_ok=True)
        env = {
            **QUICK,
            "FAULTLINE_WORKER__POLL_RECORDS": "500",
            "FAULTLINE_NAMESPACE": self.namespace,
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "FAULTLINE_KAFKA__GROUP_PROTOCOL": self.protocol,
            "FAULTLINE_REDIS__URL": self.redis_url,
            "FAULTLINE_TOPICS__PARTITIONS": str(PARTITIONS),
            "FAULTLINE_TOPICS__EVENTS": self.events,
            "FAULTLINE_REGISTRY__URL": str(self.registry),
            "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0",  # ticks are part of the input
        }
        created = subprocess.run(
            [FAULTLINE, "topics", "create"], env={**os.environ, **env}, capture_output=True, text=True, timeout=120
        )
        assert created.returncode == 0, created.stdout + created.stderr
        self.fleets = {}
        for stage in STAGES:
            place = self.folder / stage
            place.mkdir(exist_ok=True)
            self.fleets[stage] = Fleet(["-m", "workers.cli.main", "worker", stage], env, place)

    def settle(self, timeout: float = 150) -> None:
        """Until each worker has committed all that the one before it wrote; whoever gave up is replaced."""
        deadline = time.monotonic() + timeout
        for stage, fleet in self.fleets.items():
            topic = f"{self.namespace}.{INPUTS[stage]}" if INPUTS[stage] else self.events
            reading = Reading(self.broker, f"{self.namespace}.faultline-{stage}", topic, PARTITIONS)
            while (committed := reading.committed()) != (ends := reading.ends()):
                if time.monotonic() > deadline:
                    tails = "\n---\n".join(fleet.tail(worker) for worker in fleet.running)
                    raise AssertionError(f"{self.namespace}: {stage} committed {committed} of {ends}\n{tails}")
                for each in self.fleets.values():
                    each.revive()
                time.sleep(0.3)

    def end(self) -> None:
        for fleet in self.fleets.values():
            fleet.end()

    def shown(self) -> Streams:
        streams: Streams = defaultdict(list)
        for topic in OUTPUTS:
            for record in self.broker.read(f"{self.namespace}.{topic}"):
                streams[topic, record.partition, record.key].append((record.value, record.headers))
        return dict(streams)

    def dead(self) -> list[tuple[int, int, bytes | None, bytes | None]]:
        """Dead letters by where they come from: the order among several partitions' is not promised."""
        return sorted(map(_source, self.broker.read(f"{self.namespace}.{DEAD}")), key=lambda letter: letter[:2])

    def thresholds(self) -> set[bytes]:
        """Keys of the thresholds that the scoring worker has logged (values name offsets, which runs do not share)."""
        records = self.broker.read(f"{self.namespace}.faultline.state.scoring.v1")
        return {record.key for record in records if record.key and record.key.startswith(KEY)}

    def incident_types(self) -> list[bytes]:
        types = [
            dict(r.headers).get("ce_type", b"") for r in self.broker.read(f"{self.namespace}.anomaly.incidents.v1")
        ]
        return [one.rsplit(b".", 1)[-1] for one in types if one]


def _source(record: Record) -> tuple[int, int, bytes | None, bytes | None]:
    headers = dict(record.headers)
    partition, offset = headers["faultline-source-partition"], headers["faultline-source-offset"]
    return int(partition), int(offset), record.key, record.value
