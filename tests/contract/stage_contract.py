"""What every `workers.runtime.stage.Stage` must hold, as assertions that any stage's tests can call.

The runtime relies on three equations (see the `Stage` docstring). Each is checked here on the records that a test
hands in, through the stage's public verbs alone, the way the runtime uses them: chunks are consumed in order, logged
state is what the stage wrote to its state topic, and a checkpoint is the bytes of its parts.

A `Cut` says how records are divided into batches: a number is a batch size, a sequence lists the batch boundaries.

`Takings` say which control records are taken up before which record, for stages that are `Controlled`: as the runtime
does it, between two batches, logged, and in a replay not again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.runtime.records import Chunk, Output, Records
from workers.runtime.stage import NO_WATERMARK, Control, Controlled, Logged, RebuildPoint, Stage

Cut = int | Sequence[int]
Takings = Mapping[int, Sequence[Control]]
"""By the offset of the record before which they are taken up."""
Emitted = tuple[int, str, bytes | None, bytes | None, tuple[tuple[str, bytes], ...], int | None]
"""An output as the log would show it: number among the outputs of its run, topic, key, value, headers, partition."""


@dataclass(slots=True)
class Run:
    """What a run over consecutive records gave, in order; offsets where a record must be named."""

    outputs: list[Emitted] = field(default_factory=list)
    dead: list[tuple[int, str, str]] = field(default_factory=list)  # offset, class, message
    views: dict[str, tuple[int, bytes, int]] = field(default_factory=dict)  # key: version, value, ttl
    counts: Counter[str] = field(default_factory=Counter)
    watermarks: dict[int, int] = field(default_factory=dict)  # last offset of a batch: watermark after it
    before: dict[int, set[int]] = field(default_factory=dict)  # offset: outputs that chunks say lie before its own

    def values(self, topic: str, key: bytes | None = None) -> list[bytes | None]:
        """The values written to a topic (of one key, where given), in order."""
        return [e[3] for e in self.outputs if e[1] == topic and (key is None or e[2] == key)]


def boundaries(n: int, cut: Cut) -> list[int]:
    """The batch boundaries 0 < … < n of a cut; the last is n."""
    inner = range(cut, n, cut) if isinstance(cut, int) else sorted({c for c in cut if 0 < c < n})
    return [*inner, n]


def random_cut(n: int, seed: int) -> list[int]:
    """Boundaries drawn at random: few, many, and batches of one next to each other."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(1, max(2, n), size=int(rng.integers(0, max(1, n // 2) + 1)))
    runs = [int(p) + k for p in picks[:5] for k in range(int(rng.integers(0, 4)))]
    return sorted({int(p) for p in picks} | {r for r in runs if 0 < r < n})


def run(stage: Stage[Any], state: Any, records: Records, cut: Cut | None = None, takings: Takings | None = None) -> Run:
    """Step `state` through `records` divided by `cut` (None: one batch), and check every chunk on the way.

    Where something is taken up, a batch ends.
    """
    result, start, n, takings = Run(), 0, len(records), takings or {}
    taken = [place for place, offset in enumerate(records.offsets.tolist()) if place and offset in takings]
    for stop in sorted({*taken, *boundaries(n, n or 1 if cut is None else cut)}):
        batch = records.slice(start, stop)
        if len(batch) and int(batch.offsets[0]) in takings:
            assert isinstance(stage, Controlled)
            for output in stage.take_up(state, int(batch.offsets[0]), takings[int(batch.offsets[0])]):
                result.outputs.append(_emitted(len(result.outputs), output))
        _consume(result, batch, stage.step(state, batch))
        if len(batch):
            result.watermarks[int(batch.offsets[-1])] = stage.watermark(state)
        start = stop
    return result


def assert_cuts_do_not_matter(
    stage: Stage[Any], records: Records, cuts: Iterable[Cut] = (1, 7), takings: Takings | None = None
) -> Run:
    """Every division of `records` into batches gives the outputs, dead letters, views and counts of one batch.

    Returns the run in one batch, for further assertions on what was emitted.
    """
    whole = run(stage, _fresh(stage, records), records, None, takings)
    runs = [whole]
    for cut in cuts:
        runs.append(run(stage, _fresh(stage, records), records, cut, takings))
        _assert_same(whole, runs[-1], f"cut {cut!r}")
    _assert_positions_agree(runs)
    return whole


def assert_restore_is_exact(stage: Stage[Any], records: Records, at: int, takings: Takings | None = None) -> None:
    """A state restored from a checkpoint taken after `at` records goes on as the state itself does.

    Checkpoints are written as the runtime writes them: several on the way, parts whose version stayed being left as
    they lie in the store. What is restored is then restored once more from its own parts.
    """
    head, tail = records.slice(0, at), records.slice(at, len(records))
    state = _fresh(stage, records)
    store: dict[str, tuple[int, bytes]] = {}
    for third in range(3):
        run(stage, state, head.slice(at * third // 3, at * (third + 1) // 3), None, takings)
        store = _checkpoint(stage, state, store)
    restored = stage.restore(records.partition, {name: blob for name, (_, blob) in store.items()})
    again = {name: part.encode() for name, part in stage.parts(restored).items()}
    second = stage.restore(records.partition, again)
    point, watermark = stage.rebuild_point(state), stage.watermark(state)
    undisturbed = run(stage, state, tail, None, takings)
    for how, copy in (("restored", restored), ("restored twice", second)):
        case = f"{how} after {at} records"
        assert stage.watermark(copy) == watermark, f"{case}: watermark differs"
        assert stage.rebuild_point(copy) == point, f"{case}: rebuild point differs"
        _assert_same(undisturbed, run(stage, copy, tail, None, takings), case)


def assert_rebuild_is_exact(
    stage: Stage[Any], records: Records, at: int, takings: Takings | None = None
) -> RebuildPoint | None:
    """A state rebuilt by replay from the rebuild point taken after `at` records goes on as the state itself does.

    The logged state is given once as the state topic holds it before compaction, and once as it holds it after
    (the latest record of each key). Returns the rebuild point, for assertions on how far back it lies.
    """
    head, tail = records.slice(0, at), records.slice(at, len(records))
    state = _fresh(stage, records)
    before = run(stage, state, head, None, takings)
    point = stage.rebuild_point(state)
    watermark, first = stage.watermark(state), at
    if point is not None:
        watermark, first = point.watermark, int(np.searchsorted(records.offsets, point.offset))
        assert first <= at, f"rebuild point {point.offset} lies behind the records read"
        assert watermark == _watermark_before(stage, records, first), (
            f"watermark of {point} is not the one in force there"
        )
    logged = _logged(stage, before)
    rebuilt = [stage.start(records.partition, watermark, kept) for kept in (logged, _compacted(logged))]
    for copy in rebuilt:
        run(stage, copy, records.slice(first, at), random_cut(at - first, seed=at))
        assert stage.watermark(copy) == stage.watermark(state)
    undisturbed = run(stage, state, tail, None, takings)
    for how, copy in zip(("whole log", "compacted log"), rebuilt, strict=True):
        _assert_same(
            undisturbed, run(stage, copy, tail, None, takings), f"rebuilt after {at} records from {point} with {how}"
        )
    return point


def _consume(result: Run, batch: Records, chunks: Iterable[Chunk]) -> None:
    done = 0
    position = 0
    for chunk in chunks:
        assert done <= chunk.done <= len(batch), "a chunk's `done` went back or past the batch"
        if chunk.position and chunk.done == done:
            assert chunk.position >= position, "`position` went back within a record"
        assert not (chunk.position and chunk.done == len(batch)), "there is no record behind the batch to be inside of"
        before, done, position = done, chunk.done, chunk.position
        for output in chunk.outputs:
            result.outputs.append(_emitted(len(result.outputs), output))
        if done < len(batch):
            result.before.setdefault(int(batch.offsets[done]), set()).add(len(result.outputs) - position)
        for letter in chunk.dead:
            assert before <= letter.index < done, "a dead letter comes with the chunk that finishes its record"
            result.dead.append((int(batch.offsets[letter.index]), letter.error_class, letter.message))
        for view in chunk.views:
            known = result.views.get(view.key)
            if known is None or known[0] <= view.version:
                result.views[view.key] = (view.version, view.value, view.ttl)
        result.counts.update(chunk.counts)
    assert (done, position) == (len(batch), 0), "the last chunk must finish the batch"


def _emitted(number: int, output: Output) -> Emitted:
    return number, output.topic, output.key, output.value, tuple(output.headers), output.partition


def _assert_same(want: Run, got: Run, case: str) -> None:
    for a, b in zip(want.outputs, got.outputs, strict=False):
        assert a == b, f"{case}: output {a[0]} differs:\n{a}\n{b}"
    assert len(want.outputs) == len(got.outputs), f"{case}: {len(got.outputs)} outputs, not {len(want.outputs)}"
    assert sorted(want.dead) == sorted(got.dead), f"{case}: dead letters differ"
    assert +want.counts == +got.counts, f"{case}: counts differ"
    assert want.views == got.views, f"{case}: views differ"
    shared = want.watermarks.keys() & got.watermarks.keys()
    assert {o: want.watermarks[o] for o in shared} == {o: got.watermarks[o] for o in shared}, (
        f"{case}: watermarks differ"
    )


def _assert_positions_agree(runs: list[Run]) -> None:
    """`done` and `position` must name one place in the outputs, whichever batches and chunks they were given with."""
    said: dict[int, set[int]] = {}
    for one in runs:
        for offset, numbers in one.before.items():
            said.setdefault(offset, set()).update(numbers)
    unclear = {offset: numbers for offset, numbers in said.items() if len(numbers) > 1}
    assert not unclear, f"chunks disagree on how many outputs lie before the record's own: {unclear}"


def _checkpoint(stage: Stage[Any], state: Any, store: dict[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """The store after another checkpoint: parts of a known version stay as they are, others are encoded."""
    after: dict[str, tuple[int, bytes]] = {}
    for name, part in stage.parts(state).items():
        known = store.get(name)
        after[name] = known if known and known[0] == part.version else (part.version, part.encode())
    return after


def _watermark_before(stage: Stage[Any], records: Records, first: int) -> int:
    state = _fresh(stage, records)
    run(stage, state, records.slice(0, first))
    return stage.watermark(state)


def _logged(stage: Stage[Any], before: Run) -> list[Logged]:
    if stage.state_topic is None:
        return []
    mine = [(key, value) for _, topic, key, value, _, _ in before.outputs if topic == stage.state_topic]
    assert all(key is not None for key, _ in mine), "a compacted topic needs keys"
    gone = {key: number for number, (key, value) in enumerate(mine) if value is None}
    kept = ((key, value) for number, (key, value) in enumerate(mine) if number > gone.get(key, -1))
    return [Logged(key, value) for key, value in kept if key is not None and value is not None]


def _compacted(logged: list[Logged]) -> list[Logged]:
    latest = {entry.key: number for number, entry in enumerate(logged)}
    return [entry for number, entry in enumerate(logged) if latest[entry.key] == number]


def _fresh(stage: Stage[Any], records: Records) -> Any:
    return stage.start(records.partition, NO_WATERMARK, [])
