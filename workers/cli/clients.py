"""Clients of Kafka and Redis for commands: short time-outs, quiet logs, and words instead of error codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from workers.cli.failures import Failure
from workers.settings import Settings

CONNECT = 5.0
"""Seconds in which some broker must have answered."""

TIMEOUT = 15.0
"""Seconds that a command waits for one answer."""

_LARGEST = 64 << 20
_CRITICAL = 2  # of syslog's levels: librdkafka repeats every refused connection otherwise


def kafka_options(settings: Settings, options: Mapping[str, object] | None = None) -> dict[str, Any]:
    """What every Kafka client of a command is made with; `options` win over the operator's own."""
    return {
        **settings.kafka.options,
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "log_level": _CRITICAL,
        **(options or {}),
    }


def connect(settings: Settings) -> AdminClient:
    """An admin client that has reached a broker. `Failure` names the address and the setting otherwise."""
    try:
        admin = AdminClient(kafka_options(settings))
        admin.list_topics(timeout=CONNECT)
    except KafkaException as error:
        raise Failure(unreachable(settings, error)) from error
    return admin


def unreachable(settings: Settings, error: KafkaException) -> str:
    return (
        f"no Kafka broker answers at {settings.kafka.bootstrap_servers} ({error.args[0].str()}). "
        "Set FAULTLINE_KAFKA__BOOTSTRAP_SERVERS (TLS and SASL: FAULTLINE_KAFKA__OPTIONS__SECURITY_PROTOCOL …)"
    )


def reader(settings: Settings) -> Consumer:
    """A consumer for `assign`: joins no group, commits nothing, sees committed records only."""
    options = {
        "group.id": f"{settings.prefix}faultline-cli",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    return Consumer(kafka_options(settings, options))


def transactional_producer(settings: Settings, purpose: str) -> Producer:
    """A producer with the fixed identity of `purpose`: a second one of the same purpose fences the first."""
    options = {
        "transactional.id": f"{settings.prefix}faultline-{purpose}",
        "partitioner": "murmur2_random",
        "linger.ms": 2,
        "message.max.bytes": _LARGEST,  # the topic decides what is too large
    }
    return Producer(kafka_options(settings, options))


def redis_client(settings: Settings) -> redis.Redis:
    seconds = settings.redis.timeout_ms / 1000
    return redis.Redis.from_url(settings.redis.url, socket_timeout=seconds, socket_connect_timeout=seconds)


def is_missing(error: KafkaError) -> bool:
    """Whether an error says that a topic does not exist."""
    return error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
