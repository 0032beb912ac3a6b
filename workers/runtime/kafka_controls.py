"""The control topic, followed outside the group: everyone reads all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from workers.runtime.clock import Deadline
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.kafka_log import client_logger
from workers.runtime.kafka_source import failure, reader_config
from workers.runtime.stage import Control

_TOLD_EVERY_MS = 5000
_AWAY = 6
"""Tellings without a connection after which a new client is made: one that a broker told of no brokers at all, while
it started, never asks anyone again (librdkafka issue 5301), and nothing else here would notice."""


class KafkaControls:
    """Reads the control topic's one partition to its end at start, then whatever comes."""

    def __init__(self, config: Mapping[str, Any], topic: str, deadline: Deadline) -> None:
        """Raises Fatal when the topic does not exist, Retriable when its end is not reached by the deadline."""
        self._latest: dict[bytes, Control] = {}
        self._topic, self.end = topic, 0
        self._config = {
            **reader_config(config),
            "group.id": f"{config['group.id']}-control",
            "statistics.interval.ms": _TOLD_EVERY_MS,
            "stats_cb": self._on_statistics,
        }
        self._away = 0
        self._consumer = self._connect()
        while not self._read(min(1.0, deadline.left)):
            if deadline.passed:
                raise Retriable(f"the control topic {topic} could not be read to its end")

    def refresh(self) -> None:
        if self._away >= _AWAY:
            self._away = 0
            self._consumer.close()
            self._consumer = self._connect()
        self._read(0)

    def after(self, offset: int) -> list[Control]:
        return sorted((c for c in self._latest.values() if c.offset >= offset), key=lambda c: c.offset)

    def close(self) -> None:
        self._consumer.close()

    def _connect(self) -> Consumer:
        consumer = Consumer(self._config, logger=client_logger())
        consumer.assign([KafkaPartition(self._topic, 0, self.end or OFFSET_BEGINNING)])
        return consumer

    def _on_statistics(self, text: str) -> None:
        connected = any(broker["state"] == "UP" for broker in orjson.loads(text)["brokers"].values())
        self._away = 0 if connected else self._away + 1

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
