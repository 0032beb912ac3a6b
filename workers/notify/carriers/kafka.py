"""Messages as records of a topic of Kafka, keyed by entity, with the page's id in a header."""

from __future__ import annotations

import socket

from confluent_kafka import KafkaError, KafkaException, Producer

from workers.notify.errors import Refused, Unreachable
from workers.notify.kinds.kind import Message
from workers.runtime.kafka_log import client_logger
from workers.settings import Settings

ID_HEADER = "faultline-page"


class KafkaCarrier:
    def __init__(self, settings: Settings, topic: str, seconds: float) -> None:
        self.topic, self._seconds = topic, seconds
        config = {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "client.id": f"faultline-notify-{socket.gethostname()}",
            **settings.kafka.options,
            "enable.idempotence": True,
            "delivery.timeout.ms": int(seconds * 1000),
            "linger.ms": 0,
            "partitioner": "murmur2_random",
        }
        self._producer = Producer(config, logger=client_logger())

    def carry(self, message: Message) -> None:
        failures: list[KafkaError] = []

        def told(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failures.append(error)

        headers: dict[str, str | bytes | None] = {ID_HEADER: message.id, "content-type": "application/json"}
        try:
            self._producer.produce(self.topic, message.body, message.key.encode(), headers=headers, on_delivery=told)
            left = self._producer.flush(self._seconds + 1)
        except (KafkaException, BufferError) as error:
            raise Unreachable(f"{self.topic}: {error}") from error
        if left:
            self._producer.purge()  # it comes again: what is still on its way here must not come as well
            raise Unreachable(f"{self.topic}: no acknowledgement within {self._seconds:.0f} s")
        if failures:
            text = f"{self.topic}: {failures[0].str()}"
            raise Refused(text) if failures[0].code() == KafkaError.MSG_SIZE_TOO_LARGE else Unreachable(text)

    def close(self) -> None:
        self._producer.flush(1)
