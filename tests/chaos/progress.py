"""How far a consumer group is in its input, by the broker; asked again while that restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.support.broker import Broker

T = TypeVar("T")

_ASK_SECONDS = 10


def patiently(ask: Callable[[], T], timeout: float = 40) -> T:
    """The answer; a broker that restarts, or has just done so, is asked again."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return ask()
        except (KafkaException, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Reading:
    """One group's reading of one topic."""

    broker: Broker
    group: str
    topic: str
    partitions: int

    def committed(self) -> list[int]:
        """The committed offset of every partition; -1 where there is none."""
        return patiently(self._committed)

    def ends(self) -> list[int]:
        """Where every partition's log ends, commit markers included."""
        return patiently(self._ends)

    def _committed(self) -> list[int]:
        wanted = [ConsumerGroupTopicPartitions(self.group)]
        client = self._client()
        found = client.list_consumer_group_offsets(wanted)[self.group].result(timeout=_ASK_SECONDS)
        offsets = {p.partition: p.offset for p in found.topic_partitions or [] if p.topic == self.topic}
        return [offsets.get(partition, -1) for partition in range(self.partitions)]

    def _ends(self) -> list[int]:
        asked = {TopicPartition(self.topic, p): OffsetSpec.latest() for p in range(self.partitions)}
        client = self._client()  # outlives its answers
        answers = client.list_offsets(asked)
        return [int(answers[tp].result(timeout=_ASK_SECONDS).offset) for tp in asked]

    def _client(self) -> AdminClient:
        """A new one each time: one that saw the broker restart may go on with what is not so any more."""
        return AdminClient({"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 2})
