"""Reading a topic as a `read_committed` reader sees it: up to its end as it is now, or on and on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from workers.cli import cluster
from workers.cli.clients import TIMEOUT, reader
from workers.cli.failures import Failure, WrongUse
from workers.settings import Settings

_BATCH = 1_000
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_since(text: str, option: str = "--since") -> int:
    """Epoch milliseconds of `10m` ago, or of an RFC 3339 time; 0 for an empty text."""
    if not text:
        return 0
    span = re.fullmatch(r"(\d+)([smhd])", text)
    if span:
        return int(time.time() * 1000) - int(span[1]) * _UNITS[span[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(
            f"{option} {text}: give a span such as 10m, 2h or 3d, or a time such as 2026-03-01T00:00Z"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def partitions(admin: AdminClient, topic: str) -> list[tuple[str, int]]:
    found = cluster.topics(admin, [topic]).get(topic)
    if found is None:
        raise Failure(f"topic {topic} does not exist. `faultline topics create` makes it")
    return [(topic, partition) for partition in range(found.partitions)]


def offsets_at(admin: AdminClient, topic: str, since: int) -> dict[tuple[str, int], int]:
    """Per partition the first offset at or after a time (epoch milliseconds; 0: the first there is)."""
    places = partitions(admin, topic)
    if not since:
        return cluster.starts(admin, places)
    ends = cluster.ends(admin, places)
    return {at: offset if offset >= 0 else ends[at] for at, offset in cluster.since(admin, places, since).items()}


def to_end(
    settings: Settings, starts: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]
) -> Iterator[Message]:
    """Every committed record from `starts` to before `ends`, and no longer, however much is being written."""
    left = {at for at, end in ends.items() if starts[at] < end}
    consumer = reader(settings)
    try:
        consumer.assign([TopicPartition(topic, partition, starts[topic, partition]) for topic, partition in left])
        heard = time.monotonic()
        while left:
            messages = consumer.consume(_BATCH, 0.5)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > TIMEOUT:
                raise Failure(f"Kafka gave nothing for {TIMEOUT:.0f} s while reading {sorted(left)}")
            for message in messages:
                at = (str(message.topic()), int(message.partition() or 0))
                end = message.error() is not None and _at_end(message)
                if not end and at in left and int(message.offset() or 0) < ends[at]:
                    yield message
                if end or int(message.offset() or 0) >= ends[at] - 1:
                    left.discard(at)
    finally:
        consumer.close()


def follow(settings: Settings, starts: Mapping[tuple[str, int], int]) -> Iterator[list[Message]]:
    """Committed records from `starts` on, in small batches as they come, until the caller stops."""
    consumer = reader(settings)
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in starts.items()])
        while True:
            messages = consumer.consume(_BATCH, 0.2)
            yield [message for message in messages if message.error() is None or not _at_end(message)]
    finally:
        consumer.close()


def _at_end(message: Message) -> bool:
    """Whether a message only says that the partition's end is reached; any other error is raised."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is not None
