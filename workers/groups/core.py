"""All of the worker that needs no Kafka: records of any partition in, outputs and positions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from schemas.framing import Resolver
from workers.groups.events import EventWriter
from workers.groups.links import Links
from workers.groups.merge import NEVER, Merge
from workers.groups.policy import Policy
from workers.groups.position import Position
from workers.groups.reading import Passed, read
from workers.groups.state import State
from workers.groups.step import pass_time, step
from workers.runtime.records import DeadLetter, Output, Records
from workers.runtime.stage import Logged


class Core:
    """Merges the partitions, steps the groups, and says what is to be written and committed."""

    def __init__(
        self,
        policy: Policy,
        links: Links,
        writer: EventWriter,
        log_topic: str,
        partitions: int,
        logged: Iterable[Logged] = (),
        positions: Mapping[int, tuple[int, Position]] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """`logged` and `positions` (by partition, with the offset): what was committed last."""
        self.counts: Counter[str] = Counter()
        self._policy, self._links, self._writer, self._log_topic = policy, links, writer, log_topic
        self._resolver = resolver
        self._state = State.load(logged)
        self._merge = Merge(partitions)
        self._before: dict[int, Position] = {}
        """Of partitions of which something is read again that had been read: until it was, nothing is stepped."""
        self._read: dict[int, int] = {}
        for partition, (offset, position) in (positions or {}).items():
            if offset < position.read:
                self._before[partition] = position
            if position.progress != NEVER:
                self._merge.passed(partition, position.progress)
            self._merge.reached = max(self._merge.reached, position.reached)

    @property
    def waiting(self) -> int:
        """Events that wait for other partitions."""
        return len(self._merge)

    def held_by(self) -> Mapping[int, int]:
        """The same by partition."""
        return self._merge.held_by()

    def behind(self) -> set[int]:
        """The partitions that the others wait for."""
        progress = self._merge.progress
        return {partition for partition, time in progress.items() if time == min(progress.values())}

    def take(self, records: Records) -> list[DeadLetter]:
        """Records of one partition, in order; what could not be read."""
        partition, dead = records.partition, []
        before = self._before.get(partition)
        for offset, found in read(records, self._resolver):
            if isinstance(found, DeadLetter):
                dead.append(found)
                self.counts["dead"] += 1
            elif isinstance(found, Passed):
                self._merge.passed(partition, found.time)
                self.counts["progress"] += 1
            elif before is None or not before.taken(offset, found["time"]):
                self._merge.add(partition, offset, found)
        self.ended(partition, int(records.offsets[-1]) + 1)
        return dead

    def ended(self, partition: int, offset: int) -> None:
        """Everything below `offset` was read: also what is no record, as the marks that transactions leave."""
        self._read[partition] = max(offset, self._read.get(partition, 0))
        before = self._before.get(partition)
        if before is not None and self._read[partition] >= before.read:
            del self._before[partition]

    def step(self, idle: Collection[int] = ()) -> list[Output]:
        """What the events whose turn it is lead to. `idle`: partitions that are not waited for."""
        outputs: list[Output] = []
        if self._before:
            return outputs
        for event in self._merge.take(idle):
            changes = step(self._policy, self._links, self._state, event)
            outputs.extend(self._writer.output(change) for change in changes)  # each before the next one is made
            self.counts["processed"] += 1
        if self._merge.reached != NEVER:
            changes = pass_time(self._policy, self._state, self._merge.reached)
            outputs.extend(self._writer.output(change) for change in changes)
        return outputs

    def log(self) -> list[Output]:
        """The state as far as it changed since the last call; to be committed with `positions`."""
        return [Output(self._log_topic, key, value, partition=0) for key, value in self._state.changes()]

    def positions(self) -> dict[int, tuple[int, Position]]:
        """Of each partition that was read from: the offset to commit, and what goes with it."""
        found: dict[int, tuple[int, Position]] = {}
        if self._before:
            return found
        for partition, read_to in self._read.items():
            first = self._merge.first_waiting(partition)
            progress = self._merge.progress[partition]
            position = Position(read_to, self._merge.reached, progress)
            found[partition] = (read_to if first is None else first, position)
        return found
