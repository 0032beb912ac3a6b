"""Outputs that leave Kafka: delivered before any offset is committed, and not twice by one process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from workers.runtime.errors import Held
from workers.runtime.outside import OutsideSink
from workers.runtime.records import Output
from workers.runtime.slices import TopicPartition

A = TopicPartition("in", 0)
PAGES = [Output("pager", b"%d" % n, b"page") for n in range(4)]
LETTER = Output("letters", b"k", b"bad")


class Pager:
    """Takes `room` outputs, then no more."""

    address = "pager"

    def __init__(self, room: int) -> None:
        self.room, self.got = room, list[Output]()

    def deliver(self, outputs: Sequence[Output]) -> Sequence[Output]:
        taken = outputs[: self.room]
        self.got += taken
        self.room -= len(taken)
        return outputs[len(taken) :]

    def close(self) -> None: ...


class Log:
    """What the Kafka side was asked for, in order."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def begin(self) -> None:
        self.calls.append("begin")

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        self.calls.append(list(outputs))

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        self.calls.append(dict(offsets))

    def commit(self) -> None:
        self.calls.append("commit")

    def reopen(self) -> None: ...

    def close(self) -> None: ...


def transaction(sink: OutsideSink, outputs: Sequence[Output]) -> None:
    sink.begin()
    sink.send(A, outputs)
    sink.send_offsets({A: (7, "")}, None)
    sink.commit()


def test_offsets_are_committed_only_behind_everything_that_had_to_be_delivered() -> None:
    pager, log = Pager(room=9), Log()
    transaction(OutsideSink(pager, log), [*PAGES, LETTER])
    assert pager.got == PAGES
    assert log.calls == ["begin", [LETTER], {A: (7, "")}, "commit"]


def test_what_was_delivered_before_the_rest_was_held_is_not_delivered_again() -> None:
    pager, log = Pager(room=3), Log()
    sink = OutsideSink(pager, log)
    with pytest.raises(Held):
        transaction(sink, PAGES)
    assert log.calls == []
    pager.room = 9
    transaction(sink, PAGES)
    assert pager.got == PAGES
    assert log.calls[-1] == "commit"


def test_the_same_page_in_a_later_transaction_is_another_one() -> None:
    pager = Pager(room=9)
    sink = OutsideSink(pager, Log())
    transaction(sink, PAGES[:1])
    transaction(sink, PAGES[:1])
    assert len(pager.got) == 2


class Collector(Pager):
    """Holds everything back until it is told that no more will come."""

    def __init__(self) -> None:
        super().__init__(room=0)

    def finish(self) -> None:
        self.room = 99


def test_before_an_orderly_end_what_gathers_is_told_to_hold_nothing_back() -> None:
    collector, log = Collector(), Log()
    sink = OutsideSink(collector, log)
    with pytest.raises(Held):
        transaction(sink, PAGES)
    sink.finish()
    transaction(sink, PAGES)
    assert collector.got == PAGES
    assert log.calls[-1] == "commit"
    OutsideSink(Pager(room=0), log).finish()  # what holds nothing back is not asked
