"""A consumer group in memory, with incremental rebalances: a partition moves only once its owner has let go of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workers.runtime.slices import TopicPartition


class Stale(Exception):
    """Not a member, or of an earlier generation."""


@dataclass(slots=True)
class Member:
    """`generation` is what the member's client knows; `owned` what the coordinator holds for owned."""

    seen: float
    generation: int
    owned: set[TopicPartition] = field(default_factory=set)
    target: set[TopicPartition] = field(default_factory=set)


class Group:
    """Every joining, leaving and expiry makes a new generation and a new target for everyone."""

    def __init__(
        self, partitions: Sequence[TopicPartition], now: Callable[[], float], rng: random.Random, session: float
    ) -> None:
        self.partitions, self.now, self.rng, self.session = list(partitions), now, rng, session
        self.members: dict[str, Member] = {}
        self.generation = 0

    def join(self, name: str) -> None:
        self.members[name] = Member(self.now(), self.generation)
        self._rebalance()

    def leave(self, name: str) -> None:
        if self.members.pop(name, None):
            self._rebalance()

    def expire(self) -> int:
        """Remove who was not heard of for a session; how many."""
        gone = [name for name, member in self.members.items() if self.now() - member.seen > self.session]
        for name in gone:
            del self.members[name]
        if gone:
            self._rebalance()
        return len(gone)

    def heartbeat(self, name: str) -> Member | None:
        """The member as the coordinator sees it now, or None if it was removed."""
        member = self.members.get(name)
        if member is not None:
            member.seen, member.generation = self.now(), self.generation
        return member

    def free(self, tp: TopicPartition) -> bool:
        return all(tp not in member.owned for member in self.members.values())

    def check(self, name: str, generation: int) -> None:
        """What the coordinator checks of transactional offsets: membership and generation, *not* ownership."""
        if name not in self.members or generation != self.generation:
            raise Stale

    def _rebalance(self) -> None:
        self.generation += 1
        names = list(self.members)
        for member in self.members.values():
            member.target = set()
        if names:
            self.rng.shuffle(names)
            for number, tp in enumerate(self.partitions):
                self.members[names[number % len(names)]].target.add(tp)
