"""What a Kafka cluster holds, asked for in as few requests as the protocol allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, OffsetSpec, ResourceType

from workers.cli.clients import TIMEOUT, is_missing


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker has it. `allowed`: what this client may do with it; nothing of one it may not even see."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's committed offset of one partition."""

    topic: str
    partition: int
    offset: int
    metadata: str


def topics(admin: AdminClient, names: Sequence[str]) -> dict[str, Topic]:
    """Those of `names` that exist, also those that this client may not see."""
    if not names:
        return {}
    described = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=TIMEOUT
    )
    found, hidden = {}, {}
    for name, future in described.items():
        try:
            found[name] = future.result(TIMEOUT)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                hidden[name] = Topic(name, 0, 0, {}, frozenset())
            elif not is_missing(error.args[0]):
                raise
    configs = topic_configs(admin, list(found))
    return hidden | {
        name: Topic(
            name,
            len(topic.partitions),
            min((len(p.replicas) for p in topic.partitions), default=0),
            configs.get(name, {}),
            _operations(topic.authorized_operations),
        )
        for name, topic in found.items()
    }


def topic_configs(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Every setting of each topic; nothing for a topic whose settings may not be read."""
    return _configs(admin, [ConfigResource(ResourceType.TOPIC, name) for name in names])


def broker_config(admin: AdminClient) -> dict[str, str]:
    """Settings of one broker; empty where they may not be read."""
    brokers = admin.list_topics(timeout=TIMEOUT).brokers
    return _configs(admin, [ConfigResource(ResourceType.BROKER, str(min(brokers)))]).get(str(min(brokers)), {})


def committed(admin: AdminClient, group: str) -> list[Committed]:
    """What a group has committed; empty for a group that does not exist."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT)
    partitions = asked[group].result(TIMEOUT).topic_partitions
    return [Committed(p.topic, p.partition, p.offset, p.metadata or "") for p in partitions if p.offset >= 0]


def ends(admin: AdminClient, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The last stable offset of each partition: where a `read_committed` reader is at the end."""
    return _offsets(admin, partitions, OffsetSpec.latest())


def starts(admin: AdminClient, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The first offset that each partition still has."""
    return _offsets(admin, partitions, OffsetSpec.earliest())


def since(admin: AdminClient, partitions: Iterable[tuple[str, int]], milliseconds: int) -> dict[tuple[str, int], int]:
    """The first offset at or after a time; -1 where every record is older."""
    return _offsets(admin, partitions, OffsetSpec.for_timestamp(milliseconds))


def _offsets(admin: AdminClient, partitions: Iterable[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    asked = {TopicPartition(topic, partition): spec for topic, partition in partitions}
    if not asked:
        return {}
    answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT)
    return {(tp.topic, tp.partition): future.result(TIMEOUT).offset for tp, future in answers.items()}


def _configs(admin: AdminClient, resources: list[ConfigResource]) -> dict[str, dict[str, str]]:
    if not resources:
        return {}
    configs = {}
    for resource, future in admin.describe_configs(resources, request_timeout=TIMEOUT).items():
        try:
            entries = future.result(TIMEOUT)
        except KafkaException:
            continue  # not authorised to read settings: whoever asks says what that means
        configs[resource.name] = {name: str(entry.value) for name, entry in entries.items()}
    return configs


def _operations(operations: Sequence[AclOperation] | None) -> frozenset[str]:
    return frozenset(operation.name for operation in operations or ())
