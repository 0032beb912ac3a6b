"""Incident events of all partitions in one order: event time, partition, offset.

Partitions tell how far they are: behind a progress record of time t no event below t comes any more. So all events
below the least of these times are known, and are taken in order; the others wait. A partition that the caller calls
idle is not waited for; what comes from it below the time reached all the same is taken as it comes.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NEVER = -(1 << 62)


@dataclass(slots=True)
class _Waiting:
    offsets: deque[int] = field(default_factory=deque)
    """Of events that were read, ascending; those at the front have not been taken …"""
    taken: set[int] = field(default_factory=set)
    """… unlike these."""


class Merge:
    """`reached` is the time up to which everything was taken; epoch microseconds."""

    def __init__(self, partitions: int) -> None:
        self.reached = NEVER
        self.progress = dict.fromkeys(range(partitions), NEVER)
        self._heap: list[tuple[int, int, int, dict[str, Any]]] = []
        self._waiting: dict[int, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, partition: int, offset: int, event: dict[str, Any]) -> None:
        self._waiting.setdefault(partition, _Waiting()).offsets.append(offset)
        heapq.heappush(self._heap, (event["time"], partition, offset, event))

    def passed(self, partition: int, time: int) -> None:
        """No event of this partition below `time` comes any more."""
        self.progress[partition] = max(self.progress[partition], time)

    def take(self, idle: Collection[int] = ()) -> Iterator[dict[str, Any]]:
        """The events whose turn it is; `reached` moves with them."""
        speaking = [time for partition, time in self.progress.items() if partition not in idle]
        if not speaking and self._heap:
            speaking = [max(self._heap)[0] + 1]
        bound = min(speaking, default=NEVER)
        bound = max(bound, self.reached)
        while self._heap and self._heap[0][0] < bound:
            time, partition, offset, event = heapq.heappop(self._heap)
            self.reached = max(self.reached, time)
            waiting = self._waiting[partition]
            waiting.taken.add(offset)
            while waiting.offsets and waiting.offsets[0] in waiting.taken:
                waiting.taken.remove(waiting.offsets.popleft())
            yield event
        self.reached = bound

    def first_waiting(self, partition: int) -> int | None:
        """The lowest offset of an event that was not taken yet; None: all were."""
        waiting = self._waiting.get(partition)
        return waiting.offsets[0] if waiting and waiting.offsets else None

    def held_by(self) -> Mapping[int, int]:
        """How many events of each partition wait."""
        return {partition: len(w.offsets) - len(w.taken) for partition, w in self._waiting.items() if w.offsets}
