"""A Kafka broker in memory: logs with transactions and commit markers, producer fencing, stable offsets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.model.chance import Violation
from tests.model.decoded import decoded
from workers.runtime.slices import Committed, TopicPartition


class Fenced(Exception):
    """Another producer has opened the same transactional id since, or the transaction timed out."""


@dataclass(slots=True, eq=False)
class Txn:
    """One transaction. `prepared`: its commit is decided and will come about, but has not yet."""

    started: float
    state: str = "open"
    prepared: bool = False
    touched: dict[TopicPartition, int] = field(default_factory=dict)  # first offset in each log
    offsets: dict[TopicPartition, Committed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One slot of a log: a record, or the marker that ends a transaction there."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    txn: Txn | None = None
    marker: bool = False

    @property
    def visible(self) -> bool:
        return not self.marker and (self.txn is None or self.txn.state == "committed")


@dataclass(slots=True)
class Log:
    """One partition. Offsets are places in `entries`; what lies before `start` has expired."""

    entries: list[Entry] = field(default_factory=list)
    start: int = 0
    open: dict[Txn, int] = field(default_factory=dict)

    @property
    def stable_end(self) -> int:
        """The last stable offset: a `read_committed` reader gets no further."""
        return min(self.open.values(), default=len(self.entries))

    def committed(self, offset: int = 0) -> Iterator[tuple[int, Entry]]:
        """What a `read_committed` reader sees from `offset` on."""
        for place in range(max(offset, self.start), self.stable_end):
            if self.entries[place].visible:
                yield place, self.entries[place]


@dataclass(slots=True)
class Topic:
    id: str
    logs: list[Log]


@dataclass(slots=True)
class Identity:
    """A transactional id: the newest producer's epoch, and its transaction."""

    epoch: int = 0
    txn: Txn | None = None


class Broker:
    """Single-threaded; time is what `now` says. `on_commit` sees every committed offset as it becomes so."""

    def __init__(self, now: Callable[[], float], rng: random.Random, transaction_timeout: float) -> None:
        self.now, self.rng, self.transaction_timeout = now, rng, transaction_timeout
        self.topics: dict[str, Topic] = {}
        self.offsets: dict[TopicPartition, Committed] = {}
        self.identities: dict[str, Identity] = {}
        self.prepared: list[Txn] = []
        self.seen: Counter[str] = Counter()
        self.on_commit: Callable[[TopicPartition, Committed], None] = lambda tp, committed: None

    # -- topics -----------------------------------------------------------------------------------------------------

    def create(self, name: str, partitions: int) -> None:
        """Also recreates: then it has another id, and its old offsets say nothing."""
        number = sum(known.startswith(f"{name}#") for known in self.seen)
        self.seen[f"{name}#{number}"] += 1
        self.topics[name] = Topic(f"{name}#{number}", [Log() for _ in range(partitions)])

    def log(self, tp: TopicPartition) -> Log:
        return self.topics[tp.topic].logs[tp.partition]

    def append(
        self,
        tp: TopicPartition,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes], ...] = (),
        txn: Txn | None = None,
    ) -> None:
        log = self.log(tp)
        if txn is not None:
            txn.touched.setdefault(tp, len(log.entries))
            log.open.setdefault(txn, len(log.entries))
        log.entries.append(Entry(key, value, headers, txn))

    # -- transactions -------------------------------------------------------------------------------------------------

    def open_producer(self, name: str) -> int:
        """`init_transactions`: ends what the last producer of this name left open, and fences that producer."""
        identity = self.identities.setdefault(name, Identity())
        if identity.txn is not None:
            self.seen["left open"] += 1
            self.end(identity.txn, commit=identity.txn.prepared)
        identity.epoch += 1
        identity.txn = None
        return identity.epoch

    def begin(self, name: str, epoch: int) -> Txn:
        identity = self._check(name, epoch)
        identity.txn = Txn(self.now())
        return identity.txn

    def check(self, name: str, epoch: int, txn: Txn) -> None:
        """Raises Fenced unless this producer may still write in this transaction."""
        if self._check(name, epoch).txn is not txn or txn.state != "open" or txn.prepared:
            raise Fenced

    def prepare(self, txn: Txn) -> None:
        """The commit is decided; it comes about at some later time."""
        txn.prepared = True
        self.prepared.append(txn)

    def end(self, txn: Txn, commit: bool) -> None:
        """Write markers, apply offsets."""
        if txn.state != "open":
            return
        txn.state = "committed" if commit else "aborted"
        for tp in txn.touched:
            log = self.log(tp)
            log.open.pop(txn, None)
            log.entries.append(Entry(None, None, txn=txn, marker=True))
        for identity in self.identities.values():
            if identity.txn is txn:
                identity.txn = None
        if commit:
            for tp, committed in txn.offsets.items():
                self._apply(tp, committed)

    def tick(self) -> None:
        """Decided commits come about; forgotten transactions are aborted, and their producers fenced."""
        for txn in [t for t in self.prepared if self.rng.random() < 0.3]:
            self.prepared.remove(txn)
            self.end(txn, commit=True)
        for identity in self.identities.values():
            left = identity.txn
            if left and not left.prepared and self.now() - left.started > self.transaction_timeout:
                self.seen["transaction timed out"] += 1
                self.end(left, commit=False)
                identity.epoch += 1

    def settle(self) -> None:
        """Let every decided commit come about."""
        for txn in self.prepared:
            self.end(txn, commit=True)
        self.prepared.clear()

    # -- offsets ------------------------------------------------------------------------------------------------------

    def unstable(self, tp: TopicPartition) -> bool:
        """Whether an open transaction holds an offset of this partition."""
        pending = [i.txn for i in self.identities.values() if i.txn] + self.prepared
        return any(txn.state == "open" and tp in txn.offsets for txn in pending)

    def _apply(self, tp: TopicPartition, committed: Committed) -> None:
        before = self.offsets.get(tp)
        if before is not None and _order(committed) < _order(before) and not self._recreated(before, committed):
            raise Violation(f"the committed offset of {tp} went back from {before} to {committed}")
        self.on_commit(tp, committed)
        self.offsets[tp] = committed

    def _recreated(self, before: Committed, after: Committed) -> bool:
        old, new = decoded(before.metadata), decoded(after.metadata)
        return bool(old and new and old.topic_id != new.topic_id)

    def _check(self, name: str, epoch: int) -> Identity:
        identity = self.identities[name]
        if identity.epoch != epoch:
            raise Fenced
        return identity


def _order(committed: Committed) -> tuple[int, int]:
    metadata = decoded(committed.metadata)
    return committed.offset or 0, metadata.position if metadata else 0
