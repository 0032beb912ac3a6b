"""What an undisturbed run gives, and the comparison with what the disturbed one left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.model.broker import Broker
from tests.model.chance import Chance, Violation
from tests.model.decoded import decoded
from tests.model.redis import Redis
from tests.model.source import records
from workers.runtime.checkpoints import Manifest
from workers.runtime.records import View
from workers.runtime.slices import Committed, TopicPartition
from workers.runtime.stage import NO_WATERMARK, Stage

Shown = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]


@dataclass(slots=True)
class Expected:
    """One input partition's undisturbed run, without any of the runtime's code."""

    state: Any
    next_offset: int = 0
    outputs: dict[str, list[Shown]] = field(default_factory=dict)
    dead: list[tuple[int, bytes | None]] = field(default_factory=list)  # source offset, value
    views: dict[tuple[str, int], tuple[bytes, int]] = field(default_factory=dict)  # key, version: value, offset


class Oracle:
    """Steps the stage itself over everything the input log holds, one record at a time."""

    def __init__(self, stage: Stage[Any], broker: Broker, topic: str = "in") -> None:
        self._stage, self._broker, self._topic = stage, broker, topic
        self._known: dict[int, Expected] = {}

    def expected(self, partition: int) -> Expected:
        """Up to the end of the input as it is now."""
        tp = TopicPartition(self._topic, partition)
        found = self._known.get(partition)
        if found is None:
            found = self._known[partition] = Expected(self._stage.start(partition, NO_WATERMARK, []))
        for entry in self._broker.log(tp).committed(found.next_offset):
            found.next_offset = entry[0] + 1
            for chunk in self._stage.step(found.state, records(tp, [entry])):
                for o in chunk.outputs:
                    found.outputs.setdefault(o.topic, []).append((o.key, o.value, tuple(o.headers)))
                for view in chunk.views:
                    found.views[(view.key, view.version)] = (view.value, entry[0])
                found.dead += [(entry[0], entry[1].value) for _ in chunk.dead]
        return found

    def check(self, chance: Chance) -> None:
        """Outputs by topic and partition, in order; dead letters by input partition, in order."""
        for partition in range(len(self._broker.topics[self._topic].logs)):
            wanted = self.expected(partition)
            for topic in ("out", "log"):
                log = self._broker.log(TopicPartition(topic, partition))
                got = [(e.key, e.value, e.headers) for _, e in log.committed()]
                _compare(f"{topic}[{partition}]", wanted.outputs.get(topic, []), got)
            _compare(f"dead letters of [{partition}]", wanted.dead, self._dead(partition))
        if any(log.open for topic in self._broker.topics.values() for log in topic.logs):
            raise Violation("a transaction is still open")

    def check_view(self, view: View, offsets: Mapping[TopicPartition, Committed]) -> None:
        """A view holds what was committed when it was published, and what an undisturbed run would show."""
        partition = int(view.key.rsplit(":", 1)[1])
        value, offset = self.expected(partition).views.get((view.key, view.version), (b"", -1))
        if value != view.value:
            raise Violation(f"view {view.key} at {view.version} is {view.value!r}, not {value!r}")
        committed = offsets.get(TopicPartition(self._topic, partition), Committed(None, None))
        metadata = decoded(committed.metadata)
        reached = (committed.offset or 0, metadata.position if metadata else 0)
        if reached <= (offset, 0):
            raise Violation(f"view {view.key} at {view.version} was shown before its record {offset} was committed")

    def _dead(self, partition: int) -> list[tuple[int, bytes | None]]:
        found = []
        for log in self._broker.topics["dead"].logs:
            for _, entry in log.committed():
                headers = dict(entry.headers)
                if int(headers["faultline-source-partition"]) == partition:
                    found.append((int(headers["faultline-source-offset"]), entry.value))
        return found


def scope_of(stage: str, tp: TopicPartition) -> str:
    return f"{stage}:{tp.topic}:{tp.partition}"


def chain_keys(redis: Redis, scope: str, committed: Committed | None) -> set[str]:
    """The keys that this commit needs."""
    metadata = decoded(committed.metadata) if committed else None
    if metadata is None or metadata.checkpoint is None:
        return set()
    manifest = redis.scopes.get(scope, {}).get(metadata.checkpoint.id)
    return {metadata.checkpoint.id} | (Manifest.decode(manifest).keys if manifest else set())


def check_commit(redis: Redis, stage: str, tp: TopicPartition, committed: Committed) -> None:
    """As it is committed: what it names is there, unless Redis lost it, and belongs to no later offset."""
    metadata = decoded(committed.metadata)
    if metadata is None or committed.offset is None:
        raise Violation(f"{tp} was committed without metadata: {committed}")
    if metadata.rebuild.offset > committed.offset:
        raise Violation(f"{tp} would be rebuilt from behind the commit: {metadata}")
    if metadata.checkpoint is None:
        return
    if metadata.checkpoint.offset > committed.offset:
        raise Violation(f"{tp} names a checkpoint of a later offset: {committed}")
    scope = scope_of(stage, tp)
    since = redis.written.get(metadata.checkpoint.id, 0)
    for key in chain_keys(redis, scope, committed) - redis.scopes.get(scope, {}).keys():
        if redis.lost.get(key, 0) < since:
            raise Violation(f"{tp} names a checkpoint that was never whole")


def _compare(what: str, wanted: list[Any], got: list[Any]) -> None:
    for number, (a, b) in enumerate(zip(wanted, got, strict=False)):
        if a != b:
            raise Violation(f"{what}: number {number} is {b}, not {a}")
    if len(wanted) != len(got):
        raise Violation(f"{what}: {len(got)} records, not {len(wanted)}")
