"""Events into a Kafka topic: keyed by entity, in order, acknowledged, through a bounded queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.columns import Events
from workers.runtime.clock import Clock, SystemClock
from workers.sources.ending import end_partitions
from workers.sources.partition import partition_of

_BATCH = 10_000  # messages handed over at once
_WAITING = 100_000  # messages in the producer's queue before a source has to wait


class PublishError(RuntimeError):
    """Not everything reached the topic; the message says why, and what to look at."""


@dataclass(slots=True)
class Delivery:
    """What became of what was sent. `last_time` is the latest event time per partition."""

    sent: int = 0
    failed: int = 0
    first_error: str = ""
    last_time: dict[int, int] = field(default_factory=dict)

    def fail(self, error: KafkaError | None) -> None:
        self.failed += 1
        self.first_error = self.first_error or (error.str() if error is not None else "unknown error")


class Publisher:
    """Sends blocks of events to one topic. Use as a context manager: leaving it flushes.

    `options` are librdkafka options (bootstrap servers, security). `encode` gives one record value per event.
    `send` blocks while the producer's queue is full, so a slow broker slows the source. The first record that was not
    delivered is remembered; `flush` raises it as `PublishError`, and so does the next `send` unless `tolerant`.
    """

    def __init__(
        self,
        options: Mapping[str, object],
        topic: str,
        encode: Callable[[Events], list[bytes]],
        clock: Clock | None = None,
        timeout: float = 30.0,
        tolerant: bool = False,
    ) -> None:
        self.topic = topic
        self.delivery = Delivery()
        self._options = dict(options)
        self._encode = encode
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._tolerant = tolerant
        self._fatal: KafkaError | None = None
        self._places: dict[str, tuple[bytes, int]] = {}
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "linger.ms": 20,
                "batch.size": 1 << 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2 * _WAITING,
                "delivery.report.only.error": True,
                "error_cb": self._on_error,
                **self._options,
            }
        )
        self.partitions = self._count_partitions()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.flush()
        else:
            self._producer.flush(5)

    def send(self, events: Events) -> None:
        """Queue a block for delivery, each partition's events in the block's order."""
        if not len(events):
            return
        self._check(tolerant=self._tolerant)
        values = self._encode(events)
        known = [self._place(name) for name in events.entity.values]
        keys = [key for key, _ in known]
        partition = np.array([number for _, number in known], np.int32)[events.entity.codes]
        order = np.argsort(partition, kind="stable")
        codes = events.entity.codes
        bounds = np.flatnonzero(np.diff(partition[order], prepend=-1, append=-1))
        for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            rows = order[start:stop]
            number = int(partition[rows[0]])
            latest = int(events.time[rows].max())
            self.delivery.last_time[number] = max(self.delivery.last_time.get(number, latest), latest)
            pairs = zip(rows.tolist(), codes[rows].tolist(), strict=True)
            messages: list[dict[str, object]] = [{"value": values[row], "key": keys[code]} for row, code in pairs]
            for at in range(0, len(messages), _BATCH):
                self._produce(number, messages[at : at + _BATCH])
        self.delivery.sent += len(values)

    def flush(self) -> None:
        """Wait until everything queued is acknowledged. Raises `PublishError` when something was not."""
        deadline = self._clock.monotonic() + self._timeout
        left = len(self._producer)
        while left and self._fatal is None:
            remaining = self._producer.flush(1.0)
            if remaining < left:
                deadline = self._clock.monotonic() + self._timeout
            elif self._clock.monotonic() > deadline:
                raise PublishError(
                    f"{remaining} records were not acknowledged within {self._timeout:.0f} s: is the broker up?"
                )
            left = remaining
        self._check(tolerant=False)

    def _check(self, tolerant: bool) -> None:
        if self._fatal is not None:
            raise PublishError(f"the producer cannot go on: {self._fatal.str()}")
        if self.delivery.failed and not tolerant:
            raise PublishError(
                f"{self.delivery.failed} of {self.delivery.sent} records were refused, the first one with: "
                f"{self.delivery.first_error}"
            )

    def end(self, margin: int) -> list[int]:
        """Close every partition written to, `margin` microseconds after its last event (`ending.end_partitions`)."""
        self.flush()
        times = {partition: last + margin for partition, last in self.delivery.last_time.items()}
        try:
            return end_partitions(self._options, self.topic, times, self._timeout)
        except KafkaException as error:
            raise PublishError(f"the closing ticks were not written: {error.args[0].str()}") from error

    def _place(self, entity: str) -> tuple[bytes, int]:
        place = self._places.get(entity)
        if place is None:
            key = entity.encode()
            place = self._places[entity] = (key, partition_of(key, self.partitions))
        return place

    def _produce(self, partition: int, messages: list[dict[str, object]]) -> None:
        """Queue messages, waiting for room; those that the client refuses for good are failures."""
        while messages:
            self._wait_for_room(len(messages))
            queued = self._producer.produce_batch(
                self.topic, messages, partition=partition, on_delivery=self._on_failure
            )
            if queued == len(messages):
                return
            refused = [message for message in messages if "_error" in message]
            messages = []
            for message in refused:
                error = message.pop("_error")
                assert isinstance(error, KafkaError)
                if error.code() == KafkaError._QUEUE_FULL:
                    messages.append(message)
                else:
                    self.delivery.fail(error)
            if messages:
                self._producer.poll(0.05)

    def _wait_for_room(self, count: int) -> None:
        """Back-pressure: let the broker catch up before more is queued."""
        self._producer.poll(0)
        deadline = self._clock.monotonic() + self._timeout
        waiting = len(self._producer)
        while waiting and waiting + count > _WAITING:
            self._check(tolerant=self._tolerant)
            self._producer.poll(0.05)
            if len(self._producer) < waiting:
                waiting = len(self._producer)
                deadline = self._clock.monotonic() + self._timeout
            elif self._clock.monotonic() > deadline:
                raise PublishError(f"the broker took nothing for {self._timeout:.0f} s with {waiting} records waiting")

    def _on_failure(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.delivery.fail(error)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._fatal = self._fatal or error

    def _count_partitions(self) -> int:
        deadline = self._clock.monotonic() + self._timeout
        while True:
            try:
                found = self._producer.list_topics(self.topic, timeout=self._timeout).topics[self.topic]
            except KafkaException as error:
                where, why = self._options.get("bootstrap.servers"), error.args[0].str()
                raise PublishError(
                    f"no Kafka broker answers at {where} ({why}). Set FAULTLINE_KAFKA__BOOTSTRAP_SERVERS"
                ) from error
            if found.error is None and found.partitions:
                return len(found.partitions)
            if self._clock.monotonic() > deadline or (found.error is not None and not found.error.retriable()):
                reason = found.error.str() if found.error is not None else "it has no partitions"
                raise PublishError(f"topic {self.topic}: {reason}. `faultline topics create` makes the topics")
            self._clock.sleep(0.2)
