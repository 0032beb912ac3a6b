"""The control topic, followed outside the group: everyone reads all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from workers.runtime.clock import Deadline
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.kafka_log import client_logger
from workers.runtime.kafka_source import failure, reader_config
from workers.runtime.stage import Control


class KafkaControls:
    """Reads the control topic's one partition to its end at start, then whatever comes."""

    def __init__(self, config: Mapping[str, Any], topic: str, deadline: Deadline) -> None:
        """Raises Fatal when the topic does not exist, Retriable when its end is not reached by the deadline."""
        self._latest: dict[bytes, Control] = {}
        self._topic, self.end = topic, 0
        self._consumer = Consumer(
            {**reader_config(config), "group.id": f"{config['group.id']}-control"}, logger=client_logger()
        )
        self._consumer.assign([KafkaPartition(topic, 0, OFFSET_BEGINNING)])
        while not self._read(min(1.0, deadline.left)):
            if deadline.passed:
                raise Retriable(f"the control topic {topic} could not be read to its end")

    def refresh(self) -> None:
        self._read(0)

    def after(self, offset: int) -> list[Control]:
        return sorted((c for c in self._latest.values() if c.offset >= offset), key=lambda c: c.offset)

    def close(self) -> None:
        self._consumer.close()

    def _read(self, timeout: float) -> bool:
        """Take in what there is; true when that was the end."""
        for message in self._consumer.consume(1_000, timeout):
            error = message.error()
            if error is None:
                offset, key = message.offset() or 0, message.key() or b""
                self._latest[key] = Control(offset, key, message.value())
                self.end = max(self.end, offset + 1)
            elif error.code() == KafkaError._PARTITION_EOF:
                return True
            elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise Fatal(f"the control topic {self._topic} does not exist", "Create it: faultline topics create")
            elif not error.retriable():
                raise failure(error, f"reading {self._topic}")
        return False
