"""How far another group is behind: what a quiet partition may mean depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from workers.runtime.errors import Retriable
from workers.runtime.kafka_log import client_logger


class GroupLag:
    """Asks the broker, so not for every cycle."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._admin = AdminClient(dict(config), logger=client_logger())

    def behind(self, group: str, topics: Sequence[str], timeout: float = 5.0) -> int | None:
        """Records of `topics` that the group has not taken; None where it never committed there. Raises Retriable."""
        try:
            request = [ConsumerGroupTopicPartitions(group)]
            found = self._admin.list_consumer_group_offsets(request, request_timeout=timeout)[group].result()
            committed = {
                (p.topic, p.partition): p.offset
                for p in found.topic_partitions or []
                if p.topic in topics and p.offset >= 0
            }
            if not committed:
                return None
            ends = self._ends(topics, timeout)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.GROUP_ID_NOT_FOUND, KafkaError.UNKNOWN_TOPIC_OR_PART):
                return None
            raise Retriable(f"the lag of {group}: {error.args[0].str()}") from error
        behind: int = sum(max(0, end - committed.get(place, first)) for place, (first, end) in ends.items())
        return behind

    def _ends(self, topics: Sequence[str], timeout: float) -> dict[tuple[str, int], tuple[int, int]]:
        """First and end offset of every partition."""
        described = self._admin.list_topics(timeout=timeout).topics
        places = [
            TopicPartition(topic, number)
            for topic in topics
            if topic in described
            for number in described[topic].partitions
        ]
        first = self._admin.list_offsets({p: OffsetSpec.earliest() for p in places}, request_timeout=timeout)
        last = self._admin.list_offsets({p: OffsetSpec.latest() for p in places}, request_timeout=timeout)
        return {(p.topic, p.partition): (first[p].result().offset, last[p].result().offset) for p in places}
