"""The cycle of a worker: poll, step, checkpoint, commit; and the coming and going of partitions around it.

One thread does all of it. What a `read_committed` reader sees is decided in `commit` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

import structlog

from workers.runtime.clock import Clock, Deadline
from workers.runtime.deadletters import dead_letter
from workers.runtime.errors import Fatal, Retriable, Stopping
from workers.runtime.loading import Loader
from workers.runtime.metrics import Metrics
from workers.runtime.partitions import Partition, stepped
from workers.runtime.ports import Controls, Polled, Sink, Source, Store
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.slices import Progress, Slice, TopicPartition, Verdict
from workers.runtime.stage import Controlled, Stage, State
from workers.runtime.transaction import Reached, Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    """Bounds and intervals of the cycle; seconds, records, bytes."""

    topics: tuple[str, ...]
    deadletter_topic: str
    deadletter_partitions: int
    deadletter_bytes: int = 1 << 20
    start: str = "earliest"
    poll_records: int = 10_000
    poll_timeout: float = 0.05
    commit_interval: float = 0.2
    checkpoint_interval: float = 1.0
    checkpoint_records: int = 100_000
    max_replay: int = 50_000_000
    max_outputs: int = 50_000
    max_bytes: int = 64 << 20
    commit_deadline: float = 30.0
    checkpoint_pause: float = 5.0
    accept_cold_state: bool = False


class Loop(Generic[State]):
    """Runs one stage over whatever partitions the group gives it."""

    def __init__(
        self,
        stage: Stage[State],
        source: Source,
        sink: Sink,
        store: Store,
        policy: LoopPolicy,
        clock: Clock,
        metrics: Metrics,
        reached: Reached = lambda step: None,
        controls: Controls | None = None,
        on_idle: Callable[[Partition[State]], None] | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.stage, self.source, self.sink, self.store = stage, source, sink, store
        self.policy, self.clock, self.metrics, self.reached = policy, clock, metrics, reached
        self.partitions: dict[TopicPartition, Partition[State]] = {}
        self.transaction = Transaction(source, sink, clock, metrics, reached)
        self.loader = Loader(stage, source, store, policy, clock, metrics)
        self.last_progress = self.last_turn = clock.monotonic()
        self.assigned_once = False
        self._controls, self._on_idle, self._stop_requested = controls, on_idle, stop_requested
        self._committed_at = clock.monotonic()
        self._no_checkpoint_before = 0.0
        self._failing_since: float | None = None
        self._failure: Exception | None = None
        self._held = False

    # -- the cycle ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.source.subscribe(self.policy.topics, self)

    def cycle(self) -> None:
        """One turn. Raises Fatal; whatever else goes wrong is dealt with inside."""
        with self._failing():
            self._cycle()

    def _cycle(self) -> None:
        self.last_turn = self.clock.monotonic()
        polled = self._poll()
        for records in polled.records:
            self._advance(records)
        for tp, end in polled.ends.items():
            if tp in self.partitions:
                self.partitions[tp].ended(end)
        for tp in polled.expired:
            if tp in self.partitions:
                self._reload(tp)
        self._load()
        self._take_up()
        if self._commit_due():
            self.commit()
        if self._on_idle:
            for partition in list(self.partitions.values()):
                self._on_idle(partition)

    def commit(self) -> bool:
        """DESIGN §3, steps 4 to 6, for every partition that got further. True if nothing is left open."""
        slices = {tp: p.slice for tp, p in self.partitions.items() if p.slice.advanced and not p.replaying}
        self._committed_at = self.clock.monotonic()
        if not slices:
            return True
        self._checkpoint(slices)  # 4: state to Redis, under names that only this commit's metadata will give
        metadata = {tp: self.partitions[tp].metadata(self.stage.config_hash) for tp in slices}
        started = self.clock.monotonic()
        with self.metrics.state("commit"):  # 3 and 5: outputs and offsets, in one transaction
            verdicts = self.transaction.run(slices, metadata, self._deadline())
        self.metrics.committed(self.clock.monotonic() - started)
        self._held = Verdict.HELD in verdicts.values()
        self._conclude(verdicts, slices)
        self._publish(verdicts, slices)  # 6: only now may others see the windows
        self._discard(verdicts)
        return all(verdict is Verdict.DONE for verdict in verdicts.values())

    def drain(self) -> None:
        """Before an orderly end: a last checkpoint and commit. What an end outside Kafka does not take now comes again.

        Raises Fatal.
        """
        deadline = self._deadline()
        for partition in self.partitions.values():
            partition.checkpointed_at = float("-inf")
        with self._failing():
            while not self.commit() and not self._held and not deadline.passed:
                self._serve(0.05)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever ends the worker ends its commits too: what was sent last may have happened, so that sending it
        again on the way out, when the partitions are given up, could double it."""
        self._raise_failure()
        try:
            yield
        except Exception as failure:
            self._failure = failure
            raise

    # -- what the group says (from inside poll, serve and close only) ------------------------------------------------

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self.metrics.rebalanced("assigned", len(partitions))
        self.assigned_once = True
        self.loader.want(partitions)
        log.info("assigned", partitions=[tp.partition for tp in partitions])

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.metrics.rebalanced("revoked", len(partitions))
        for tp in partitions:
            if tp in self.partitions:
                self.partitions[tp].checkpointed_at = float("-inf")
        try:
            if self._failure is None:
                self.commit()
        except Exception as failure:
            # Not from here: the client would take it for a failed poll, and the partition stay with two owners.
            self._failure = failure
        self._drop(partitions)
        log.info("revoked", partitions=[tp.partition for tp in partitions])

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.metrics.rebalanced("lost", len(partitions))
        self._drop(partitions)
        log.warning("lost", partitions=[tp.partition for tp in partitions])

    def _drop(self, partitions: Sequence[TopicPartition]) -> None:
        self.loader.forget(partitions)
        for tp in partitions:
            self.partitions.pop(tp, None)
            self.metrics.forget(*tp)

    # -- steps --------------------------------------------------------------------------------------------------------

    def _poll(self) -> Polled:
        timeout = self.policy.poll_timeout
        if any(p.slice.advanced for p in self.partitions.values()):
            timeout = min(timeout, max(0.0, self._committed_at + self.policy.commit_interval - self.clock.monotonic()))
        if self._full():  # the last commit did not go through: take no more until it does
            self._serve(timeout)
            return Polled()
        try:
            with self.metrics.state("poll"):
                polled = self.source.poll(self.policy.poll_records, timeout)
        except Retriable as error:
            # The client may have dropped records that it had taken off its queue: read on from what was stepped.
            log.warning("poll failed, reading on from the last record taken", error=str(error))
            for partition in list(self.partitions.values()):
                self._seek(partition)
            polled = Polled()
        self._raise_failure()
        self.reached("polled")
        return polled

    def _serve(self, timeout: float) -> None:
        """Let the group go on while no record may be taken."""
        self.last_turn = self.clock.monotonic()
        try:
            self.source.serve(timeout)
        except Retriable as error:
            log.warning("serving the group failed, going on", error=str(error))
            self.clock.sleep(timeout)
        self._raise_failure()

    def _seek(self, partition: Partition[State]) -> None:
        try:
            self.source.resume_at(partition.tp, partition.next_offset)
        except Retriable:
            self._reload(partition.tp)

    def _advance(self, records: Records) -> None:
        tp = TopicPartition(records.topic, records.partition)
        partition = self.partitions.get(tp)
        if partition is None:
            return  # given away meanwhile, or not loaded yet: it is read again from its committed offset
        last = int(records.offsets[-1])
        records = partition.accept(records)
        if not len(records):
            if partition.next_offset - last > self.policy.poll_records:
                self._seek(partition)  # far back: the seek was lost on the client's side
            return
        partition.at_end, partition.in_step = False, True
        for chunk, counted in self._timed_steps(partition, records):
            self._take(partition, chunk, counted)
            if self._full():
                self._commit_midway()
                if self.partitions.get(tp) is not partition:
                    return
        partition.in_step = False
        partition.next_offset = int(records.offsets[-1]) + 1
        partition.last_offset = partition.next_offset - 1
        partition.since_checkpoint += len(records)
        partition.last_record_at = self.last_progress = self.clock.monotonic()
        partition.settle(self.stage)
        self.reached("stepped")

    def _timed_steps(self, partition: Partition[State], records: Records) -> Iterator[tuple[Chunk, Records]]:
        steps = stepped(partition, self.stage, records)
        while True:
            with self.metrics.state("step"):
                step = next(steps, None)
            if step is None:
                return
            yield step

    def _take(self, partition: Partition[State], chunk: Chunk, records: Records) -> None:
        """Retain a chunk's effects in the partition's slice; they happen when its transaction commits."""
        part = partition.slice
        outputs = list(chunk.outputs)
        for letter in chunk.dead:
            assert letter.index < chunk.done, "a dead letter before its record is finished would come twice"
            self.metrics.dead_letter(letter.error_class)
            outputs.append(self._dead_letter(letter, records))
        part.outputs += outputs
        part.size += _size(outputs)
        part.views.update((view.key, view) for view in chunk.views)
        part.end = (
            Progress(int(records.offsets[chunk.done]), chunk.position, part.end.control)
            if chunk.done < len(records)
            else Progress(int(records.offsets[-1]) + 1, 0, part.end.control)
        )
        self.metrics.counted(chunk.counts)

    def _dead_letter(self, letter: DeadLetter, records: Records) -> Output:
        policy = self.policy
        return dead_letter(
            letter,
            records,
            policy.deadletter_topic,
            self.stage.name,
            policy.deadletter_partitions,
            policy.deadletter_bytes,
        )

    def _take_up(self) -> None:
        """New control records come into force between two batches, and the transaction says at which offset."""
        if self._controls is None or not isinstance(self.stage, Controlled):
            return
        self._controls.refresh()
        for partition in self.partitions.values():
            part = partition.slice
            if part.end.control >= self._controls.end or partition.replaying or part.end.position:
                continue
            outputs = self.stage.take_up(partition.state, partition.next_offset, self._controls.after(part.end.control))
            part.outputs += outputs
            part.size += _size(outputs)
            part.end = Progress(part.end.offset, 0, self._controls.end)
            # An earlier checkpoint knows nothing of them, and after it no log is read: only a new one may be named.
            partition.chain.drop()
            partition.checkpointed_at = float("-inf")
            partition.settle(self.stage)

    def _full(self) -> bool:
        slices = [p.slice for p in self.partitions.values()]
        outputs, size = sum(len(s.outputs) for s in slices), sum(s.size for s in slices)
        return outputs >= self.policy.max_outputs or size >= self.policy.max_bytes

    def _commit_due(self) -> bool:
        if self._full():
            return True
        waited = self.clock.monotonic() - self._committed_at
        return waited >= self.policy.commit_interval and any(p.slice.advanced for p in self.partitions.values())

    def _commit_midway(self) -> None:
        """A step gave more than one transaction may hold: commit what there is before asking it for more."""
        while not self.commit():
            if self._stop_requested():
                raise Stopping("told to stop with outputs that nobody takes now; they come again")
            self._serve(0.05)

    def _checkpoint(self, slices: Mapping[TopicPartition, Slice]) -> None:
        now = self.clock.monotonic()
        for tp in slices:
            partition = self.partitions[tp]
            due = (
                now - partition.checkpointed_at >= self.policy.checkpoint_interval
                or partition.since_checkpoint >= self.policy.checkpoint_records
            )
            # Between two chunks of a step the state is ahead of what the slice says: it belongs to no offset.
            if due and not partition.in_step and not partition.slice.end.position:
                self._write_checkpoint(partition, now)

    def _write_checkpoint(self, partition: Partition[State], now: float) -> None:
        parts = self.stage.parts(partition.state)
        if not parts:
            partition.chain.drop()
            return
        if now >= self._no_checkpoint_before:
            try:
                with self.metrics.state("checkpoint"):
                    partition.chain.write(parts, partition.next_offset)
            except Retriable as error:
                self._no_checkpoint_before = now + self.policy.checkpoint_pause
                log.warning("checkpoint skipped, the commit names the one before", error=str(error))
            else:
                partition.checkpointed_at, partition.since_checkpoint = now, 0
                self.metrics.checkpoint("written")
                self.reached("checkpointed")
                return
        self.metrics.checkpoint("skipped")
        tail = partition.replay_tail()
        if tail > self.policy.max_replay:
            raise Fatal(
                f"no checkpoint could be written for so long that a restart would replay {tail} records",
                "Bring Redis back, then restart; FAULTLINE_WORKER__MAX_REPLAY_RECORDS is the bound",
            )

    def _conclude(self, verdicts: Mapping[TopicPartition, Verdict], slices: Mapping[TopicPartition, Slice]) -> None:
        now = self.clock.monotonic()
        for tp, verdict in verdicts.items():
            self.metrics.verdict(verdict.value)
            if verdict is Verdict.DONE:
                for topic, count in Counter(output.topic for output in slices[tp].outputs).items():
                    self.metrics.produced(topic, count)
                self.partitions[tp].slice = Slice.at(slices[tp].end)
            elif verdict is Verdict.RELOAD:
                self._reload(tp)
        if all(verdict in (Verdict.DONE, Verdict.HELD) for verdict in verdicts.values()):
            self._failing_since, self.last_progress = None, now
            return
        reason = self.transaction.failure
        shown = {tp.partition: v.value for tp, v in verdicts.items()}
        log.warning("transaction not committed", verdicts=shown, reason=reason)
        self._failing_since = now if self._failing_since is None else self._failing_since
        if now - self._failing_since > self.policy.commit_deadline:
            raise Fatal(
                f"no transaction could be committed: {reason}", "Check brokers and ACLs, then restart: nothing was lost"
            )

    def _publish(self, verdicts: Mapping[TopicPartition, Verdict], slices: Mapping[TopicPartition, Slice]) -> None:
        views = [v for tp, verdict in verdicts.items() if verdict is Verdict.DONE for v in slices[tp].views.values()]
        if views and self.clock.monotonic() >= self._no_checkpoint_before:
            try:
                with self.metrics.state("publish"):
                    self.store.publish(views)
            except Retriable as error:
                self._no_checkpoint_before = self.clock.monotonic() + self.policy.checkpoint_pause
                log.warning("windows not published; newer ones will be", error=str(error))
        self.reached("published")

    def _discard(self, verdicts: Mapping[TopicPartition, Verdict]) -> None:
        """Delete the checkpoints that no commit names any more. What cannot be deleted now is a stray later."""
        if self.clock.monotonic() < self._no_checkpoint_before:
            return
        for tp, verdict in verdicts.items():
            if verdict is Verdict.DONE:
                try:
                    self.partitions[tp].chain.collect()
                except Retriable as error:
                    self._no_checkpoint_before = self.clock.monotonic() + self.policy.checkpoint_pause
                    log.warning("old checkpoints not deleted", error=str(error))
                    break
        self.reached("deleted")

    def _load(self) -> None:
        for partition in self.loader.load():
            try:
                self.source.resume_at(partition.tp, partition.next_offset)
            except Retriable:
                self.loader.want([partition.tp])
                continue
            self.partitions[partition.tp] = partition
        self.metrics.owned(len(self.partitions), len(self.loader.wanted))

    def _reload(self, tp: TopicPartition) -> None:
        """What is in memory does not belong to what is committed: begin again from there."""
        self.partitions.pop(tp, None)
        self.source.pause(tp)
        self.loader.want([tp])

    def _deadline(self) -> Deadline:
        return Deadline.after(self.clock, self.policy.commit_deadline)

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure


def _size(outputs: Iterable[Output]) -> int:
    """Bytes that outputs take in the client's queue, about."""
    return sum(output.size + 64 for output in outputs)
