"""One transaction, every way it can end: the verdict per partition and what is asked of the producer on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model.counting import Counting
from tests.support.clock import ScriptedClock
from workers.runtime.clock import Deadline
from workers.runtime.errors import Fatal, Held, Retriable, Unknown
from workers.runtime.metadata import CommitMetadata
from workers.runtime.records import Output
from workers.runtime.slices import NOWHERE, Committed, Progress, Slice, TopicPartition, Verdict, resolve
from workers.runtime.stage import RebuildPoint
from workers.runtime.transaction import Transaction, progress

A, B = TopicPartition("in", 0), TopicPartition("in", 1)


def metadata(position: int = 0, topic: str = "t1") -> str:
    return CommitMetadata(None, 0, RebuildPoint(0, 0), topic, 2, "c", position=position).encode()


class Wire:
    """Source and sink in one, in memory: `fails` raises at a call's n-th time; commits apply what was sent."""

    def __init__(self, clock: ScriptedClock, committed: dict[TopicPartition, Committed]) -> None:
        self.clock, self.stable = clock, dict(committed)
        self.fails: dict[tuple[str, int], Exception] = {}
        self.calls: list[str] = []
        self.pending: dict[TopicPartition, tuple[int, str]] = {}
        self.happens_before_failing: Callable[[], None] = lambda: None

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.clock.now += 0.01
        failure = self.fails.get((name, self.calls.count(name)))
        if failure is not None:
            self.happens_before_failing()
            raise failure

    def begin(self) -> None:
        self.pending = {}
        self._call("begin")

    def send(self, tp: TopicPartition, outputs: list[Output]) -> None:
        self._call("send")

    def send_offsets(self, offsets: dict[TopicPartition, tuple[int, str]], group: object) -> None:
        self._call("send_offsets")
        self.pending = dict(offsets)

    def commit(self) -> None:
        self._call("commit")
        self.apply()

    def apply(self) -> None:
        self.stable.update({tp: Committed(*sent) for tp, sent in self.pending.items()})

    def reopen(self) -> None:
        self._call("reopen")

    def group_metadata(self) -> object:
        self._call("group_metadata")
        return None

    def committed(self, tps: list[TopicPartition], timeout: float) -> dict[TopicPartition, Committed]:
        self._call("committed")
        return {tp: self.stable[tp] for tp in tps}


@pytest.fixture
def clock() -> ScriptedClock:
    return ScriptedClock()


@pytest.fixture
def wire(clock: ScriptedClock) -> Wire:
    return Wire(clock, {A: Committed(10, metadata()), B: Committed(None, None)})


def run(wire: Wire, seconds: float = 30.0) -> dict[TopicPartition, Verdict]:
    slices = {A: Slice(Progress(10), Progress(20)), B: Slice(NOWHERE, Progress(5))}
    transaction = Transaction(wire, wire, wire.clock, Counting(), lambda step: None)  # type: ignore[arg-type]
    return transaction.run(slices, {A: metadata(), B: metadata()}, Deadline.after(wire.clock, seconds))


def test_what_goes_well_is_done_and_asks_nobody(wire: Wire) -> None:
    assert run(wire) == {A: Verdict.DONE, B: Verdict.DONE}
    assert wire.calls == ["begin", "send", "send", "group_metadata", "send_offsets", "commit"]


@pytest.mark.parametrize("call", ["begin", "send", "group_metadata", "send_offsets", "commit"])
def test_what_did_not_happen_is_ended_under_a_new_epoch_and_sent_again(wire: Wire, call: str) -> None:
    wire.fails[(call, 1)] = Retriable("no")
    assert run(wire) == {A: Verdict.AGAIN, B: Verdict.AGAIN}
    assert wire.calls[-2:] == ["reopen", "committed"]


def test_what_an_outside_end_does_not_take_is_kept_and_the_broker_is_not_asked(wire: Wire) -> None:
    wire.fails[("commit", 1)] = Held("the target is down")
    assert run(wire) == {A: Verdict.HELD, B: Verdict.HELD}
    assert wire.calls[-1] == "commit"


def test_group_metadata_is_taken_after_the_outputs_were_produced(wire: Wire) -> None:
    run(wire)
    assert wire.calls.index("group_metadata") > wire.calls.index("send")


def test_an_unknown_outcome_that_happened_is_done(wire: Wire) -> None:
    wire.fails[("commit", 1)] = Unknown("timed out")
    wire.happens_before_failing = wire.apply
    assert run(wire) == {A: Verdict.DONE, B: Verdict.DONE}
    assert wire.calls[-2:] == ["reopen", "committed"]


def test_an_unknown_outcome_that_did_not_happen_is_sent_again(wire: Wire) -> None:
    wire.fails[("commit", 1)] = Unknown("timed out")
    assert run(wire) == {A: Verdict.AGAIN, B: Verdict.AGAIN}


def test_a_partition_that_someone_else_took_further_is_reloaded_and_the_others_are_not(wire: Wire) -> None:
    wire.fails[("commit", 1)] = Retriable("no")
    wire.stable[A] = Committed(15, metadata())
    assert run(wire) == {A: Verdict.RELOAD, B: Verdict.AGAIN}


def test_someone_elses_commit_at_the_very_same_offset_is_not_ours(wire: Wire) -> None:
    wire.fails[("commit", 1)] = Retriable("no")
    wire.stable[A] = Committed(20, metadata() + "1")
    assert run(wire)[A] is Verdict.RELOAD


def test_a_broker_that_does_not_open_the_producer_is_waited_for(wire: Wire) -> None:
    wire.fails |= {("commit", 1): Unknown("timed out"), ("reopen", 1): Retriable("no")}
    assert run(wire) == {A: Verdict.AGAIN, B: Verdict.AGAIN}


def test_what_the_broker_does_not_tell_is_loaded_anew_at_once_so_that_the_group_goes_on(wire: Wire) -> None:
    wire.fails |= {("commit", 1): Unknown("timed out"), ("committed", 1): Retriable("unstable")}
    assert run(wire) == {A: Verdict.RELOAD, B: Verdict.RELOAD}
    assert wire.calls.count("committed") == 1


def test_a_producer_that_cannot_be_opened_until_the_deadline_is_fatal(wire: Wire) -> None:
    wire.fails |= {("commit", 1): Unknown("timed out")} | {("reopen", n): Retriable("no") for n in range(1, 1000)}
    with pytest.raises(Fatal, match="restart"):
        run(wire, seconds=3.0)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Progress(20, 3), Verdict.DONE),
        (Progress(10, 1), Verdict.AGAIN),
        (None, Verdict.AGAIN),
        (Progress(20), Verdict.RELOAD),
        (Progress(20, 2), Verdict.RELOAD),
        (Progress(10), Verdict.RELOAD),
        (Progress(9), Verdict.RELOAD),
        (Progress(21), Verdict.RELOAD),
        (Progress(20, 3, control=1), Verdict.RELOAD),
    ],
)
def test_only_the_exact_end_is_done_and_only_the_exact_start_is_sent_again(
    found: Progress | None, verdict: Verdict
) -> None:
    assert resolve(Progress(10, 1), Progress(20, 3), found) is verdict


def test_progress_reads_the_position_and_ignores_offsets_of_a_deleted_topic() -> None:
    ours = CommitMetadata.decode(metadata())
    assert progress(Committed(None, None), ours) is None
    assert progress(Committed(7, metadata(position=4)), ours) == Progress(7, 4)
    assert progress(Committed(7, "someone else's"), ours) == Progress(7)
    assert progress(Committed(7, metadata(topic="t0")), ours) is None
