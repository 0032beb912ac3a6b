"""Where a source that reads a store has got to, kept in Kafka by the transaction that writes its events.

Positions lie in the compacted topic `faultline.state.source.v1`, one record a source, by its id. Committed offsets of a
group were the alternative: Kafka forgets those of a group without members after a week, and a source that is started
again after its holidays would send everything twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from workers.runtime.clock import Clock, Deadline, SystemClock
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.kafka_log import client_logger
from workers.runtime.kafka_topics import Topics
from workers.sources.partition import partition_of

_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Position:
    """What is known of a source's progress. `at` is the source's own: anything that JSON can say.

    `owner`: the process that wrote it; `sequence`: how many transactions there were, which tells whether one whose
    outcome is unknown was committed. `last_time`: the latest event time per partition of the events topic, which the
    closing tick of a later run must know, too.
    """

    owner: str
    sequence: int
    at: Any = None
    events: int = 0
    last_time: Mapping[int, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        times = {str(partition): time for partition, time in self.last_time.items()}
        document = {"owner": self.owner, "sequence": self.sequence, "events": self.events, "last_time": times}
        return orjson.dumps({**document, "at": self.at})

    @classmethod
    def decode(cls, value: bytes) -> Position:
        """Raises ValueError for bytes that are no position."""
        try:
            found = orjson.loads(value)
            times = {int(partition): int(time) for partition, time in found["last_time"].items()}
            return cls(str(found["owner"]), int(found["sequence"]), found["at"], int(found["events"]), times)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a position of a source: {value[:100]!r}") from error


class PositionLog:
    """The topic of positions. `options` are librdkafka options; nothing is written here."""

    def __init__(
        self, options: Mapping[str, object], topic: str, clock: Clock | None = None, timeout: float = 30.0
    ) -> None:
        self.topic = topic
        self._options = {name: value for name, value in options.items() if not name.startswith("group.")}
        self._topics = Topics(self._options)
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._partitions = 0

    def partition_of(self, source: str) -> int:
        """Where the record of a source lies. Raises Fatal where there is no such topic, or Retriable."""
        self._partitions = self._partitions or self._topics.counts([self.topic], self._timeout)[self.topic]
        return partition_of(source.encode(), self._partitions)

    def read(self, source: str) -> Position | None:
        """The position that was committed last; None where there never was one.

        Waits for transactions that are still open there, so that what comes back is not older than the call. Raises
        Retriable when there is no answer within the time-out, and Fatal.
        """
        partition = self.partition_of(source)
        deadline = Deadline.after(self._clock, self._timeout)
        end = self._topics.end(self.topic, partition, self._timeout)
        if end == 0:
            return None
        value = self._last(KafkaPartition(self.topic, partition, 0), source.encode(), end, deadline)
        if not value:
            return None
        try:
            return Position.decode(value)
        except ValueError as error:
            way_out = f"Another kind of record has the key {source} in {self.topic}; give the source another --id"
            raise Fatal(str(error), way_out) from error

    def _last(self, start: KafkaPartition, key: bytes, end: int, deadline: Deadline) -> bytes | None:
        """The last committed value of a key before `end`."""
        consumer = Consumer(
            {
                **self._options,
                "group.id": "faultline-source",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            },
            logger=client_logger(),
        )
        value: bytes | None = None
        try:
            consumer.assign([start])
            while not deadline.passed:
                for message in consumer.consume(1000, _POLL):
                    error = message.error()
                    if error is None:
                        value = message.value() if message.key() == key else value
                        if int(message.offset() or 0) >= end - 1:
                            return value
                    elif error.code() != KafkaError._PARTITION_EOF:
                        if not error.retriable():
                            raise Retriable(f"reading {self.topic}: {error.str()}")
                    elif int(message.offset() or 0) >= end:  # an open transaction ends what is readable before that
                        return value
            raise Retriable(f"the end of {self.topic} was not reached within {self._timeout:.0f} s")
        except KafkaException as error:
            raise Retriable(f"reading {self.topic}: {error.args[0].str()}") from error
        finally:
            consumer.close()
