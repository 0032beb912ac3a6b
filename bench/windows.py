"""The windows worker end to end, exactly once, on a real broker; beside it Quix Streams and `consume()` alone."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench import machine
from bench.load import service_events
from schemas.events import encode_events
from tests.support.services import some_kafka, some_redis
from workers.settings import load_settings
from workers.sources.partition import partition_of
from workers.topics import topic_specs

PARTITIONS = 4
PER_SECOND = 300_000
"""Events in one second of event time: the speed that is aimed at, so that panes close as often as they would live."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input: how many entities and events, in which form."""

    entities: int
    events: int
    form: str

    @property
    def namespace(self) -> str:
        return f"{self.form}-{self.entities}"


CASES = (
    Case(500, 4_000_000, "avro"),
    Case(500, 2_000_000, "json"),
    Case(20_000, 6_000_000, "avro"),
    Case(100_000, 8_000_000, "avro"),
    Case(100_000, 4_000_000, "json"),
)
QUIX_EVENTS = 100_000
PEER_TOPIC = "quix"


def main() -> None:
    """Print one table; every figure is the median of its rounds."""
    rounds = int(os.environ.get("ROUNDS", "3"))
    print(machine.describe())
    with some_kafka() as kafka, some_redis() as redis:
        reference: dict[str, float] = {}
        limit = peer = 0.0
        for case in CASES:
            topic = _produce(kafka, case)
            if case == CASES[0]:
                limit = statistics.median(_script("consume_alone.py", kafka, topic, case.events) for _ in range(rounds))
                print(f"consume() alone           {limit:12,.0f} events/s")
            if case.form == "json" and not peer:
                _produce_for_peer(kafka, case)
                peer = statistics.median(_quix(kafka) for _ in range(rounds))
                print(f"Quix Streams, exactly once{peer:12,.0f} events/s")
            runs = [_worker(kafka, redis.url, case, number) for number in range(rounds)]
            rate = statistics.median(run.rate for run in runs)
            cpu = statistics.median(run.per_cpu_second for run in runs)
            memory = statistics.median(run.memory for run in runs)
            reference.setdefault(case.form, rate)
            print(
                f"windows {case.form} {case.entities:7,} entities {rate:12,.0f} events/s, {cpu:10,.0f} per CPU second, "
                f"{memory / (1 << 20):7,.0f} MiB ({memory / case.entities / 1024:,.1f} KiB an entity), "
                f"{rate / limit:.2f} of consume(), {rate / reference[case.form]:.2f} of 500 entities"
                + (f", {rate / peer:.0f} x Quix Streams" if peer else "")
            )


@dataclass(frozen=True, slots=True)
class Run:
    rate: float
    per_cpu_second: float
    memory: float


def _produce(bootstrap: str, case: Case) -> str:
    """Create the case's topics and write its events; the topic's name."""
    settings = load_settings({"FAULTLINE_NAMESPACE": case.namespace, "FAULTLINE_TOPICS__PARTITIONS": str(PARTITIONS)})
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics(
        [
            NewTopic(s.name, s.partitions, config={**s.config, "segment.bytes": "1073741824"})
            for s in topic_specs(settings)
        ]
    )
    for future in made.values():
        future.result()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "batch.size": 1 << 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    topic = settings.topics.events
    for table in service_events(case.entities, case.events, PER_SECOND):
        names = table.entity.values
        keys = [name.encode() for name in names]
        places = [partition_of(key, PARTITIONS) for key in keys]
        values = encode_events(table) if case.form == "avro" else encode_events(table, form="json")
        for code, value in zip(table.entity.codes.tolist(), values, strict=True):
            while True:
                try:
                    producer.produce(topic, value, keys[code], places[code])
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.poll(0)
    producer.flush()
    return topic


def _produce_for_peer(bootstrap: str, case: Case) -> None:
    """The same events as the plainest JSON that the peer can read: flat, with milliseconds."""
    made = AdminClient({"bootstrap.servers": bootstrap}).create_topics(
        [NewTopic(PEER_TOPIC, PARTITIONS), NewTopic(f"{PEER_TOPIC}-out", PARTITIONS)]
    )
    for future in made.values():
        future.result()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    for table in service_events(case.entities, QUIX_EVENTS, PER_SECOND):
        columns = zip(table.time.tolist(), table.entity.codes.tolist(), table.metric_value.tolist(), strict=True)
        for time_us, code, latency in columns:
            key = table.entity.values[code].encode()
            value = orjson.dumps({"timestamp": time_us // 1000, "latency_ms": latency})
            producer.produce(PEER_TOPIC, value, key, partition_of(key, PARTITIONS))
    producer.flush()


def _worker(bootstrap: str, redis_url: str, case: Case, number: int) -> Run:
    """One worker process over the whole topic, from its first commit to its last."""
    group_namespace = case.namespace
    env = {
        **os.environ,
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "FAULTLINE_REDIS__URL": redis_url,
        "FAULTLINE_NAMESPACE": group_namespace,
        "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0",
        "FAULTLINE_LOG__LEVEL": "warning",
    }
    _forget(bootstrap, f"{group_namespace}.faultline-windows")
    process = psutil.Popen([Path(sys.executable).with_name("faultline"), "worker", "windows"], env=env)
    try:
        return _watch(
            bootstrap, f"{group_namespace}.faultline-windows", f"{group_namespace}.telemetry.events.v1", process
        )
    finally:
        process.terminate()
        process.wait(30)


def _forget(bootstrap: str, group: str) -> None:
    """Let the group start over."""
    for future in AdminClient({"bootstrap.servers": bootstrap}).delete_consumer_groups([group]).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise


def _watch(bootstrap: str, group: str, topic: str, process: psutil.Popen) -> Run:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    total = sum(reader.get_watermark_offsets(place, 10)[1] for place in places)
    first: tuple[float, int, float] | None = None
    memory = 0
    while True:
        time.sleep(0.05)
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended with code {process.returncode}")
        done = sum(max(0, place.offset) for place in reader.committed(places, 10))
        now, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
        memory = max(memory, process.memory_info().rss)
        if done and first is None:
            first = (now, done, cpu)
        if first and done >= total:
            reader.close()
            seconds, events = now - first[0], done - first[1]
            return Run(events / seconds, events / (cpu - first[2]), memory)


def _script(name: str, bootstrap: str, topic: str, count: int) -> float:
    out = subprocess.run(
        [sys.executable, Path(__file__).with_name(name), bootstrap, topic, str(count)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(out.stdout.splitlines()[-1])
    return float(found["events"] / found["seconds"])


def _quix(bootstrap: str) -> float:
    python = _peer_python()
    with tempfile.TemporaryDirectory() as state:
        script = Path(__file__).with_name("quix_windows.py")
        out = subprocess.run(
            [python, script, bootstrap, PEER_TOPIC, "exactly-once", str(QUIX_EVENTS), state],
            check=True,
            capture_output=True,
            text=True,
        )
    found = json.loads(out.stdout.splitlines()[-1])
    return float(found["events"] / found["seconds"])


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
