"""Muted replay, resumption inside a record, ends behind markers: what one partition makes of the records it gets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.model.redis import ModelStore, Redis
from tests.support.toy_stages import Relay
from tests.workers.runtime.test_checkpoints_in_memory import Calm
from workers.runtime.checkpoints import CheckpointChain
from workers.runtime.partitions import Partition, stepped
from workers.runtime.ports import TopicInfo
from workers.runtime.records import Chunk, DeadLetter, Records
from workers.runtime.slices import Progress, Slice, TopicPartition
from workers.runtime.stage import NO_WATERMARK, RebuildPoint


def records(*values: bytes, first: int = 10) -> Records:
    count = len(values)
    offsets = np.arange(first, first + count, dtype=np.int64)
    return Records("in", 0, offsets, offsets, [b"k"] * count, list(values), [None] * count)


def partition(next_offset: int = 10, mute_until: int = 10, position: int = 0, warming: bool = False) -> Partition[int]:
    return Partition(
        tp=TopicPartition("in", 0),
        info=TopicInfo("t", 1),
        state=0,
        next_offset=next_offset,
        mute_until=mute_until,
        mute_position=position,
        slice=Slice.at(Progress(mute_until, position)),
        chain=CheckpointChain(ModelStore(Redis(), Calm()), "s"),
        rebuild=RebuildPoint(0, NO_WATERMARK),
        warming=warming,
    )


def outputs(steps: Iterator[tuple[Chunk, Records]]) -> list[bytes | None]:
    return [output.value for chunk, _ in steps for output in chunk.outputs]


def test_records_below_the_committed_offset_are_replayed_without_outputs() -> None:
    owned = partition(mute_until=12)
    assert owned.replaying
    assert outputs(stepped(owned, Relay("out"), records(b"1:1", b"2:1", b"3:1"))) == [b"0 of 3:1"]


def test_a_replay_ends_at_the_committed_offset_even_where_no_record_lies_there() -> None:
    owned = partition(mute_until=15)
    assert outputs(stepped(owned, Relay("out"), records(b"1:1", b"2:1"))) == []
    assert owned.replaying
    assert outputs(stepped(owned, Relay("out"), records(b"9:1", first=17))) == [b"0 of 9:1"]


@pytest.mark.parametrize("position", range(1, 12))
def test_of_the_record_at_the_committed_position_exactly_the_rest_comes(position: int) -> None:
    owned = partition(mute_until=10, position=position)
    given = outputs(stepped(owned, Relay("out", chunk_outputs=4), records(b"many:11", b"1:1")))
    assert given == [b"%d of many:11" % n for n in range(position, 11)] + [b"0 of 1:1"]
    assert owned.mute_position == 0


def test_chunks_after_a_resumption_count_the_outputs_of_earlier_transactions_too() -> None:
    owned = partition(mute_until=10, position=6)
    chunks = [chunk for chunk, _ in stepped(owned, Relay("out", chunk_outputs=4), records(b"many:11"))]
    assert [(chunk.done, chunk.position, len(chunk.outputs)) for chunk in chunks] == [(0, 8, 2), (1, 0, 3)]


def test_a_record_that_gives_fewer_outputs_than_were_committed_is_a_bug_unless_settings_changed() -> None:
    with pytest.raises(AssertionError, match="no function"):
        list(stepped(partition(position=5), Relay("out"), records(b"many:3")))
    assert outputs(stepped(partition(position=5, warming=True), Relay("out"), records(b"many:3", b"1:1"))) == [
        b"0 of 1:1"
    ]


def test_the_dead_letter_of_a_resumed_record_still_comes() -> None:
    class Dying(Relay):
        def step(self, state: int, records: Records) -> Iterator[Chunk]:
            for chunk in super().step(state, records):
                if chunk.done:
                    chunk.dead.append(DeadLetter(0, "skew", "from the future"))
                yield chunk

    dead = [
        letter
        for chunk, _ in stepped(partition(position=9), Dying("out"), records(b"many:11"))
        for letter in chunk.dead
    ]
    assert [letter.index for letter in dead] == [0]


def test_records_that_come_again_are_not_taken_twice() -> None:
    owned = partition(next_offset=12)
    assert list(owned.accept(records(b"a", b"b", b"c", b"d")).offsets) == [12, 13]
    assert len(owned.accept(records(b"a", b"b"))) == 0
    assert list(owned.accept(records(b"x", first=14)).offsets) == [14]


def test_the_end_of_the_log_behind_markers_is_how_far_a_partition_is() -> None:
    owned = partition(next_offset=12, mute_until=12)
    owned.ended(15)
    assert (owned.next_offset, owned.slice.end, owned.at_end) == (15, Progress(15), True)
    owned.ended(13)
    assert (owned.next_offset, owned.slice.end, owned.at_end) == (15, Progress(15), False)


def test_an_end_within_the_replay_moves_no_offset_back() -> None:
    owned = partition(next_offset=5, mute_until=12, position=0)
    owned.ended(9)
    assert (owned.replaying, owned.slice.end) == (True, Progress(12))
    owned.ended(14)
    assert (owned.replaying, owned.slice.end) == (False, Progress(14))
