"""The contract suite itself: it passes a stage that keeps the contract, and catches each way of breaking it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    boundaries,
    random_cut,
)
from workers.runtime.records import Chunk, Output, Records
from workers.runtime.stage import NO_WATERMARK, Logged, Part, RebuildPoint


@dataclass
class Count:
    """The sum of the last three records' numbers, by offset; and how many batches there were."""

    last: list[tuple[int, int]]
    watermark: int
    watermarks: dict[int, int]
    batches: int = 0
    version: int = 0


class Summing:
    """Each record holds a number; its output is the sum of the last three. `broken` names a promise it breaks."""

    name = "summing"
    config_hash = ""
    state_topic: str | None = None

    def __init__(self, broken: str = "") -> None:
        self.broken = broken

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> Count:
        return Count([], watermark, {})

    def step(self, state: Count, records: Records) -> Iterator[Chunk]:
        state.batches += 1
        chunk = Chunk(0)
        for i, value in enumerate(records.values):
            state.version += self.broken != "version"
            offset = int(records.offsets[i])
            state.watermarks[offset] = state.watermark
            state.last = [*state.last[-2:], (offset, int(value or b"0"))]
            state.watermark = max(state.watermark, state.last[-1][1])
            total = sum(number for _, number in state.last) + (state.batches if self.broken == "cuts" else 0)
            chunk.outputs += [Output("sums", b"k", b"%d" % total), Output("again", b"k", b"%d" % total)]
        chunk.done = len(records)
        if self.broken == "unfinished" and len(records) > 1:
            chunk.done -= 1
        yield chunk

    def watermark(self, state: Count) -> int:
        return state.watermark

    def rebuild_point(self, state: Count) -> RebuildPoint | None:
        if not state.last or self.broken == "forgetful":
            return None
        first = state.last[-1][0] if self.broken == "rebuild" else state.last[0][0]
        return RebuildPoint(first, state.watermarks[first])

    def parts(self, state: Count) -> Mapping[str, Part]:
        kept = state.last[1:] if self.broken == "restore" else state.last
        return {"all": Part(state.version, lambda: repr((kept, state.watermark, state.watermarks)).encode())}

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> Count:
        last, watermark, watermarks = ast.literal_eval(parts["all"].decode())
        return Count(last, watermark, watermarks)


def numbers(n: int = 40) -> Records:
    random = np.random.default_rng(2)
    values: list[bytes | None] = [b"%d" % x for x in random.integers(0, 1000, n)]
    offsets = np.arange(10, 10 + 2 * n, 2, dtype=np.int64)
    return Records("in", 0, offsets, offsets, [None] * n, values, [None] * n)


def test_a_stage_that_keeps_its_promises_passes() -> None:
    stage, records = Summing(), numbers()
    whole = assert_cuts_do_not_matter(stage, records, [1, 7, [3, 30], random_cut(40, 1)])
    assert len(whole.values("sums", b"k")) == 40
    for at in (0, 1, 20, 40):
        assert_restore_is_exact(stage, records, at)
        point = assert_rebuild_is_exact(stage, records, at)
        assert (point is None) == (at == 0)


@pytest.mark.parametrize("broken", ["cuts", "unfinished"])
def test_outputs_that_depend_on_batches_are_caught(broken: str) -> None:
    with pytest.raises(AssertionError):
        assert_cuts_do_not_matter(Summing(broken), numbers(), [7])


@pytest.mark.parametrize("broken", ["restore", "version"])
def test_a_checkpoint_that_is_not_the_state_is_caught(broken: str) -> None:
    with pytest.raises(AssertionError):
        assert_restore_is_exact(Summing(broken), numbers(), 20)


@pytest.mark.parametrize("broken", ["rebuild", "forgetful"])
def test_a_rebuild_point_that_is_too_late_is_caught(broken: str) -> None:
    with pytest.raises(AssertionError):
        assert_rebuild_is_exact(Summing(broken), numbers(), 20)


def test_cuts_cover_all_records_once() -> None:
    assert boundaries(10, 4) == [4, 8, 10]
    assert boundaries(10, [8, 3, 3, 0, 99]) == [3, 8, 10]
    assert boundaries(0, 5) == [0]
    for seed in range(50):
        assert boundaries(23, random_cut(23, seed))[-1] == 23


def test_no_watermark_is_below_every_time() -> None:
    assert Summing().watermark(Summing().start(0, NO_WATERMARK, [])) < 0
