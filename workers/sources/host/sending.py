"""Samples to Kafka, whether it is there or not: waiting ones are few, old ones are given up, and all are accounted for.

A source of history waits for a slow broker. This machine's metrics cannot wait: a sample is worth less every second,
and taking the next one must not depend on Kafka. So nothing here blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.columns import Events

_LEAST_WAITING = 100
_FLUSH = 10.0

_FATAL = (KafkaError._AUTHENTICATION, KafkaError._SSL)
_AWAY = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE)


class SendingFailed(RuntimeError):
    """The producer cannot go on; the message says why."""


@dataclass(slots=True)
class Account:
    """Every sample is in one of these, or waits still."""

    taken: int = 0
    delivered: int = 0
    missed: int = 0
    reason: str = ""
    """Why the first one was missed."""


class SampleSender:
    """Queues events for a topic without ever blocking; `close` waits for what is queued.

    The entity is the key, and murmur2 of it the partition, as every Java client would choose. The producer is
    idempotent: a sample is written once, however often it had to be sent. One that waits for longer than `patience`
    seconds is missed, as is one for which the queue (as many as come in that time) has no room. `say` hears when Kafka
    goes and comes. Raises `SendingFailed` when the broker refuses this client for good.
    """

    def __init__(
        self,
        options: Mapping[str, object],
        topic: str,
        encode: Callable[[Events], list[bytes]],
        interval: float,
        patience: float,
        say: Callable[[str], None],
    ) -> None:
        self.topic, self.account = topic, Account()
        self._encode, self._say, self._patience = encode, say, patience
        self._fatal: KafkaError | None = None
        self._away = False
        self._missed_before = 0
        config: dict[str, Any] = {
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "message.timeout.ms": round(patience * 1000),
            "queue.buffering.max.messages": max(_LEAST_WAITING, round(patience / interval) + 10),
            "socket.keepalive.enable": True,
            "error_cb": self._on_error,
            **options,
        }
        self._producer = Producer(config)
        self._closing = False

    def check_topic(self, seconds: float = 3.0) -> None:
        """Raises `SendingFailed` where a broker says that there is no such topic. None that answers is no fault."""
        try:
            found = self._producer.list_topics(self.topic, timeout=seconds).topics[self.topic]
        except KafkaException:
            return self.serve()
        if found.error is not None and not found.partitions:
            raise SendingFailed(f"topic {self.topic}: {found.error.str()}. `faultline topics create` makes the topics")
        return None

    def send(self, events: Events) -> None:
        """Queue events; returns at once, whatever Kafka does."""
        keys = [events.entity.values[code].encode() for code in events.entity.codes.tolist()]
        for key, value in zip(keys, self._encode(events), strict=True):
            self.account.taken += 1
            try:
                self._producer.produce(self.topic, value, key, on_delivery=self._on_delivery)
            except BufferError:
                self._miss("the queue is full")
            except KafkaException as error:
                self._miss(error.args[0].str())
        self.serve()

    def serve(self, seconds: float = 0.0) -> None:
        """Hear what has become of queued samples, for so long at most. Raises `SendingFailed`."""
        self._producer.poll(seconds)
        if self._fatal is not None:
            raise SendingFailed(f"the producer cannot go on: {self._fatal.str()}")

    @property
    def waiting(self) -> int:
        account = self.account
        return account.taken - account.delivered - account.missed

    def close(self, seconds: float = _FLUSH) -> None:
        """Wait for what is queued, for so long at most; what has not gone then is missed."""
        self._producer.flush(seconds if self._fatal is None else 0.0)
        if self.waiting:
            self._closing = True
            self._producer.purge()
            self._producer.flush(1.0)

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            expired = error.code() == KafkaError._MSG_TIMED_OUT
            self._miss(f"Kafka did not take it within {self._patience:,.0f} s" if expired else error.str())
            return
        self.account.delivered += 1
        if self._away:
            missed = self.account.missed - self._missed_before
            self._say(f"Kafka answers again: {missed:,} samples were missed, {self.waiting:,} are sent late")
            self._away = False

    def _miss(self, reason: str) -> None:
        self.account.missed += 1
        if self._closing:
            self.account.reason = self.account.reason or "the end came before Kafka answered"
        elif not self.account.reason:
            self.account.reason = reason
            self._say(f"a sample was missed, the first one: {reason}. How many is told in the end")

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _FATAL:
            self._fatal = self._fatal or error
        elif error.code() in _AWAY and not self._away:
            self._away, self._missed_before = True, self.account.missed
            # librdkafka counts its bootstrap connection among the brokers: its own words on all of them mislead.
            why = "" if error.code() == KafkaError._ALL_BROKERS_DOWN else f" ({error.str()})"
            self._say(f"Kafka does not answer{why}: samples wait for up to {self._patience:,.0f} s")
