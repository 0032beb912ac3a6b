"""What the broker says about topics and itself: ids, partition counts, size limits, session limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, OffsetSpec
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from workers.runtime.errors import Fatal, Retriable
from workers.runtime.kafka_log import client_logger
from workers.runtime.ports import TopicInfo

_WANTED_SESSION_MS = 10_000


class Topics:
    """Looks facts up by the admin client; what an embedded broker cannot tell gets the plainest answer.

    A client that got no answer is given up: one that a broker told of no brokers at all, while it started, never
    asks anyone again (librdkafka issue 5301).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._client: AdminClient | None = None

    @property
    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient(self._config, logger=client_logger())
        return self._client

    def _unanswered(self, about: str, error: KafkaException) -> Retriable:
        self._client = None
        return Retriable(f"{about}: {error}")

    def info(self, name: str, timeout: float) -> TopicInfo:
        """Id and partitions. Raises Retriable (no answer), Fatal (no such topic)."""
        cluster, partitions = self._look(name, timeout)
        if cluster.controller_id not in cluster.brokers:
            return TopicInfo("", partitions)  # an embedded broker: it would be asked for ids until the time-out
        try:
            described = self._admin.describe_topics(TopicCollection([name]), request_timeout=timeout)[name].result()
        except KafkaException as error:
            raise self._unanswered(f"topic {name}", error) from error
        return TopicInfo(str(described.topic_id), len(described.partitions))

    def _look(self, name: str, timeout: float) -> tuple[ClusterMetadata, int]:
        """The cluster, and how many partitions the topic has."""
        try:
            cluster = self._admin.list_topics(name, timeout=timeout)
        except KafkaException as error:
            raise self._unanswered(f"topic {name}", error) from error
        topic = cluster.topics[name]
        if topic.error is not None:
            if topic.error.retriable():
                raise Retriable(f"topic {name}: {topic.error.str()}")
            raise Fatal(f"topic {name}: {topic.error.str()}", "Create it: faultline topics create; or grant READ on it")
        return cluster, len(topic.partitions)

    def end(self, name: str, partition: int, timeout: float) -> int:
        """The end of a partition's log, open transactions included. Raises Retriable."""
        wanted = {KafkaPartition(name, partition): OffsetSpec.latest()}
        try:
            answers = self._admin.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout
            )
            return int(next(iter(answers.values())).result().offset)
        except KafkaException as error:
            raise self._unanswered(f"the end of {name}[{partition}]", error) from error

    def counts(self, names: Sequence[str], timeout: float = 10.0) -> dict[str, int]:
        """Partitions of each topic. Raises Retriable, Fatal."""
        return {name: self._look(name, timeout)[1] for name in names}

    def limits(self, names: Sequence[str], timeout: float = 10.0) -> dict[str, int]:
        """The largest record each topic takes, in bytes; topics that cannot be described are left out."""
        wanted = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
        limits = {}
        try:
            futures = self._admin.describe_configs(list(wanted.values()), request_timeout=timeout)
            for name, resource in wanted.items():
                limits[name] = int(futures[resource].result()["max.message.bytes"].value)
        except (KafkaException, KeyError, TypeError, ValueError):
            return limits
        return limits

    def rights(self, names: Sequence[str], timeout: float = 10.0) -> dict[str, frozenset[str]]:
        """What this client may do with each topic (names of Kafka's operations); topics of which nothing is told are
        left out. Raises Retriable, Fatal.
        """
        if self._is_embedded(names[0], timeout):
            return {}
        described = self._admin.describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=timeout
        )
        allowed = {}
        try:
            for name, future in described.items():
                operations = future.result().authorized_operations
                if operations:
                    allowed[name] = frozenset(operation.name for operation in operations)
        except KafkaException as error:
            raise self._unanswered(f"topic {name}", error) from error
        return allowed

    def cleanup(self, names: Sequence[str], timeout: float = 10.0) -> dict[str, str]:
        """`cleanup.policy` of each topic; those that cannot be described are left out."""
        if self._is_embedded(names[0], timeout):
            return {}
        wanted = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
        futures = self._admin.describe_configs(list(wanted.values()), request_timeout=timeout)
        found = {}
        for name, resource in wanted.items():
            try:
                found[name] = str(futures[resource].result()["cleanup.policy"].value)
            except (KafkaException, KeyError):
                continue
        return found

    def _is_embedded(self, name: str, timeout: float) -> bool:
        """Whether this is librdkafka's own broker, which would be asked until the time-out."""
        cluster, _ = self._look(name, timeout)
        return cluster.controller_id not in cluster.brokers

    def short_sessions(self, group: str, session_ms: int, timeout: float = 10.0) -> bool:
        """Whether KIP-848 can notice a dead member within 10 s: the broker allows it, and the group is set to it.

        False also where the broker knows no such setting (before 4.0, or embedded): the classic protocol is used.
        """
        broker = self._broker_settings(timeout)
        least = broker.get("group.consumer.min.session.timeout.ms")
        if least is None or int(least) > _WANTED_SESSION_MS:
            return False
        session = max(int(least), session_ms)
        entry = ConfigEntry("consumer.session.timeout.ms", str(session), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[entry])
        try:
            for future in self._admin.incremental_alter_configs([resource], request_timeout=timeout).values():
                future.result()
        except KafkaException:
            default = broker.get("group.consumer.session.timeout.ms")
            return default is not None and int(default) <= _WANTED_SESSION_MS
        return True

    def _broker_settings(self, timeout: float) -> dict[str, str]:
        try:
            broker = next(iter(self._admin.list_topics(timeout=timeout).brokers))
            resource = ConfigResource(ResourceType.BROKER, str(broker))
            found = self._admin.describe_configs([resource], request_timeout=timeout)[resource].result()
        except (KafkaException, StopIteration):
            return {}
        return {name: entry.value for name, entry in found.items() if entry.value is not None}
