"""Events of a store into Kafka exactly once: each block in one transaction with the position that comes after it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from schemas.columns import NULL_TIME, Events
from workers.runtime.clock import Clock, Deadline, SystemClock
from workers.runtime.errors import Fatal, Retriable, Unknown, WorkerError
from workers.runtime.kafka_sink import KafkaSink
from workers.runtime.kafka_topics import Topics
from workers.runtime.records import Output
from workers.runtime.slices import TopicPartition
from workers.sources.ending import end_partitions
from workers.sources.partition import partition_of
from workers.sources.positions import Position, PositionLog
from workers.sources.publish import PublishError

TRANSACTION_MS = 60_000
"""A transaction is open only while it is written; longer than that, the process was frozen."""

_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source writes: the topic of its events, that of the positions, and its own name among sources.

    `others`: topics that further outputs go to, so that their limits are known.
    """

    topic: str
    positions: str
    source: str
    prefix: str = ""
    others: Sequence[str] = field(default_factory=tuple)

    @property
    def transactional_id(self) -> str:
        return f"{self.prefix}faultline-source-{self.source}"


class ExactlyOnce:
    """Publishes blocks of one source. Use as a context manager: entering takes the source over from whoever had it.

    `position` is the last committed one; its `at` is None when the source never ran. A process that still runs under
    the same id is fenced: its next `publish` raises `PublishError`, as does everything here that cannot succeed. After
    any error, starting again goes on behind the last committed block, with nothing lost and nothing doubled.
    """

    def __init__(
        self,
        options: Mapping[str, object],
        place: Place,
        encode: Callable[[Events], list[bytes]],
        clock: Clock | None = None,
        timeout: float = 60.0,
    ) -> None:
        """`options` are librdkafka options; `encode` gives one record value per event."""
        self.place = place
        self._options = dict(options)
        self._encode = encode
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._log = PositionLog(options, place.positions, self._clock, timeout)
        self._keys: dict[str, tuple[bytes, int]] = {}
        self._owner = uuid.uuid4().hex
        self.position = Position(self._owner, 0)
        self.partitions = 0
        self.limits: dict[str, int] = {}
        self._sink: KafkaSink | None = None

    def __enter__(self) -> ExactlyOnce:
        deadline = Deadline.after(self._clock, self._timeout)
        self._patiently(self._open, deadline)
        # The old owner is fenced now, so this is its last word. Ours is written at once: whoever is fenced later can
        # tell another owner from a transaction that only took too long.
        found = self._patiently(lambda: self._log.read(self.place.source), deadline)
        if found is not None:
            self.position = found
        self._write([], self._after(self.position.at, 0, {}))
        return self

    def __exit__(self, *_: object) -> None:
        if self._sink is not None:
            self._sink.close()

    @property
    def at(self) -> Any:
        """The source's own position, None when it never published."""
        return self.position.at

    def publish(self, events: Events | None, at: Any, more: Sequence[Output] = (), count: int = 0) -> None:
        """Write a block, outputs of other kinds, and the position behind them, all or nothing; returns once committed.

        Keep a block below some 50,000 events: all of it is held until the commit. `count` is how many of `more` are
        events in another form. Raises `PublishError`.
        """
        outputs: list[Output] = []
        times: dict[int, int] = {}
        if events is not None and len(events):
            outputs = self._outputs(events)
            partition = np.array([self._place_of(name)[1] for name in events.entity.values], np.int64)
            latest = np.full(self.partitions, NULL_TIME)
            np.maximum.at(latest, partition[events.entity.codes], events.time)
            times = {number: time for number, time in enumerate(latest.tolist()) if time != NULL_TIME}
        self._write([*outputs, *more], self._after(at, len(outputs) + count, times))

    def forget(self) -> None:
        """Begin anew: the position becomes None, and what was sent before stays where it is."""
        self._write([], Position(self._owner, self.position.sequence + 1))

    def end(self, margin: int) -> list[int]:
        """Close every partition ever written to, `margin` microseconds after its last event; those left open."""
        times = {partition: last + margin for partition, last in self.position.last_time.items()}
        try:
            return end_partitions(self._options, self.place.topic, times, self._timeout)
        except KafkaException as error:
            raise PublishError(f"the closing ticks were not written: {error.args[0].str()}") from error

    def _open(self) -> None:
        topics = Topics(self._options)
        written = [self.place.topic, self.place.positions, *self.place.others]
        self.partitions = topics.counts(written, self._timeout)[self.place.topic]
        self.limits = topics.limits(written)
        options = {name: value for name, value in self._options.items() if not name.startswith("group.")}
        sink = KafkaSink(options, self.place.transactional_id, TRANSACTION_MS, self.limits, self._clock)
        sink.reopen()
        self._sink = sink

    def _after(self, at: Any, events: int, latest: Mapping[int, int]) -> Position:
        known = dict(self.position.last_time)
        for partition, time in latest.items():
            known[partition] = max(known.get(partition, time), time)
        return Position(self._owner, self.position.sequence + 1, at, self.position.events + events, known)

    def _outputs(self, events: Events) -> list[Output]:
        places = [self._place_of(name) for name in events.entity.values]
        values = self._encode(events)
        codes = events.entity.codes.tolist()
        topic = self.place.topic
        return [
            Output(topic, places[code][0], value, (), places[code][1])
            for code, value in zip(codes, values, strict=True)
        ]

    def _place_of(self, entity: str) -> tuple[bytes, int]:
        place = self._keys.get(entity)
        if place is None:
            key = entity.encode()
            place = self._keys[entity] = (key, partition_of(key, self.partitions))
        return place

    def _write(self, outputs: Sequence[Output], after: Position) -> None:
        """One transaction, written again for as long as it is known not to have happened."""
        deadline = Deadline.after(self._clock, self._timeout)
        source = self.place.source
        home = self._patiently(lambda: self._log.partition_of(source), deadline)
        record = Output(self.place.positions, source.encode(), after.encode(), (), home)
        while True:
            try:
                self._commit([*outputs, record])
                break
            except (Retriable, Unknown) as error:
                if self._settled(error, after, deadline):
                    break
            except Fatal as error:
                raise PublishError(str(error)) from error
        self.position = after

    def _commit(self, outputs: Sequence[Output]) -> None:
        assert self._sink is not None, "enter the context first"
        self._sink.begin()
        self._sink.send(TopicPartition(self.place.topic, 0), outputs)
        self._sink.commit()

    def _settled(self, error: WorkerError, after: Position, deadline: Deadline) -> bool:
        """Find out what became of a transaction that failed: True, it is committed; False, write it again."""
        if deadline.passed:
            raise PublishError(f"Kafka did not take the events within {self._timeout:.0f} s: {error}") from error
        if _is_fenced(error):
            # Without opening anew, which would fence whoever took over.
            found = self._patiently(lambda: self._log.read(self.place.source), deadline)
            if found is not None and found.owner != self._owner:
                raise PublishError(
                    f"another process has taken over the source {self.place.source}; two at once need two ids"
                ) from error
        self._clock.sleep(_PAUSE)
        assert self._sink is not None
        self._patiently(self._sink.reopen, deadline)  # ends what is open
        found = self._patiently(lambda: self._log.read(self.place.source), deadline)
        return found is not None and (found.owner, found.sequence) == (self._owner, after.sequence)

    def _patiently(self, call: Callable[[], Any], deadline: Deadline) -> Any:
        """What `call` gives, asked again until the deadline. Raises PublishError."""
        while True:
            try:
                return call()
            except (Retriable, Unknown) as error:
                if deadline.passed:
                    raise PublishError(f"Kafka gave no answer within {self._timeout:.0f} s: {error}") from error
                self._clock.sleep(_PAUSE)
            except Fatal as error:
                raise PublishError(str(error)) from error


def _is_fenced(error: WorkerError) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in _FENCED
