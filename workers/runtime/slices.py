"""An open transaction as a value, per partition: what it would write, and from which offset to which it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from workers.runtime.records import Output, View


class TopicPartition(NamedTuple):
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset as the broker tells it."""

    offset: int | None
    metadata: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition is: the next offset, how many outputs of the record there are already out, and up to which
    offset control records have been taken up."""

    offset: int
    position: int = 0
    control: int = 0


NOWHERE = Progress(-1)
"""The start of a partition that the group never committed."""


@dataclass(slots=True)
class Slice:
    """One partition's share of the open transaction, retained until its outcome is known."""

    start: Progress
    end: Progress
    outputs: list[Output] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def at(cls, progress: Progress) -> Slice:
        return cls(progress, progress)

    @property
    def advanced(self) -> bool:
        return self.end != self.start or bool(self.outputs)


class Verdict(Enum):
    """What became of a partition's slice."""

    DONE = "done"
    AGAIN = "again"
    RELOAD = "reload"
    HELD = "held"
    """As AGAIN, and nothing is wrong with us: an end outside Kafka takes nothing now."""


def resolve(start: Progress, end: Progress, found: Progress | None) -> Verdict:
    """What a stable committed offset says about a slice whose transaction failed or has an unknown outcome.

    `found` None means that the group never committed here, which is where a slice starts that was never committed.
    """
    if found == end:
        return Verdict.DONE
    if found is None or found == start:
        return Verdict.AGAIN
    return Verdict.RELOAD
