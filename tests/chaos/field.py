"""One namespace under attack: its topics, what is fed, when all of it is committed, and the judgement."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import redis
from confluent_kafka import Consumer, TopicPartition

from tests.chaos.fleet import QUICK, Fleet
from tests.chaos.progress import Reading, patiently
from tests.chaos.worker import IN, LOG, OUT, stage_of
from tests.model.inputs import values
from tests.support.broker import Broker, Record
from workers.runtime.checkpoints import Manifest
from workers.runtime.metadata import CommitMetadata
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK

Shown = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]

PARTITIONS = 3


class LeftBehind(AssertionError):
    """In Redis lies what no commit names."""


@dataclass(slots=True)
class Field:
    """A toy worker's surroundings. `feed` may be called while workers run; `settle` waits until all is committed."""

    broker: Broker
    redis_url: str
    kind: str
    protocol: str
    seed: int
    folder: Path
    namespace: str = ""
    fleet: Fleet = field(init=False)
    rng: random.Random = field(init=False)
    fed: int = 0
    made: list[list[tuple[bytes, bytes]]] = field(init=False)

    def __post_init__(self) -> None:
        self.namespace = self.broker.unique(f"chaos-{self.seed}")
        for topic in (IN, OUT):
            self.broker.create_topic(self.topic(topic), PARTITIONS)
        self.broker.create_topic(self.topic(LOG), PARTITIONS, {"cleanup.policy": "compact"})
        self.broker.create_topic(self.topic("telemetry.deadletter.v1"), 2)
        self.rng = random.Random(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        env = {
            **QUICK,
            "FAULTLINE_NAMESPACE": self.namespace,
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "FAULTLINE_KAFKA__GROUP_PROTOCOL": self.protocol,
            "FAULTLINE_REDIS__URL": self.redis_url,
        }
        self.fleet = Fleet(["-m", "tests.chaos.worker", self.kind], env, self.folder)
        self.made = [values(random.Random(self.seed * 100 + p), 20_000) for p in range(PARTITIONS)]

    def topic(self, name: str) -> str:
        return f"{self.namespace}.{name}"

    @property
    def group(self) -> str:
        return f"{self.namespace}.faultline-{self.kind}"

    def feed(self, count: int) -> None:
        """The next `count` records of every partition."""
        batch = []
        for partition, made in enumerate(self.made):
            batch += [Record(v, k, partition=partition) for k, v in made[self.fed : self.fed + count]]
        self.broker.produce(self.topic(IN), batch)
        self.fed += count

    @property
    def reading(self) -> Reading:
        return Reading(self.broker, self.group, self.topic(IN), PARTITIONS)

    def settle(self, timeout: float = 120) -> None:
        """Until everything fed is committed, replacing workers that gave up."""
        deadline = time.monotonic() + timeout
        ends = self.reading.ends()
        while self.reading.committed() != ends:
            if time.monotonic() > deadline:
                tails = "\n---\n".join(self.fleet.tail(worker) for worker in self.fleet.running)
                raise AssertionError(f"{self.namespace}: committed {self.reading.committed()} of {ends}\n{tails}")
            self.fleet.revive()
            time.sleep(0.25)

    def judge(self) -> None:
        """Every output topic, read committed, against the stage stepped over the input log by itself."""
        wanted_out: list[list[Shown]] = []
        wanted_log: list[list[Shown]] = []
        wanted_dead: list[list[tuple[int, bytes | None]]] = []
        for partition, records in enumerate(self._by_partition(IN)):
            out, log, dead = self._undisturbed(partition, records)
            wanted_out.append(out)
            wanted_log.append(log)
            wanted_dead.append(dead)
        for topic, wanted in ((OUT, wanted_out), (LOG, wanted_log)):
            for partition, got in enumerate(self._by_partition(topic)):
                shown = [(r.key, r.value, r.headers) for r in got]
                if topic == LOG:  # compacted: older values of a key may be gone
                    assert_subsequence(f"{topic}[{partition}]", shown, wanted[partition])
                else:
                    assert_same(f"{topic}[{partition}]", shown, wanted[partition])
        for partition, letters in enumerate(self._dead_letters()):
            where = f"dead letters of [{partition}] in {self.namespace}, by offset of origin {[o for o, _ in letters]}"
            assert_same(where, letters, wanted_dead[partition])

    def judge_redis(self) -> None:
        """Only what the commits name is left in Redis, or `LeftBehind`."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap_servers, "group.id": self.group})
        try:
            asked = [TopicPartition(self.topic(IN), p) for p in range(PARTITIONS)]
            commits = patiently(lambda: consumer.committed(asked, 10))
        finally:
            consumer.close()
        with redis.Redis.from_url(self.redis_url) as client:
            for commit in commits:
                scope = f"{self.namespace}.faultline:checkpoint:{{{self.kind}:{commit.topic}:{commit.partition}}}"
                held = {key.decode() for key in client.smembers(f"{scope}:index")}
                stored = {key.decode().rsplit(":", 1)[1] for key in client.scan_iter(f"{_escaped(scope)}:*", 1000)}
                metadata = CommitMetadata.decode(commit.metadata)
                assert metadata is not None
                named: set[str] = set()
                if metadata.checkpoint is not None:
                    manifest = client.get(f"{scope}:{metadata.checkpoint.id}")
                    assert manifest is not None, f"{scope}: the commit names a checkpoint that is not there"
                    named = Manifest.decode(manifest).keys | {metadata.checkpoint.id}
                assert named <= stored, f"{scope}: {len(named - stored)} keys that a commit names are gone"
                if (stored - {"index"}, held - {"whole"}) != (named, named):
                    raise LeftBehind(f"{scope}: {len(stored)} keys for {len(named)} that a commit names")

    def _by_partition(self, topic: str) -> list[list[Record]]:
        split: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        for record in self.broker.read(self.topic(topic)):
            split[record.partition].append(record)
        return split

    def _dead_letters(self) -> list[list[tuple[int, bytes | None]]]:
        found: list[list[tuple[int, bytes | None]]] = [[] for _ in range(PARTITIONS)]
        for record in self.broker.read(self.topic("telemetry.deadletter.v1")):
            headers = dict(record.headers)
            partition = int(headers["faultline-source-partition"])
            found[partition].append((int(headers["faultline-source-offset"]), record.value))
        return found

    def _undisturbed(
        self, partition: int, records: Sequence[Record]
    ) -> tuple[list[Shown], list[Shown], list[tuple[int, bytes | None]]]:
        stage = stage_of(self.kind, self.namespace)
        offsets = np.array([r.offset for r in records], np.int64)
        batch = Records(
            self.topic(IN),
            partition,
            offsets,
            offsets,
            [r.key for r in records],
            [r.value for r in records],
            [None] * len(records),
        )
        shown: dict[str, list[Shown]] = {OUT: [], LOG: []}
        dead: list[tuple[int, bytes | None]] = []
        for chunk in stage.step(stage.start(partition, NO_WATERMARK, []), batch):
            for o in chunk.outputs:
                shown[o.topic.rsplit(".", 1)[1]].append((o.key, o.value, tuple(o.headers)))
            dead += [(records[letter.index].offset, records[letter.index].value) for letter in chunk.dead]
        return shown[OUT], shown[LOG], dead


def assert_same(what: str, got: Sequence[object], wanted: Sequence[object]) -> None:
    """The same, in the same order; the first difference is told."""
    for number, (a, b) in enumerate(zip(got, wanted, strict=False)):
        assert a == b, f"{what}: number {number} is {a}, not {b}"
    assert len(got) == len(wanted), f"{what}: {len(got)} records, not {len(wanted)}"


def assert_subsequence(what: str, got: Sequence[Shown], wanted: Sequence[Shown]) -> None:
    """Compaction may have taken older records of a key; what is there is in order, and each key's latest is there."""
    left = iter(wanted)
    for record in got:
        assert any(record == other for other in left), f"{what}: {record} is doubled or out of order"
    assert {r[0]: r for r in got} == {r[0]: r for r in wanted}, f"{what}: not the latest of every key"


def _escaped(pattern: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in pattern)
