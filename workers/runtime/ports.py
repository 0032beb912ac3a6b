"""What the loop asks of Kafka and Redis. The real ones live in `kafka_*` and `redis_store`; the protocol model in
`tests/model` plays them in memory, with crashes and freezes at every call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from workers.runtime.records import Output, Records, View
from workers.runtime.slices import Committed, TopicPartition
from workers.runtime.stage import Control, Logged


@dataclass(slots=True)
class Polled:
    """One poll's result: at most one `Records` per partition, the end offsets of partitions read to their end, and
    the partitions whose next offset is not in the log any more."""

    records: list[Records] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    expired: list[TopicPartition] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic's id (empty where the broker has none) and number of partitions."""

    id: str
    partitions: int


class Ownership(Protocol):
    """Told by the source, from within `poll` or `serve` or `close` only. Must not raise."""

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """New partitions. The source has paused them; they are read once `resume_at` was called."""

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Still owned until this returns."""

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Not owned any more."""


class Source(Protocol):
    """The consumer of the input topics."""

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None: ...

    def poll(self, most: int, timeout: float) -> Polled:
        """Up to `most` records. May call `Ownership`. Raises Retriable, Fatal."""
        ...

    def serve(self, timeout: float) -> None:
        """Let rebalances happen without taking records."""
        ...

    def resume_at(self, tp: TopicPartition, offset: int) -> None:
        """Read this partition from `offset` on. Raises Retriable while the partition is not ready."""
        ...

    def pause(self, tp: TopicPartition) -> None: ...

    def committed(self, tps: Sequence[TopicPartition], timeout: float) -> Mapping[TopicPartition, Committed]:
        """The *stable* committed offsets: waits for open transactions. Raises Retriable when that takes too long."""
        ...

    def bounds(self, tp: TopicPartition, timeout: float) -> tuple[int, int]:
        """First offset and end of the log. Raises Retriable, Fatal."""
        ...

    def known_bounds(self, tp: TopicPartition) -> tuple[int, int] | None:
        """The bounds as last heard, without asking: for the gauges."""
        ...

    def offset_at(self, tp: TopicPartition, start: str, timeout: float) -> int:
        """Where `earliest`, `latest` or an RFC 3339 time lies in this partition. Raises Retriable, Fatal."""
        ...

    def topic(self, name: str, timeout: float) -> TopicInfo:
        """Raises Retriable, Fatal (no such topic, not authorised)."""
        ...

    def logged(self, topic: str, partition: int, start: int, timeout: float) -> list[Logged]:
        """The latest committed record per key of a compacted topic's partition from `start` on, in order.

        Raises Retriable, also while a transaction that is still open hides the end.
        """
        ...

    def logged_end(self, topic: str, partition: int, timeout: float) -> int:
        """Where the next record of that partition will lie at the earliest. Raises Retriable."""
        ...

    @property
    def joined(self) -> bool:
        """A member of the group, with its share of the partitions, be it none. Noticed within seconds."""
        ...

    def group_metadata(self) -> object:
        """The membership as of now, for fencing; opaque."""
        ...

    def close(self) -> None: ...


class Sink(Protocol):
    """The producer. One transaction at a time: `begin send send_offsets commit`; whatever fails, `reopen` ends it."""

    def begin(self) -> None: ...

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        """Outputs of one input partition. Raises Retriable, Unknown (fenced), Fatal (too large, not authorised)."""
        ...

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        """Next offset and metadata of each input partition. Raises Retriable (also a stale generation), Unknown."""
        ...

    def commit(self) -> None:
        """Raises Retriable (nothing is visible, and nothing will be), Unknown, Fatal."""
        ...

    def reopen(self) -> None:
        """A new producer with the same identity: completes or aborts what the old one left open, and outdates all
        that is still on its way from it. Raises Retriable, Fatal.
        """
        ...

    def close(self) -> None: ...


class Controls(Protocol):
    """The control topic as far as it was read; the latest record of each key."""

    @property
    def end(self) -> int:
        """The offset up to which records are known."""
        ...

    def refresh(self) -> None:
        """Take in what has arrived, without waiting."""
        ...

    def after(self, offset: int) -> list[Control]:
        """The records from that offset on, in order."""
        ...


class Store(Protocol):
    """Redis: checkpoints by key, never overwritten, and readable views. Every method may raise Retriable only."""

    def write(self, scope: str, values: Mapping[str, bytes]) -> None:
        """Store values under keys that were never used before."""
        ...

    def read(self, scope: str, keys: Sequence[str]) -> list[bytes | None]: ...

    def holds(self, scope: str, keys: Collection[str]) -> bool:
        """Whether all of these are there."""
        ...

    def keys(self, scope: str) -> set[str]:
        """All keys ever written in this scope and not yet deleted."""
        ...

    def delete(self, scope: str, keys: Iterable[str]) -> None: ...

    def publish(self, views: Sequence[View]) -> None: ...
