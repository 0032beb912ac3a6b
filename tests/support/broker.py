"""What tests do with a broker, whoever started it: make topics, write records, read them back to the end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

_QUIET = 2  # librdkafka prints every refused connection of a restart otherwise


@dataclass(frozen=True, slots=True)
class Record:
    """One record as tests write and compare it. `partition` -1: by the key (murmur2); `timestamp` in ms, 0 = now."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = -1
    timestamp: int = 0
    offset: int = -1


class Broker:
    """A running Kafka. Topics are told apart by unique names, so that tests can share it."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": _QUIET})
        self._producer: Producer | None = None  # one for all: an idempotent one takes a second to get its id

    def unique(self, stem: str = "t") -> str:
        """A name nobody else has: for a topic, a group, or a `FAULTLINE_NAMESPACE`."""
        return f"{stem}-{uuid.uuid4().hex[:12]}"

    def create_topic(
        self, name: str | None = None, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> str:
        """Create a topic and wait until it can be written to. LogAppendTime, as every topic of ours."""
        name = name or self.unique("topic")
        settings = {"message.timestamp.type": "LogAppendTime", **(config or {})}
        self.admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(timeout=30)
        self._await_leaders(name, partitions)
        return name

    def delete_topic(self, name: str) -> None:
        self.admin.delete_topics([name])[name].result(timeout=30)

    def produce(self, topic: str, records: Iterable[Record]) -> None:
        """Write and wait for every acknowledgement; any failure raises."""
        failures: list[KafkaError] = []

        def report(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        producer = self._writer()
        for record in records:
            producer.produce(
                topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=report,
                timestamp=record.timestamp,
                headers=list(record.headers),
            )
            producer.poll(0)
        if producer.flush(60) or failures:
            raise RuntimeError(f"not all records were written to {topic}: {failures[:3]}")

    def read(self, topic: str, *, committed: bool = True, timeout: float = 60) -> list[Record]:
        """Every record from the beginning to the end as it is now, by partition and offset.

        `committed`: what a `read_committed` reader sees, up to the last stable offset.
        """
        return self.read_from([TopicPartition(topic, p, 0) for p in self.partitions(topic)], committed, timeout)

    def read_from(self, starts: Sequence[TopicPartition], committed: bool = True, timeout: float = 60) -> list[Record]:
        """As `read`, from the given offsets.

        A topic that is being written to may never answer "no more": its end is the one there was at the beginning.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": self.unique("reader"),
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": _QUIET,
            }
        )
        records: list[Record] = []
        deadline = time.monotonic() + timeout
        try:
            # Of a consumer that reads committed, the last stable offsets.
            ends = {(tp.topic, tp.partition): consumer.get_watermark_offsets(tp, timeout)[1] for tp in starts}
            open_partitions = set(ends)
            consumer.assign(list(starts))
            while open_partitions:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the end of {sorted(open_partitions)} was not reached in {timeout:.0f} s")
                for message in consumer.consume(1000, 0.2):
                    error = message.error()
                    place = str(message.topic()), int(message.partition() or 0)
                    if error is None:
                        offset = int(message.offset() or 0)
                        if offset < ends[place]:
                            records.append(_record(message))
                        if offset >= ends[place] - 1:
                            open_partitions.discard(place)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_partitions.discard(place)
                    else:
                        raise KafkaException(error)
        finally:
            consumer.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def partitions(self, topic: str) -> list[int]:
        metadata = self.admin.list_topics(topic, timeout=10).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        return sorted(metadata.partitions)

    def _writer(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    "bootstrap.servers": self.bootstrap_servers,
                    "partitioner": "murmur2_random",
                    "linger.ms": 1,
                    "enable.idempotence": True,
                    "message.max.bytes": 8 << 20,
                    "log_level": _QUIET,
                }
            )
        return self._producer

    def _await_leaders(self, topic: str, partitions: int, timeout: float = 20) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = self.admin.list_topics(topic, timeout=10).topics[topic]
            if found.error is None and sum(p.leader >= 0 for p in found.partitions.values()) == partitions:
                return
            time.sleep(0.02)
        raise TimeoutError(f"topic {topic} has no leaders after {timeout:.0f} s")


def _record(message: Message) -> Record:
    pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return Record(
        value=message.value(),
        key=message.key(),
        headers=tuple((name, value or b"") for name, value in pairs),
        partition=int(message.partition() or 0),
        timestamp=message.timestamp()[1],
        offset=int(message.offset() or 0),
    )
