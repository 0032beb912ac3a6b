"""One owned input partition: its state, how far it is, and its share of the open transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic

import numpy as np

from workers.runtime.checkpoints import CheckpointChain
from workers.runtime.metadata import CommitMetadata
from workers.runtime.ports import TopicInfo
from workers.runtime.records import Chunk, Output, Records
from workers.runtime.slices import Progress, Slice, TopicPartition
from workers.runtime.stage import NO_WATERMARK, RebuildPoint, Stage, State


@dataclass(slots=True)
class Partition(Generic[State]):
    """A loaded partition.

    `next_offset` is the next record to take; below `mute_until` records are replayed without outputs, and of the
    record at `mute_until` the first `mute_position` outputs are left out: earlier transactions hold them (or, where
    the state is `warming` up under another configuration, as many of them as there are now).
    """

    tp: TopicPartition
    info: TopicInfo
    state: State
    next_offset: int
    mute_until: int
    mute_position: int
    slice: Slice
    chain: CheckpointChain
    rebuild: RebuildPoint
    logged_from: int = 0
    watermark: int = NO_WATERMARK
    warming: bool = False
    in_step: bool = False
    since_checkpoint: int = 0
    checkpointed_at: float = 0.0
    last_record_at: float = 0.0
    at_end: bool = False
    last_offset: int | None = None

    @property
    def replaying(self) -> bool:
        return self.next_offset < self.mute_until

    def accept(self, records: Records) -> Records:
        """Only records not taken yet: a seek may bring some again, and none may ever be stepped twice."""
        if len(records) and records.offsets[0] < self.next_offset:
            first = int(np.searchsorted(records.offsets, self.next_offset))
            records = records.slice(first, len(records))
        return records

    def ended(self, offset: int) -> None:
        """The log ends at `offset`: behind it lie only markers, so that is how far this partition is."""
        self.at_end = offset >= self.next_offset
        if offset > self.next_offset and not self.in_step:
            self.next_offset = offset
            if not self.replaying:
                self.slice.end = Progress(max(offset, self.slice.end.offset), 0, self.slice.end.control)

    def replay_tail(self) -> int:
        """How many records a successor would have to replay, going by the better of checkpoint and rebuild point."""
        reference = self.chain.ref.offset if self.chain.ref else self.rebuild.offset
        return self.next_offset - max(reference, self.rebuild.offset)

    def settle(self, stage: Stage[State]) -> None:
        """After a step: what a commit would have to say about the state as it is now."""
        self.watermark = stage.watermark(self.state)
        self.rebuild = stage.rebuild_point(self.state) or RebuildPoint(self.next_offset, self.watermark)

    def metadata(self, config_hash: str) -> str:
        """The metadata that belongs to this partition's next commit."""
        return CommitMetadata(
            checkpoint=self.chain.ref,
            watermark=self.watermark,
            rebuild=self.rebuild,
            topic_id=self.info.id,
            partitions=self.info.partitions,
            config_hash=config_hash,
            control=self.slice.end.control,
            position=self.slice.end.position,
            logged_from=self.logged_from,
        ).encode()


def stepped(partition: Partition[State], stage: Stage[State], records: Records) -> Iterator[tuple[Chunk, Records]]:
    """Step records and give the chunks that count, each with the records it refers to; muted ones are swallowed."""
    muted = int(np.searchsorted(records.offsets, partition.mute_until))
    if muted:
        for _ in stage.step(partition.state, records.slice(0, muted)):
            pass
        partition.next_offset = int(records.offsets[muted - 1]) + 1
    counted = records.slice(muted, len(records))
    if partition.mute_position and len(counted):
        if counted.offsets[0] == partition.mute_until:
            yield from _resumed(partition, stage, counted.slice(0, 1))
            counted = counted.slice(1, len(counted))
        partition.mute_position = 0
    if len(counted):
        for chunk in stage.step(partition.state, counted):
            yield chunk, counted


def _resumed(partition: Partition[State], stage: Stage[State], record: Records) -> Iterator[tuple[Chunk, Records]]:
    """The record whose first outputs are out already: leave out exactly those. Its dead letter comes after them."""
    left_out = partition.mute_position
    for chunk in stage.step(partition.state, record):
        outputs: list[Output] = chunk.outputs[left_out:]
        left_out -= len(chunk.outputs) - len(outputs)
        if chunk.done and left_out and not partition.warming:
            raise AssertionError(f"{left_out} outputs fewer than the committed position: the step is no function")
        if chunk.done or not left_out:
            yield Chunk(chunk.done, chunk.position, outputs, chunk.dead, chunk.views, chunk.counts), record
