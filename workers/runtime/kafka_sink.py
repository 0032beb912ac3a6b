"""The producer side on confluent-kafka: transactions, and at-least-once for those who ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from workers.runtime.bounded import Bounded, Overrun
from workers.runtime.clock import Clock, Deadline
from workers.runtime.errors import Fatal, Retriable, Unknown, WorkerError
from workers.runtime.kafka_log import client_logger
from workers.runtime.kafka_source import LASTING, failure
from workers.runtime.records import Output
from workers.runtime.slices import TopicPartition

_CALL_SECONDS = 5.0
_OVERRUN_SECONDS = 6.0
"""When a call that should have timed out by itself is given up."""

_QUICK = {
    "linger.ms": 1,
    "retry.backoff.ms": 5,
    "retry.backoff.max.ms": 20,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1 << 20,
    "message.max.bytes": 32 << 20,
    "compression.type": "lz4",
    "acks": "all",
    "enable.idempotence": True,
}
"""One transaction costs 27 ms with the client's default back-off, and 7 ms with this one."""

DEFAULT_LIMIT = (1 << 20) + 12
"""The broker's default for max.message.bytes."""


class KafkaSink:
    """The transactional producer. `limits`: the largest record by topic, in bytes."""

    def __init__(
        self, config: Mapping[str, Any], transactional_id: str, timeout_ms: int, limits: Mapping[str, int], clock: Clock
    ) -> None:
        self._config = {
            **LASTING,
            **_QUICK,
            **config,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": timeout_ms,
            "error_cb": self._on_error,
        }
        self._limits, self._clock = limits, clock
        self._producer: Producer | None = None
        self._cut_off = False
        self._calls = Bounded("transactions")

    def reopen(self) -> None:
        # The old one's threads end with it; its open transaction ends with `init_transactions`.
        self._producer, self._cut_off = None, False
        producer = Producer(self._config, logger=client_logger())
        try:
            self._calls.run(lambda: producer.init_transactions(_CALL_SECONDS), _OVERRUN_SECONDS)
        except KafkaException as error:
            raise failure(error.args[0], "init_transactions") from error
        except Overrun as error:
            raise Retriable(f"init_transactions: {error}") from error
        self._producer = producer

    def begin(self) -> None:
        if self._producer is not None:
            self._producer.poll(0)
        # One that was cut off from every broker may know a group coordinator that is none any more, and would ask
        # it without end.
        if self._producer is None or self._cut_off:
            self.reopen()
        self._transactional("begin", lambda p: p.begin_transaction())

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        producer = self._open()
        for output in outputs:
            check_size(output, self._limits)
            partition = tp.partition if output.partition is None else output.partition
            _produce(producer, output, partition, None)
        producer.poll(0)

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        parts = [KafkaPartition(*tp, offset, metadata) for tp, (offset, metadata) in offsets.items()]
        self._transactional("send_offsets", lambda p: p.send_offsets_to_transaction(parts, group, _CALL_SECONDS))

    def commit(self) -> None:
        self._transactional("commit", lambda p: p.commit_transaction(_CALL_SECONDS))

    def close(self) -> None:
        self._producer = None
        self._calls.close()

    def _on_error(self, error: KafkaError) -> None:
        self._cut_off |= error.code() == KafkaError._ALL_BROKERS_DOWN

    def _open(self) -> Producer:
        if self._producer is None:
            raise Unknown("the producer is not open")
        return self._producer

    def _transactional(self, doing: str, call: Callable[[Producer], None]) -> None:
        """Call, and call again while the client says that this is safe; then say what it means.

        A call whose transaction fails underneath it (a record was refused, say) only says `_STATE`; asked again, it
        says why.
        """
        producer = self._open()
        deadline = Deadline.after(self._clock, 3 * _CALL_SECONDS)
        asked = False
        while True:
            try:
                self._calls.run(lambda: call(producer), _OVERRUN_SECONDS)
                return
            except Overrun as error:
                # Whatever it still does is fenced once this transactional id is opened again.
                self._producer = None
                raise Unknown(f"{doing}: {error}") from error
            except KafkaException as error:
                found = error.args[0]
                if found.retriable() and not found.txn_requires_abort() and not deadline.passed:
                    self._clock.sleep(0.005)
                    continue
                if found.code() == KafkaError._STATE and not asked:
                    asked = True
                    continue
                raise _outcome(found, doing) from error


def _outcome(error: KafkaError, doing: str) -> WorkerError:
    if error.txn_requires_abort():
        return Retriable(f"{error.name()}: {doing}: {error.str()}")
    meant = failure(error, doing)
    # A fenced producer and a wrong state are fatal to the client object only: a new one asks what became of it.
    if error.fatal() or isinstance(meant, Retriable):
        return Unknown(f"{error.name()}: {doing}: {error.str()}")
    return meant


class AtLeastOnceSink:
    """Produces, waits for every delivery, then commits the offsets: after a crash some outputs come again."""

    def __init__(self, config: Mapping[str, Any], consumer: Callable[[], Consumer], limits: Mapping[str, int]) -> None:
        """`consumer` gives the client whose offsets these are, as it is then."""
        self._config = {**LASTING, **_QUICK, **config}
        self._producer = Producer(self._config, logger=client_logger())
        self._consumer, self._limits = consumer, limits
        self._calls = Bounded("offsets")
        self._offsets: list[KafkaPartition] = []
        self._failed: KafkaError | None = None

    def begin(self) -> None:
        self._offsets, self._failed = [], None

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        for output in outputs:
            check_size(output, self._limits)
            partition = tp.partition if output.partition is None else output.partition
            _produce(self._producer, output, partition, self._on_delivery)

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        self._offsets = [KafkaPartition(*tp, offset, metadata) for tp, (offset, metadata) in offsets.items()]

    def commit(self) -> None:
        if self._producer.flush(_CALL_SECONDS):
            raise Retriable("outputs are not delivered yet")
        if self._failed is not None:
            raise failure(self._failed, "produce")
        offsets = self._offsets
        try:
            self._calls.run(lambda: self._consumer().commit(offsets=offsets, asynchronous=False), _OVERRUN_SECONDS)
        except KafkaException as error:
            raise failure(error.args[0], "commit") from error
        except Overrun as error:
            raise Retriable(f"commit: {error}") from error

    def reopen(self) -> None:
        self._producer.purge()
        self._producer.flush(_CALL_SECONDS)
        self._producer = Producer(self._config, logger=client_logger())

    def close(self) -> None:
        self._producer.flush(_CALL_SECONDS)
        self._calls.close()

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failed is None:
            self._failed = error


_OVERHEAD = 1024
"""Bytes a record and its batch may have beside keys, values and headers."""


def check_size(output: Output, limits: Mapping[str, int]) -> None:
    """Raise Fatal for a record the topic would refuse: the client would commit the transaction without it."""
    size = output.size + _OVERHEAD
    limit = limits.get(output.topic, DEFAULT_LIMIT)
    if size > limit:
        raise Fatal(
            f"an output of {size} bytes is larger than {output.topic} takes ({limit})",
            f"Raise max.message.bytes of {output.topic}: faultline topics create sets it with the needed margin",
        )


def _produce(
    producer: Producer, output: Output, partition: int, on_delivery: Callable[[KafkaError | None, Message], None] | None
) -> None:
    while True:
        try:
            producer.produce(
                output.topic, output.value, output.key, partition, on_delivery=on_delivery, headers=list(output.headers)
            )
            return
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            raise _outcome(error.args[0], "produce") from error
