"""The consumer side on confluent-kafka: incremental rebalances, strict offsets, batches as columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
)
from confluent_kafka import TopicPartition as KafkaPartition

from workers.runtime.errors import Fatal, Retriable, WorkerError
from workers.runtime.kafka_log import Seldom, client_logger
from workers.runtime.kafka_membership import INTERVAL_MS, Membership
from workers.runtime.kafka_topics import Topics
from workers.runtime.ports import Ownership, Polled, TopicInfo
from workers.runtime.records import Headers, Records
from workers.runtime.slices import Committed, TopicPartition
from workers.runtime.stage import Logged
from workers.runtime.times import epoch_milliseconds

log = structlog.get_logger(__name__)

_RESUME_OFFSET_ERRORS = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._NO_OFFSET}
_AUTHORIZATION = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


LASTING: Mapping[str, Any] = {"metadata.recovery.strategy": "none"}
"""For clients that outlive a broker's restart. By default one that can reach no broker throws away what it knows
several times a second, requests in hand included: a member that had asked for metadata then waits for them for ever
(`up, wait-metadata`). Addresses that are all new are found by the restart that `Membership` calls for."""

_SECOND = itemgetter(1)


def failure(error: KafkaError, doing: str) -> WorkerError:
    """A client error as one of the closed set."""
    if error.code() in _AUTHORIZATION:
        return Fatal(f"{doing}: {error.str()}", "Grant the ACLs listed in docs/operating.md, then restart")
    if error.fatal():
        return Fatal(f"{doing}: {error.str()}", "Restart; if it comes again, check the broker's log")
    return Retriable(f"{error.name()}: {doing}: {error.str()}")


class KafkaSource:
    """One member of a consumer group. Used by one thread; callbacks run inside `poll`, `serve` and `close`."""

    def __init__(self, config: Mapping[str, Any], topics: Topics, patience: float = 60.0) -> None:
        """`config`: librdkafka options incl. `group.id` and the protocol's own; the strict ones are set here.

        `patience`: seconds for which the broker may answer and give no place in the group; then that is fatal.
        """
        self._fatal: KafkaError | None = None
        self._seldom = Seldom()
        self._config = dict(config)
        classic = config.get("group.protocol", "classic") == "classic"
        self._membership = Membership(classic, patience, float(config.get("max.poll.interval.ms", 300_000)) / 1000)
        self._consumer = self._connect()
        self._topics = topics
        self._ownership: Ownership | None = None
        self._subscribed: Sequence[str] = ()
        self._owned: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._by_hand = False

    def _connect(self) -> Consumer:
        return Consumer(
            {
                "auto.offset.reset": "error",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 5,
                "retry.backoff.ms": 20,  # stable offsets are asked for again while a transaction holds them
                "retry.backoff.max.ms": 200,
                "queued.min.messages": 50_000,
                "queued.max.messages.kbytes": 65_536,
                **LASTING,
                **self._config,
                "statistics.interval.ms": INTERVAL_MS,
                "stats_cb": self._membership.on_statistics,
                "error_cb": self._on_error,
            },
            logger=client_logger(),
        )

    # -- membership ---------------------------------------------------------------------------------------------------

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None:
        self._ownership, self._subscribed = ownership, topics
        self._join()

    def _join(self) -> None:
        topics = self._subscribed
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, instead of subscribing: no group gives or takes them."""
        self._by_hand = True
        self._owned = set(offsets)
        try:
            self._consumer.assign([KafkaPartition(*tp, offset) for tp, offset in offsets.items()])
        except KafkaException as error:
            raise failure(error.args[0], "assigning partitions") from error

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        # Paused: nothing is read before the partition's own start is known (`resume_at`). Until then at the log's
        # beginning: while a broker restarts, the client's answer about this first position can come after that seek
        # and undo it. Records that come again are left out, and records that are passed over would be lost.
        consumer.incremental_assign([KafkaPartition(p.topic, p.partition, OFFSET_BEGINNING) for p in partitions])
        if partitions:
            consumer.pause(partitions)
        tps = _tps(partitions)
        self._owned |= set(tps)
        self._paused |= set(tps)
        self._tell(lambda ownership: ownership.on_assigned(tps))

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        tps = _tps(partitions)
        self._tell(lambda ownership: ownership.on_revoked(tps))
        self._gone(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        tps = _tps(partitions)
        self._tell(lambda ownership: ownership.on_lost(tps))
        self._gone(consumer, partitions)

    def _gone(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._owned -= set(_tps(partitions))
        self._paused -= set(_tps(partitions))
        consumer.incremental_unassign(partitions)

    def _tell(self, what: Callable[[Ownership], None]) -> None:
        if self._ownership is not None:
            what(self._ownership)

    @property
    def joined(self) -> bool:
        return self._membership.joined

    def group_metadata(self) -> object:
        found = self._consumer.consumer_group_metadata()
        # The client drops its member id in the background when the session is lost, before `on_lost` can be told; and
        # the broker checks neither owner nor generation of offsets that come without one. Asked for in this order:
        # an id that vanishes in between leaves metadata that is fenced.
        if not self._by_hand and not self._consumer.memberid():
            raise Retriable("no member of the group: the session was lost")
        return found

    # -- records ------------------------------------------------------------------------------------------------------

    def poll(self, most: int, timeout: float) -> Polled:
        self._look_after_membership()
        try:
            messages = self._consumer.consume(most, timeout)
        except KafkaException as error:
            raise failure(error.args[0], "consume") from error
        self._raise_fatal()
        return self._columns(messages)

    def serve(self, timeout: float) -> None:
        self._look_after_membership()
        try:
            self._consumer.pause(self._reading())
            try:
                for message in self._consumer.consume(1, timeout):
                    self._give_back(message)
            finally:
                self._consumer.resume(self._reading())
        except KafkaException as error:
            raise failure(error.args[0], "serving a rebalance") from error
        self._raise_fatal()

    def _reading(self) -> list[KafkaPartition]:
        return [KafkaPartition(*tp) for tp in self._owned - self._paused]

    def _give_back(self, message: Message) -> None:
        """A record, or the end of a partition, that was on its way before the pause: let it come again."""
        where, error, offset = _where(message), message.error(), message.offset()
        comes_again = error is None or error.code() == KafkaError._PARTITION_EOF
        if comes_again and offset is not None and where in self._owned:
            self._consumer.seek(KafkaPartition(*where, offset))

    def resume_at(self, tp: TopicPartition, offset: int) -> None:
        try:
            self._consumer.seek(KafkaPartition(*tp, offset))
            self._consumer.resume([KafkaPartition(*tp)])
        except KafkaException as error:
            raise failure(error.args[0], f"seek {tp} to {offset}") from error
        self._paused.discard(tp)

    def resume(self, tp: TopicPartition) -> None:
        """Go on where `pause` stopped."""
        self._consumer.resume([KafkaPartition(*tp)])
        self._paused.discard(tp)

    def pause(self, tp: TopicPartition) -> None:
        if tp in self._owned:
            self._consumer.pause([KafkaPartition(*tp)])
            self._paused.add(tp)

    def _columns(self, messages: list[Message]) -> Polled:
        # One pass over all messages for each field, none of it in a loop of ours: there are hundreds of thousands a
        # second.
        polled = Polled()
        errors = list(map(Message.error, messages))
        if any(errors):
            for message, error in zip(messages, errors, strict=True):
                if error is not None:
                    self._event(message, error, polled)
            messages = [message for message, error in zip(messages, errors, strict=True) if error is None]
        topics = list(map(Message.topic, messages))
        names = list(dict.fromkeys(topics))
        if len(names) == 1:
            polled.records = _of_topic(names[0] or "", messages)
        else:
            for name in names:
                chosen = [message for message, topic in zip(messages, topics, strict=True) if topic == name]
                polled.records += _of_topic(name or "", chosen)
        return polled

    def _event(self, message: Message, error: KafkaError, polled: Polled) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            polled.ends[_where(message)] = message.offset() or 0
        elif error.code() in _RESUME_OFFSET_ERRORS:
            polled.expired.append(_where(message))
        elif error.fatal() or error.code() in _AUTHORIZATION:
            raise failure(error, "consume")
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise Fatal(f"an input topic does not exist: {error.str()}", "Create it: faultline topics create")
        else:
            log.warning("consumer", error=error.str(), code=error.name())

    def _on_error(self, error: KafkaError) -> None:
        # Runs inside poll; a fatal error is seen nowhere else (a fenced static member owns nothing, silently).
        if error.fatal():
            self._fatal = error
        elif error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE):
            log.warning("kafka", error=error.str(), code=error.name())
        elif self._seldom.admits(error.name()) is not None:
            log.info("kafka", error=error.str(), code=error.name())

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            raise failure(self._fatal, "consumer")

    def _look_after_membership(self) -> None:
        self._raise_fatal()
        if self._by_hand or not self._membership.due:
            return
        try:
            self._topics.counts(self._subscribed, timeout=5.0)
        except Retriable:
            self._membership.asked(answers=False)
            return
        if self._membership.overdue:
            raise Fatal(
                f"no place in the group (the client says: {self._membership.state}), though the broker answers",
                "Restart; if it comes again, see the broker's log about the group's coordinator. On a single broker, "
                "offsets.topic.replication.factor has to be 1",
            )
        if self._membership.stuck:
            self._begin_anew()
        self._membership.asked(answers=True)

    def _begin_anew(self) -> None:
        """Join with a new client; the one before is dropped as it is, since it could not even say that it leaves."""
        log.warning("a new client", why=self._membership.state)
        self._membership.renewed()
        lost = sorted(self._owned)
        self._owned, self._paused = set(), set()
        if lost:
            self._tell(lambda ownership: ownership.on_lost(lost))
        self._consumer = self._connect()
        self._join()

    # -- facts --------------------------------------------------------------------------------------------------------

    def committed(self, tps: Sequence[TopicPartition], timeout: float) -> Mapping[TopicPartition, Committed]:
        try:
            found = self._consumer.committed([KafkaPartition(*tp) for tp in tps], timeout)
        except KafkaException as error:
            raise failure(error.args[0], "reading committed offsets") from error
        result = {}
        for p in found:
            if p.error is not None:
                raise failure(p.error, "reading committed offsets")
            offset = p.offset if p.offset >= 0 else None
            result[TopicPartition(p.topic, p.partition)] = Committed(offset, p.metadata)
        return result

    def bounds(self, tp: TopicPartition, timeout: float) -> tuple[int, int]:
        try:
            found = self._consumer.get_watermark_offsets(KafkaPartition(*tp), timeout)
        except KafkaException as error:
            raise failure(error.args[0], f"reading the bounds of {tp}") from error
        if found is None:
            raise Retriable(f"no answer about the bounds of {tp}")
        return found[0], found[1]

    def known_bounds(self, tp: TopicPartition) -> tuple[int, int] | None:
        found = self._consumer.get_watermark_offsets(KafkaPartition(*tp), cached=True)
        return None if found is None or found[1] < 0 else (max(found[0], 0), found[1])

    def offset_at(self, tp: TopicPartition, start: str, timeout: float) -> int:
        first, end = self.bounds(tp, timeout)
        if start in ("earliest", "latest"):
            return first if start == "earliest" else end
        at = epoch_milliseconds(start)
        try:
            found = self._consumer.offsets_for_times([KafkaPartition(*tp, at)], timeout)[0]
        except KafkaException as error:
            raise failure(error.args[0], f"looking up {start} in {tp}") from error
        return found.offset if found.offset >= 0 else end

    def topic(self, name: str, timeout: float) -> TopicInfo:
        return self._topics.info(name, max(timeout, 5.0))

    def logged_end(self, topic: str, partition: int, timeout: float) -> int:
        return self._topics.end(topic, partition, max(timeout, 5.0))

    def logged(self, topic: str, partition: int, start: int, timeout: float) -> list[Logged]:
        deadline = time.monotonic() + timeout
        wanted = self._topics.end(topic, partition, timeout)
        reader = Consumer(
            {**reader_config(self._config), "group.id": f"{self._config['group.id']}-state"}, logger=client_logger()
        )
        latest: dict[bytes, bytes | None] = {}
        try:
            reader.assign([KafkaPartition(topic, partition, OFFSET_BEGINNING)])
            while True:
                messages = reader.consume(10_000, 0.05)  # it waits that long for the number to be full
                if not messages and time.monotonic() > deadline:
                    raise Retriable(f"the end of the state topic {topic}[{partition}] is not readable yet")
                for message in messages:
                    error = message.error()
                    if error is None:
                        if (message.offset() or 0) < start:
                            continue
                        key = message.key() or b""
                        latest.pop(key, None)  # topic order is the order of the newest record of each key
                        latest[key] = message.value()
                    elif error.code() == KafkaError._PARTITION_EOF:
                        # It also says so before a transaction left open by someone, which hides what came later.
                        if (message.offset() or 0) >= wanted:
                            return [Logged(k, v) for k, v in latest.items() if v is not None]
                    elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise Fatal(f"the state topic {topic} does not exist", "Create it: faultline topics create")
                    else:
                        raise failure(error, f"reading {topic}[{partition}]")
        finally:
            reader.close()

    @property
    def consumer(self) -> Consumer:
        """The client itself, for offsets outside transactions."""
        return self._consumer

    def close(self) -> None:
        """Leave the group; revocation is told before this returns."""
        self._consumer.close()


def _tps(partitions: Sequence[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in partitions]


def _where(message: Message) -> TopicPartition:
    return TopicPartition(message.topic() or "", message.partition() or 0)


def _of_topic(topic: str, messages: list[Message]) -> list[Records]:
    """The messages of each partition in order."""
    partitions = np.fromiter(map(Message.partition, messages), np.int32, len(messages))
    found = []
    for partition in np.unique(partitions).tolist():
        rows = np.flatnonzero(partitions == partition).tolist()
        found.append(_records(topic, partition, [messages[row] for row in rows]))
    return found


def _records(topic: str, partition: int, messages: list[Message]) -> Records:
    count = len(messages)
    if messages[0].timestamp()[0] == TIMESTAMP_NOT_AVAILABLE:
        raise Fatal(f"{topic} carries no record timestamps", "Use a broker of version 0.10 or later")
    headers = list(map(Message.headers, messages))
    return Records(
        topic=topic,
        partition=partition,
        offsets=np.fromiter(map(Message.offset, messages), np.int64, count),
        timestamps=np.fromiter(map(_SECOND, map(Message.timestamp, messages)), np.int64, count) * 1000,
        keys=list(map(Message.key, messages)),
        values=list(map(Message.value, messages)),
        headers=list(map(_headers, headers)) if any(headers) else [None] * count,
    )


def _headers(found: Any) -> Headers | None:
    if not found:
        return None
    pairs = found.items() if isinstance(found, dict) else found
    return [(name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs]


def reader_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The connection's options alone, for a reader that is no member of the group."""
    membership = ("group.", "session.", "heartbeat.", "partition.assignment.", "max.poll.", "queued.")
    kept = {k: v for k, v in config.items() if not k.startswith(membership) and not callable(v)}
    return {
        **kept,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 20,  # the end is told only when a fetch comes back: half a second by default
    }
