"""Topics, records and worker processes for benchmarks; everything is measured from outside the workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import psutil
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from schemas.columns import Events
from schemas.events import encode_events
from workers.settings import Settings, load_settings
from workers.sources.partition import partition_of
from workers.topics import topic_specs

_FAULTLINE = Path(sys.executable).with_name("faultline")
_LOOK_SECONDS = 0.05
_CRITICAL = 2  # of syslog: a broker that ends after a benchmark is no news


@dataclass(frozen=True, slots=True)
class Run:
    """One worker process over one topic, from its first commit to its last. `memory` in bytes, the highest seen."""

    records: int
    seconds: float
    cpu_seconds: float
    memory: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.records / self.cpu_seconds


class Rig:
    """A namespace on a broker and a Redis, with all its topics. `settings` are environment variables of its workers."""

    def __init__(
        self, bootstrap: str, redis_url: str, namespace: str, partitions: int, settings: Mapping[str, str] | None = None
    ) -> None:
        self.bootstrap, self.partitions = bootstrap, partitions
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": _CRITICAL})
        self.environment = {
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "FAULTLINE_REDIS__URL": redis_url,
            "FAULTLINE_NAMESPACE": namespace,
            "FAULTLINE_TOPICS__PARTITIONS": str(partitions),
            "FAULTLINE_REGISTRY__URL": "",
            "FAULTLINE_LOG__FORMAT": "json",
            "FAULTLINE_HTTP__PORT": "0",
            **(settings or {}),
        }
        self._create_topics()

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environment)

    def _create_topics(self) -> None:
        specs = [
            NewTopic(spec.name, spec.partitions, config={**spec.config, "segment.bytes": str(1 << 30)})
            for spec in topic_specs(self.settings)
        ]
        for future in self.admin.create_topics(specs).values():
            future.result()

    def write(self, topic: str, tables: Iterable[Events], form: str = "avro") -> int:
        """Append every event of the tables to a topic, keyed by entity; how many there were."""
        producer, written = fast_producer(self.bootstrap), 0
        for table in tables:
            keys = [name.encode() for name in table.entity.values]
            places = [partition_of(key, self.partitions) for key in keys]
            values = encode_events(table) if form == "avro" else encode_events(table, form="json")
            append(producer, topic, table.entity.codes.tolist(), values, keys, places)
            written += len(table)
        producer.flush()
        return written

    def start(self, worker: str, settings: Mapping[str, str] | None = None, log: IO[bytes] | None = None) -> Any:
        """A worker process; what it says goes to `log`, or nowhere."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("FAULTLINE_")}
        env = {**ours, **self.environment, **(settings or {})}
        out = log if log is not None else subprocess.DEVNULL
        return psutil.Popen([_FAULTLINE, "worker", worker], env=env, stdout=out, stderr=out)

    def drain(self, worker: str, topic: str) -> Run:
        """One process of a worker over all that lies in a topic; its group starts over."""
        group = f"{self.settings.prefix}faultline-{worker}"
        self.forget(group)
        with TemporaryFile() as log:
            process = self.start(worker, log=log)
            try:
                return self._watch(group, topic, process)
            except WorkerEnded as error:
                log.seek(0)
                raise RuntimeError(f"{error}: {log.read()[-2000:].decode(errors='replace')}") from None
            finally:
                process.terminate()
                process.wait(60)

    def forget(self, group: str) -> None:
        """Let a group start over."""
        for attempt in Retrying(
            retry=retry_if_exception(_coordinator_is_coming),
            stop=stop_after_delay(30),
            wait=wait_fixed(0.2),
            reraise=True,
        ):
            with attempt:
                for future in self.admin.delete_consumer_groups([group]).values():
                    try:
                        future.result()
                    except KafkaException as error:
                        if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                            raise

    def end_offsets(self, topic: str) -> list[int]:
        """The end of every partition."""
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "bench-ends", "log_level": _CRITICAL})
        places = [TopicPartition(topic, number) for number in range(self.partitions)]
        ends = [reader.get_watermark_offsets(place, 10)[1] for place in places]
        reader.close()
        return ends

    def await_read(self, worker: str, topic: str, timeout: float) -> None:
        """Until a worker has committed all that lies in a topic now."""
        ends, deadline = self.end_offsets(topic), time.monotonic() + timeout
        offsets = _Committed(self.bootstrap, f"{self.settings.prefix}faultline-{worker}", topic, self.partitions)
        while not _reached(offsets.now(), ends):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{worker} has not read {topic} within {timeout:.0f} s: {offsets.now()} of {ends}")
            time.sleep(_LOOK_SECONDS)
        offsets.close()

    def _watch(self, group: str, topic: str, process: Any) -> Run:
        committed, ends = _Committed(self.bootstrap, group, topic, self.partitions), self.end_offsets(topic)
        first: tuple[float, int, float] | None = None
        memory = 0
        while True:
            time.sleep(_LOOK_SECONDS)
            if process.poll() is not None:
                raise WorkerEnded(f"the worker ended with code {process.returncode}")
            offsets = committed.now()
            done, now, cpu = sum(offsets), time.perf_counter(), sum(process.cpu_times()[:2])
            memory = max(memory, process.memory_info().rss)
            if done and first is None:
                first = (now, done, cpu)
            if first and _reached(offsets, ends):
                committed.close()
                return Run(done - first[1], now - first[0], cpu - first[2], memory)


class _Committed:
    """The offsets that a group has committed of a topic."""

    def __init__(self, bootstrap: str, group: str, topic: str, partitions: int) -> None:
        self._reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": _CRITICAL})
        self._places = [TopicPartition(topic, number) for number in range(partitions)]

    def now(self) -> list[int]:
        """0 for each where nothing is committed, or the group's coordinator is not up yet."""
        try:
            return [max(0, place.offset) for place in self._reader.committed(self._places, 10)]
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            return [0] * len(self._places)

    def close(self) -> None:
        self._reader.close()


def _reached(offsets: Sequence[int], ends: Sequence[int]) -> bool:
    """Behind the last record may lie the marker of its transaction, which nobody commits."""
    return all(offset >= end - 1 for offset, end in zip(offsets, ends, strict=True))


def _coordinator_is_coming(error: BaseException) -> bool:
    """Just after the broker's start; the admin client does not call that retriable."""
    codes = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR)
    return isinstance(error, KafkaException) and error.args[0].code() in codes


class WorkerEnded(RuntimeError):
    """A worker stopped while it was measured."""


def fast_producer(bootstrap: str, linger_ms: int = 20) -> Producer:
    """For filling topics: large batches."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": linger_ms,
            "log_level": _CRITICAL,
            "batch.size": 1 << 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def append(
    producer: Producer,
    topic: str,
    codes: Sequence[int],
    values: Sequence[bytes],
    keys: Sequence[bytes],
    places: Sequence[int],
) -> None:
    """Append values; `codes` say whose key and partition each has. Waits while the client's queue is full."""
    for code, value in zip(codes, values, strict=True):
        while True:
            try:
                producer.produce(topic, value, keys[code], places[code])
                break
            except BufferError:
                producer.poll(0.05)
    producer.poll(0)


def script(name: str, *arguments: str, python: str | Path = sys.executable) -> float:
    """Events a second that a script of this folder says it reached; it prints them as JSON in its last line."""
    command = [str(python), str(Path(__file__).with_name(name)), *arguments]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(out.stdout.splitlines()[-1])
    return float(found["events"] / found["seconds"])
