"""How far another group is behind: what a quiet partition may mean depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from workers.runtime.errors import Retriable
from workers.runtime.kafka_log import client_logger

_GRACE_SECONDS = 2.0
"""For a time-out of the client's own to be told."""


class GroupLag:
    """Asks the broker, so not for every cycle.

    A client that got no answer is given up: librdkafka goes on asking a coordinator that a restarted cluster has
    struck off its list, and never the one there is now.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._client: AdminClient | None = None

    def behind(self, group: str, topics: Sequence[str], timeout: float = 5.0) -> int | None:
        """Records of `topics` that the group has not taken; None where it never committed there. Raises Retriable."""
        try:
            return self._behind(group, topics, timeout)
        except (KafkaException, TimeoutError) as error:
            reason = error.args[0] if isinstance(error, KafkaException) else KafkaError(KafkaError._TIMED_OUT)
            if reason.code() in (KafkaError.GROUP_ID_NOT_FOUND, KafkaError.UNKNOWN_TOPIC_OR_PART):
                return None
            self._client = None
            raise Retriable(f"the lag of {group}: {reason.str()}") from error

    def _behind(self, group: str, topics: Sequence[str], timeout: float) -> int | None:
        request = [ConsumerGroupTopicPartitions(group)]
        answer = self._admin.list_consumer_group_offsets(request, request_timeout=timeout)[group]
        found = answer.result(timeout + _GRACE_SECONDS)
        committed = {
            (p.topic, p.partition): p.offset
            for p in found.topic_partitions or []
            if p.topic in topics and p.offset >= 0
        }
        if not committed:
            return None
        ends = self._ends(topics, timeout)
        behind: int = sum(max(0, end - committed.get(place, first)) for place, (first, end) in ends.items())
        return behind

    @property
    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient(self._config, logger=client_logger())
        return self._client

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
        patience = timeout + _GRACE_SECONDS
        return {
            (p.topic, p.partition): (first[p].result(patience).offset, last[p].result(patience).offset) for p in places
        }
