"""The producer port over the broker in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from tests.model.broker import Broker, Fenced, Txn
from tests.model.group import Group, Stale
from tests.model.redis import Owner
from workers.runtime.errors import Retriable, Unknown
from workers.runtime.records import Output
from workers.runtime.slices import Committed, TopicPartition

_CALL_SECONDS = 2.0


class ModelSink:
    """One worker's transactional producer. Every call can fail before it did anything, half way, and after it did."""

    def __init__(self, broker: Broker, group: Group, name: str, owner: Owner) -> None:
        self._broker, self._group, self._name, self._owner = broker, group, name, owner
        self._epoch: int | None = None
        self._txn: Txn | None = None

    def reopen(self) -> None:
        self._owner.touch("init_transactions")
        self._epoch = None
        if self._fault("init_transactions fails"):
            raise Retriable("init_transactions: timed out")
        self._epoch = self._broker.open_producer(self._name)

    def begin(self) -> None:
        if self._epoch is None:
            self.reopen()
        self._owner.touch("begin")
        try:
            self._txn = self._broker.begin(self._name, cast(int, self._epoch))
        except Fenced as error:
            raise self._fenced() from error

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        self._owner.touch("send")
        for output in outputs:
            if self._fault("produce fails", 0.05):
                raise Retriable("produce: message timed out")
            txn = self._open()
            partition = tp.partition if output.partition is None else output.partition
            where = TopicPartition(output.topic, partition)
            self._broker.append(where, output.key, output.value, tuple(output.headers), txn)

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        self._owner.touch("send_offsets")
        txn = self._open()
        member, generation = cast("tuple[str, int]", group)
        try:
            self._group.check(member, generation)
        except Stale as error:
            self._seen("stale generation")
            raise Retriable("send_offsets: illegal generation") from error
        for tp, (offset, metadata) in offsets.items():
            txn.offsets[tp] = Committed(offset, metadata)
        if self._fault("send_offsets answers too late"):
            raise Unknown("send_offsets: timed out")

    def commit(self) -> None:
        self._owner.touch("commit")
        txn = self._open()
        if self._fault("commit is refused"):
            raise Retriable("commit: a record was not delivered")
        if self._fault("commit unknown, not happened"):
            self._owner.wait(_CALL_SECONDS)
            raise Unknown("commit: timed out")
        if self._fault("commit unknown, happens later"):
            self._broker.prepare(txn)
            self._owner.wait(_CALL_SECONDS)
            raise Unknown("commit: timed out")
        self._broker.end(txn, commit=True)
        self._txn = None
        if self._fault("commit unknown, happened"):
            raise Unknown("commit: timed out")

    def close(self) -> None:
        self._epoch = self._txn = None

    def _open(self) -> Txn:
        if self._txn is None or self._epoch is None:
            raise Unknown("no transaction is open")
        try:
            self._broker.check(self._name, self._epoch, self._txn)
        except Fenced as error:
            raise self._fenced() from error
        return self._txn

    def _fenced(self) -> Unknown:
        self._seen("fenced")
        return Unknown("fenced")

    def _fault(self, name: str, likelihood: float = 1.0) -> bool:
        return self._owner.chance.fault(name, likelihood)

    def _seen(self, what: str) -> None:
        self._owner.chance.note(what)
        self._owner.chance.seen[what] += 1
