"""The windows worker end to end, exactly once, on a real broker; beside it Quix Streams and `consume()` alone."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import orjson
from confluent_kafka.admin import NewTopic

from bench import machine
from bench.load import service_events
from bench.rig import Rig, append, fast_producer, script
from tests.support.services import some_kafka, some_redis
from workers.sources.partition import partition_of

PARTITIONS = 4
PER_SECOND = 300_000
"""Events in one second of event time: the speed that is aimed at, so that panes close as often as they would live."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input: how many entities and events, in which form."""

    entities: int
    events: int
    form: str


CASES = (
    Case(500, 8_000_000, "avro"),
    Case(500, 4_000_000, "json"),
    Case(20_000, 8_000_000, "avro"),
    Case(20_000, 4_000_000, "json"),
    Case(100_000, 8_000_000, "avro"),
    Case(100_000, 4_000_000, "json"),
)
QUIX_EVENTS = 100_000
PEER_TOPIC = "quix"


def main() -> None:
    """Print one table; every figure is the median of ROUNDS rounds (environment, 3)."""
    rounds = int(os.environ.get("ROUNDS", "3"))
    print(machine.describe())
    print("windows: defaults of the worker but for ticks (off); 4 partitions, lz4, one broker on the same machine")
    with some_kafka() as kafka, some_redis() as redis:
        reference: dict[str, float] = {}
        limit = peer = 0.0
        for case in CASES:
            rig = Rig(
                kafka,
                redis.url,
                f"{case.form}-{case.entities}",
                PARTITIONS,
                {"FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0", "FAULTLINE_LOG__LEVEL": "warning"},
            )
            topic = rig.settings.topics.events
            count = rig.write(topic, service_events(case.entities, case.events, PER_SECOND), case.form)
            if not limit:
                limit = statistics.median(script("consume_alone.py", kafka, topic, str(count)) for _ in range(rounds))
                print(f"consume() alone, nothing else   {limit:12,.0f} events/s")
                _produce_for_peer(rig)
                peer = statistics.median(_quix(kafka) for _ in range(rounds))
                print(f"Quix Streams, exactly once, JSON{peer:12,.0f} events/s")
            runs = [rig.drain("windows", topic) for _ in range(rounds)]
            rate = statistics.median(run.rate for run in runs)
            cpu = statistics.median(run.per_cpu_second for run in runs)
            memory = statistics.median(run.memory for run in runs)
            reference.setdefault(case.form, rate)
            print(
                f"windows {case.form} {case.entities:7,} entities {rate:10,.0f} events/s, {cpu:9,.0f} per CPU second, "
                f"{memory / (1 << 20):6,.0f} MiB; {rate / limit:.2f} of consume(), {rate / peer:5.1f} x Quix Streams, "
                f"{rate / reference[case.form]:.2f} of 500 entities",
                flush=True,
            )


def _produce_for_peer(rig: Rig) -> None:
    """The same events as the plainest JSON that the peer can read: flat, with milliseconds."""
    made = rig.admin.create_topics([NewTopic(PEER_TOPIC, PARTITIONS), NewTopic(f"{PEER_TOPIC}-out", PARTITIONS)])
    for future in made.values():
        future.result()
    producer = fast_producer(rig.bootstrap)
    for table in service_events(500, QUIX_EVENTS, PER_SECOND):
        columns = zip(table.time.tolist(), table.metric_value.tolist(), strict=True)
        values = [orjson.dumps({"timestamp": time_us // 1000, "latency_ms": value}) for time_us, value in columns]
        keys = [name.encode() for name in table.entity.values]
        places = [partition_of(key, PARTITIONS) for key in keys]
        append(producer, PEER_TOPIC, table.entity.codes.tolist(), values, keys, places)
    producer.flush()


def _quix(bootstrap: str) -> float:
    with tempfile.TemporaryDirectory() as state:
        arguments = (bootstrap, PEER_TOPIC, "exactly-once", str(QUIX_EVENTS), state)
        return script("quix_windows.py", *arguments, python=_peer_python())


def _peer_python() -> Path:
    """The peer's own virtual environment, made at first use."""
    place = Path(".cache/quix")
    python = place / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", place], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--system-certs", "--python", python, "quixstreams==3.28.1"], check=True
        )
    return python


if __name__ == "__main__":
    main()
