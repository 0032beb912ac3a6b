"""One record from a command onto a topic, acknowledged by all replicas or refused with a reason."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message, Producer

from workers.cli.clients import TIMEOUT, kafka_options
from workers.cli.failures import Failure
from workers.settings import Settings


def publish(settings: Settings, topic: str, key: bytes, value: bytes | None) -> None:
    """Write one record and wait for it. `Failure` if it was not written, or may not have been."""
    refused: list[KafkaError] = []

    def report(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    options = {"enable.idempotence": True, "partitioner": "murmur2_random", "message.timeout.ms": int(TIMEOUT * 1000)}
    producer = Producer(kafka_options(settings, options))
    producer.produce(topic, value, key, on_delivery=report)
    left = producer.flush(TIMEOUT + 5)
    if left or refused:
        reason = refused[0].str() if refused else "no answer in time"
        raise Failure(
            f"{topic}: the record was not acknowledged ({reason}). Run the command again: it says the same twice"
        )
