"""The cycle of the one process that reads all partitions: poll, step, commit. What goes wrong is loaded anew.

It is no member of a group that shares partitions out: it takes all of them, and its transactional id, which is always
the same, ends whoever ran before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from workers.groups.core import Core
from workers.groups.position import Position
from workers.runtime.clock import Clock, Deadline
from workers.runtime.deadletters import dead_letter
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.metrics import Metrics
from workers.runtime.ports import Polled, Sink
from workers.runtime.records import DeadLetter, Output, Records
from workers.runtime.slices import Committed, Progress, Slice, TopicPartition, Verdict
from workers.runtime.stage import Logged
from workers.runtime.transaction import Reached, Transaction

log = structlog.get_logger(__name__)


class Reader(Protocol):
    """What is asked of the consumer; `KafkaSource` has it."""

    def assign(self, offsets: dict[TopicPartition, int]) -> None: ...
    def poll(self, most: int, timeout: float) -> Polled: ...
    def pause(self, tp: TopicPartition) -> None: ...
    def resume(self, tp: TopicPartition) -> None: ...
    def committed(self, tps: Sequence[TopicPartition], timeout: float) -> Mapping[TopicPartition, Committed]: ...
    def bounds(self, tp: TopicPartition, timeout: float) -> tuple[int, int]: ...
    def offset_at(self, tp: TopicPartition, start: str, timeout: float) -> int: ...
    def logged(self, topic: str, partition: int, start: int, timeout: float) -> list[Logged]: ...
    def group_metadata(self) -> object: ...


@dataclass(frozen=True, slots=True)
class CyclePolicy:
    """Bounds and intervals; seconds, records."""

    topic: str
    partitions: int
    log_topic: str
    deadletter_topic: str
    deadletter_partitions: int
    deadletter_bytes: int
    start: str = "earliest"
    accept_cold_state: bool = False
    patience: float = 30.0
    commit_interval: float = 0.2
    commit_deadline: float = 30.0
    poll_records: int = 10_000
    poll_timeout: float = 0.05
    most_waiting: int = 200_000
    """Events that may wait for other partitions before those that are ahead are paused."""


class Cycle:
    """Runs `Core` over all partitions of the incidents topic."""

    def __init__(
        self,
        policy: CyclePolicy,
        make: Callable[[list[Logged], dict[int, tuple[int, Position]]], Core],
        reader: Reader,
        sink: Sink,
        clock: Clock,
        metrics: Metrics,
        reached: Reached = lambda step: None,
    ) -> None:
        """`make` gives the core that goes on from what was committed."""
        self.policy, self._make, self._reader, self._sink = policy, make, reader, sink
        self._clock, self._metrics, self._reached = clock, metrics, reached
        self._transaction = Transaction(reader, sink, clock, metrics, reached)  # type: ignore[arg-type]
        self._tps = [TopicPartition(policy.topic, number) for number in range(policy.partitions)]
        self.loaded = False
        self.last_turn = clock.monotonic()
        self._failing_since: float | None = None
        self._cold: set[TopicPartition] = set()
        self._outputs: list[Output] = []
        self._load()

    def turn(self) -> None:
        """One turn. Raises Fatal."""
        self.last_turn = self._clock.monotonic()
        if not self.loaded:
            self._load()
            return
        try:
            with self._metrics.state("poll"):
                polled = self._reader.poll(self.policy.poll_records, self.policy.poll_timeout)
        except Retriable as error:
            log.warning("poll failed, loading anew", error=str(error))
            self.loaded = False
            return
        self._reached("polled")
        self._receive(polled)
        if self._clock.monotonic() >= self._commit_at:
            self.commit()

    def commit(self) -> bool:
        """Step as far as the partitions allow, and commit all of it together. False: it is loaded anew."""
        self._commit_at = self._clock.monotonic() + self.policy.commit_interval
        with self._metrics.state("step"):
            self._outputs += self._core.step(self._idle())
        self._hold_back()
        self._metrics.counted(self._core.counts)
        self._core.counts.clear()
        ends = self._core.positions()
        moved = {tp: ends[tp.partition] for tp in self._tps if self._moved(tp.partition, ends)}
        if not moved:
            return True
        outputs = [*self._outputs, *self._core.log()]
        slices = {tp: Slice(self._progress(tp), Progress(offset)) for tp, (offset, _) in moved.items()}
        next(iter(slices.values())).outputs.extend(outputs)
        metadata = {tp: position.encode() for tp, (_, position) in moved.items()}
        with self._metrics.state("commit"):
            deadline = Deadline.after(self._clock, self.policy.commit_deadline)
            verdicts = self._transaction.run(slices, metadata, deadline)
        if any(verdict is not Verdict.DONE for verdict in verdicts.values()):
            self._fail(self._transaction.failure)
            return False
        self._failing_since = None
        for topic, count in Counter(output.topic for output in outputs).items():
            self._metrics.produced(topic, count)
        self._committed |= {tp.partition: end for tp, end in moved.items()}
        self._outputs = []
        return True

    # -- steps --------------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Go on from what is committed."""
        try:
            found = self._reader.committed(self._tps, 5.0)
            positions, offsets = {}, {}
            for tp in self._tps:
                held = found[tp]
                position = Position.decode(held.metadata)
                if held.offset is None or tp in self._cold:
                    start = "earliest" if tp in self._cold else self.policy.start
                    offsets[tp] = self._reader.offset_at(tp, start, 5.0)
                else:
                    offsets[tp] = held.offset
                    positions[tp.partition] = (held.offset, position or Position(held.offset))
            empty = {tp.partition for tp in self._tps if len(set(self._reader.bounds(tp, 5.0))) == 1}
            logged = self._reader.logged(self.policy.log_topic, 0, 0, self.policy.commit_deadline)
            self._reader.assign(offsets)
        except Retriable as error:
            self._fail(str(error))
            self._clock.sleep(0.1)
            return
        now = self._clock.monotonic()
        self._core = self._make(logged, positions)
        self._committed: dict[int, tuple[int, Position]] = dict(positions)
        self._outputs = []
        self._heard = {tp.partition: float("-inf") if tp.partition in empty else now for tp in self._tps}
        self._paused: set[int] = set()
        self._commit_at = now + self.policy.commit_interval
        self.loaded = True
        log.info("loaded", logged=len(logged), partitions=len(offsets))

    def _receive(self, polled: Polled) -> None:
        for tp in polled.expired:
            self._expired(tp)
        for records in polled.records:
            self._heard[records.partition] = self._clock.monotonic()
            for letter in self._core.take(records):
                self._outputs.append(self._dead_letter(letter, records))
        for tp, end in polled.ends.items():
            self._core.ended(tp.partition, end)

    def _dead_letter(self, letter: DeadLetter, records: Records) -> Output:
        policy = self.policy
        self._metrics.dead_letter(letter.error_class)
        return dead_letter(
            letter, records, policy.deadletter_topic, "groups", policy.deadletter_partitions, policy.deadletter_bytes
        )

    def _idle(self) -> set[int]:
        """Partitions from which nothing came for so long that the others need not wait for them."""
        silent_since = self._clock.monotonic() - self.policy.patience
        return {p for p, heard in self._heard.items() if heard <= silent_since and p not in self._paused}

    def _hold_back(self) -> None:
        """Do not read ahead without bound where one partition is far behind."""
        full = self._core.waiting > self.policy.most_waiting
        ahead = set(self._core.held_by()) - self._core.behind() if full else set()
        for partition in ahead - self._paused:
            self._reader.pause(TopicPartition(self.policy.topic, partition))
        for partition in self._paused - ahead:
            self._reader.resume(TopicPartition(self.policy.topic, partition))
            self._heard[partition] = self._clock.monotonic()
        self._paused = ahead

    def _moved(self, partition: int, ends: Mapping[int, tuple[int, Position]]) -> bool:
        return partition in ends and ends[partition] != self._committed.get(partition)

    def _progress(self, tp: TopicPartition) -> Progress:
        before = self._committed.get(tp.partition)
        return Progress(before[0] if before else -1)

    def _expired(self, tp: TopicPartition) -> None:
        if not self.policy.accept_cold_state:
            raise Fatal(
                f"the committed offset of {tp.topic}[{tp.partition}] is not in the log any more: events are lost",
                "Start once with --accept-cold-state to go on with what there is",
            )
        log.warning("going on at the log's beginning", partition=tp.partition)
        self._cold.add(tp)
        self.loaded = False

    def _fail(self, reason: str) -> None:
        self.loaded = False
        now = self._clock.monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        log.warning("loading anew", reason=reason)
        if now - self._failing_since > self.policy.commit_deadline:
            raise Fatal(f"no transaction could be committed: {reason}", "Check brokers and ACLs: nothing was lost")
