"""Loading assigned partitions: stable committed offset, then the checkpoint it names, else a rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

import structlog

from workers.runtime.checkpoints import CheckpointChain
from workers.runtime.clock import Clock, Deadline
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.metadata import CommitMetadata
from workers.runtime.metrics import Metrics
from workers.runtime.partitions import Partition
from workers.runtime.ports import Source, Store, TopicInfo
from workers.runtime.recovery import Fresh, Plan, Rebuild, Restore, Situation, Stop, plan
from workers.runtime.slices import NOWHERE, Committed, Progress, Slice, TopicPartition
from workers.runtime.stage import NO_WATERMARK, Logged, RebuildPoint, Stage, State
from workers.runtime.transaction import progress

log = structlog.get_logger(__name__)

_STORE_PAUSE_SECONDS = 5.0
_ASK_SECONDS = 0.5
"""Other partitions wait meanwhile; an owner killed inside a transaction is waited for in many short turns."""


class LoadPolicy(Protocol):
    """The part of the loop's policy that loading goes by."""

    @property
    def start(self) -> str: ...
    @property
    def max_replay(self) -> int: ...
    @property
    def accept_cold_state(self) -> bool: ...
    @property
    def commit_deadline(self) -> float: ...


@dataclass(frozen=True, slots=True)
class _Found:
    committed: Committed
    metadata: CommitMetadata | None
    info: TopicInfo
    situation: Situation


class Loader(Generic[State]):
    """Turns assigned partitions into loaded ones, a little in every cycle, never blocking the others for long."""

    def __init__(
        self, stage: Stage[State], source: Source, store: Store, policy: LoadPolicy, clock: Clock, metrics: Metrics
    ) -> None:
        self._stage, self._source, self._store = stage, source, store
        self._policy, self._clock, self._metrics = policy, clock, metrics
        self.wanted: dict[TopicPartition, Deadline] = {}
        self._no_store_before = float("-inf")

    def want(self, partitions: Sequence[TopicPartition]) -> None:
        # An abandoned transaction hides the committed offset until the broker ends it, which takes up to twice its
        # time-out; hence twice the commit deadline.
        for tp in partitions:
            self.wanted[tp] = Deadline.after(self._clock, 2 * self._policy.commit_deadline)

    def forget(self, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            self.wanted.pop(tp, None)

    def load(self) -> list[Partition[State]]:
        """The partitions that could be loaded now. Raises Fatal where one cannot go on, or not within its deadline."""
        if not self.wanted:
            return []
        loaded = []
        try:
            # What lies in the store is looked at before the offset is: whatever a next owner writes comes later.
            chains = {tp: self._adopt(tp) for tp in self.wanted}
            committed = self._source.committed(list(chains), _ASK_SECONDS)
            for tp, (chain, reachable) in chains.items():
                loaded.append(self._load(tp, committed[tp], chain, reachable))
                self.wanted.pop(tp, None)
        except Retriable as error:
            late = [tp for tp, deadline in self.wanted.items() if deadline.passed]
            if late:
                raise Fatal(
                    f"{late[0].topic}[{late[0].partition}] could not be loaded: {error}",
                    "Check brokers and Redis, then restart",
                ) from error
            log.info("waiting to load", partitions=len(self.wanted), reason=str(error))
        return loaded

    def _load(
        self, tp: TopicPartition, committed: Committed, chain: CheckpointChain, reachable: bool
    ) -> Partition[State]:
        found = self._look(tp, committed)
        decided = plan(found.situation)
        state: State | None = None
        if isinstance(decided, Restore):
            state, decided = self._restore(tp, chain, decided, found.situation, reachable)
        if isinstance(decided, Stop):
            raise Fatal(f"{tp.topic}[{tp.partition}]: {decided.reason}", decided.way_out)
        partition = self._partition(tp, found, chain, decided, state)
        self._metrics.recovered(type(decided).__name__.lower())
        log.info(
            "loaded",
            partition=tp.partition,
            how=type(decided).__name__.lower(),
            committed=committed.offset,
            replay=partition.mute_until - partition.next_offset,
        )
        return partition

    def _look(self, tp: TopicPartition, committed: Committed) -> _Found:
        metadata = CommitMetadata.decode(committed.metadata)
        info = self._source.topic(tp.topic, _ASK_SECONDS)
        if metadata is not None and not info.id:
            info = TopicInfo(metadata.topic_id, info.partitions)  # a broker that tells none must not make it forgotten
        log_start, log_end = self._source.bounds(tp, _ASK_SECONDS)
        start_at = (
            self._source.offset_at(tp, self._policy.start, _ASK_SECONDS) if committed.offset is None else log_start
        )
        situation = Situation(
            committed=committed.offset,
            metadata=metadata,
            topic_id=info.id,
            partitions=info.partitions,
            config_hash=self._stage.config_hash,
            log_start=log_start,
            log_end=log_end,
            start_at=start_at,
            max_replay=self._policy.max_replay,
            accept_cold_state=self._policy.accept_cold_state,
        )
        return _Found(committed, metadata, info, situation)

    def _adopt(self, tp: TopicPartition) -> tuple[CheckpointChain, bool]:
        """The partition's chain, and whether the store answers: if not, it is asked again only after a while."""
        chain = CheckpointChain(self._store, f"{self._stage.name}:{tp.topic}:{tp.partition}")
        if self._clock.monotonic() < self._no_store_before:
            return chain, False
        try:
            chain.adopt()
        except Retriable as error:
            self._no_store_before = self._clock.monotonic() + _STORE_PAUSE_SECONDS
            log.warning("the store of checkpoints does not answer", error=str(error))
            return chain, False
        return chain, True

    def _restore(
        self, tp: TopicPartition, chain: CheckpointChain, decided: Restore, situation: Situation, reachable: bool
    ) -> tuple[State | None, Plan]:
        """The state of exactly that checkpoint; otherwise the plan without it."""
        without = plan(situation, checkpoint_usable=False)
        parts = None
        try:
            if reachable:
                parts = chain.load(decided.checkpoint)
        except Retriable:
            reachable = False
        if not reachable and isinstance(without, Stop):
            raise Retriable("the checkpoint is the only way back, and its store does not answer")
        if parts is None:
            log.warning("checkpoint missing or different, rebuilding", partition=tp.partition)
            return None, without
        return self._stage.restore(tp.partition, parts), decided

    def _partition(
        self, tp: TopicPartition, found: _Found, chain: CheckpointChain, decided: Plan, state: State | None
    ) -> Partition[State]:
        logged_from = found.metadata.logged_from if found.metadata else 0
        if isinstance(decided, Fresh):
            start, until, position, watermark = decided.offset, decided.offset, 0, NO_WATERMARK
            logged: list[Logged] = []
            logged_from = self._logged_end(tp)
            chain.ref = None
        elif isinstance(decided, Rebuild):
            start, until, position, watermark = decided.offset, decided.until, decided.position, decided.watermark
            logged = self._logged(tp, logged_from)
            chain.ref = None
            if decided.warming:
                log.warning("configuration or state changed: windows are warming up", partition=tp.partition)
        else:
            assert isinstance(decided, Restore)
            start, until, position = decided.checkpoint.offset, decided.until, decided.position
            watermark, logged = NO_WATERMARK, []
        # Empty state has taken nothing up yet: it starts over with the control records, too.
        control = found.metadata.control if found.metadata and not isinstance(decided, Fresh) else 0
        if state is None:
            state = self._stage.start(tp.partition, watermark, logged)
        partition = Partition(
            tp=tp,
            info=found.info,
            state=state,
            next_offset=start,
            mute_until=until,
            mute_position=position,
            slice=Slice(_begun(decided, found), Progress(until, position, control)),
            chain=chain,
            rebuild=RebuildPoint(start, watermark),
            logged_from=logged_from,
            watermark=found.metadata.watermark if found.metadata else watermark,
            warming=isinstance(decided, Rebuild) and decided.warming,
            checkpointed_at=float("-inf"),
            last_record_at=self._clock.monotonic(),
        )
        if isinstance(decided, Restore):
            partition.settle(self._stage)
        return partition

    def _logged(self, tp: TopicPartition, start: int) -> list[Logged]:
        topic = self._stage.state_topic
        return self._source.logged(topic, tp.partition, start, 10 * _ASK_SECONDS) if topic else []

    def _logged_end(self, tp: TopicPartition) -> int:
        topic = self._stage.state_topic
        return self._source.logged_end(topic, tp.partition, _ASK_SECONDS) if topic else 0


def _begun(decided: Plan, found: _Found) -> Progress:
    """Where the group stands by the broker; a fresh start stands nowhere yet, so that its first commit is due."""
    metadata = found.metadata
    if isinstance(decided, Fresh) or found.committed.offset is None:
        return NOWHERE
    return progress(found.committed, metadata) or NOWHERE
