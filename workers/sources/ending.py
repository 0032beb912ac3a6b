"""The tick marked `end`: what a source that replays history writes last, so that every open pane closes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.times import format_times
from workers.progress import TICK_HEADER

_ATTEMPTS = 5


def end_partitions(
    options: Mapping[str, object], topic: str, times: Mapping[int, int], timeout: float = 30.0
) -> list[int]:
    """Append a tick to each partition, with the time (epoch microseconds) given for it.

    A tick counts only where the record read just before it is the one that it names as `as_of` (CONTRACTS §7); where
    another producer wrote in between, it is written again. Returns the partitions where that never succeeded.
    Raises KafkaException when the broker cannot be asked.
    """
    plain = {name: value for name, value in options.items() if not name.startswith("group.")}
    producer = Producer({"linger.ms": 0, **plain, "enable.idempotence": True})
    reader = Consumer({**plain, "group.id": "faultline-source", "enable.auto.commit": False})
    try:
        return [
            partition
            for partition, time in sorted(times.items())
            if not _end(producer, reader, TopicPartition(topic, partition), time, timeout)
        ]
    finally:
        reader.close()


def _end(producer: Producer, reader: Consumer, place: TopicPartition, time: int, timeout: float) -> bool:
    """Write the tick until it directly follows the record it names."""
    for _ in range(_ATTEMPTS):
        bounds = reader.get_watermark_offsets(place, timeout=timeout, cached=False)
        if bounds is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no end offset of partition {place.partition}"))
        as_of = bounds[1] - 1
        value = orjson.dumps({"time": format_times(np.array([time]))[0], "as_of": as_of})
        if _written(producer, place, value, timeout) == as_of + 1:
            return True
    return False


def _written(producer: Producer, place: TopicPartition, value: bytes, timeout: float) -> int:
    """Produce one tick and wait for it; its offset."""
    outcome: list[KafkaError | int] = []

    def report(error: KafkaError | None, message: Message) -> None:
        outcome.append(error if error is not None else int(message.offset() or 0))

    producer.produce(place.topic, value, partition=place.partition, headers=[(TICK_HEADER, b"end")], on_delivery=report)
    producer.flush(timeout)
    result = outcome[0] if outcome else KafkaError(KafkaError._MSG_TIMED_OUT, "the closing tick was not acknowledged")
    if isinstance(result, KafkaError):
        raise KafkaException(result)
    return result
