"""Outputs that leave Kafka: to a database, over HTTP. At least once; what arrives twice carries the same id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from workers.runtime.errors import Held
from workers.runtime.ports import Sink
from workers.runtime.records import Output
from workers.runtime.slices import TopicPartition


class Outside(Protocol):
    """Where outputs go whose `topic` is `address`. Called by the worker's thread only."""

    address: str

    def deliver(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """Hand over what it can, in order, and return the rest: those are held, and come again with the next call.

        Takes seconds at most: the worker's place in the group depends on its coming back. While the far end is away
        it returns at once. Raises Fatal for what no waiting can mend.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class Gathering(Protocol):
    """An outside that holds outputs back on purpose, to deliver them in larger pieces."""

    def finish(self) -> None:
        """The worker is about to end: what is held back is to be delivered by the next call."""
        ...


class OutsideSink:
    """`Sink` of a worker with an outside: first everything is delivered there, then offsets are committed.

    What goes to Kafka all the same (dead letters) goes through `kafka`, an at-least-once sink, which commits the
    offsets too. Until a commit takes all of it, every transaction is given the same outputs again; those that were
    delivered are remembered meanwhile and not delivered twice by this process.
    """

    def __init__(self, outside: Outside, kafka: Sink, reached: Callable[[str], None] = lambda step: None) -> None:
        self._outside, self._kafka, self._reached = outside, kafka, reached
        self._open: list[Output] = []
        self._inside: list[tuple[TopicPartition, list[Output]]] = []
        self._offsets: tuple[Mapping[TopicPartition, tuple[int, str]], object] = ({}, None)
        self._delivered: dict[int, Output] = {}  # by identity: slices keep theirs until they are committed

    def begin(self) -> None:
        self._open, self._inside = [], []

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        inside = []
        for output in outputs:
            if output.topic != self._outside.address:
                inside.append(output)
            elif id(output) not in self._delivered:
                self._open.append(output)
        self._inside.append((tp, inside))

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        self._offsets = offsets, group

    def commit(self) -> None:
        """Raises Held while the outside does not take everything; nothing is sent to Kafka before it has."""
        if self._open:
            left = {id(output) for output in self._outside.deliver(self._open)}
            self._delivered |= {id(output): output for output in self._open if id(output) not in left}
            if left:
                raise Held(f"{self._outside.address} has not taken {len(left)} outputs yet")
            self._reached("delivered")
        self._kafka.begin()
        for tp, outputs in self._inside:
            self._kafka.send(tp, outputs)
        self._kafka.send_offsets(*self._offsets)
        self._kafka.commit()
        self._delivered = {}

    def reopen(self) -> None:
        self._kafka.reopen()

    def finish(self) -> None:
        """Before an orderly end: nothing is held back any more."""
        if isinstance(self._outside, Gathering):
            self._outside.finish()

    def close(self) -> None:
        self._outside.close()
        self._kafka.close()
