"""The state of one input partition: its entities, its time, what is due when, and what a rebuild has to replay.

A rebuild starts with the logged entities and replays from the first record that any entity needs. An entity with a
log record ignores what is replayed up to it. One without starts empty, and that is exact: until the rebuild point it
had opened no incident, refused no anomalous score as late and kept no anomalous window that still counts, for each of
these has it logged, and until then holds the rebuild point back.
"""

from __future__ import annotations

import heapq
import zlib
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from workers.incidents.entity import NEVER, Entity, dump, load
from workers.incidents.lifecycle import due
from workers.incidents.occurrences import Occurrences
from workers.incidents.policy import Policy
from workers.incidents.rule_table import RuleTable
from workers.runtime.stage import NO_WATERMARK, Logged, Part, RebuildPoint

SHARDS = 64
"""Parts that the entities are divided into; one is written again only when an entity in it changed."""

_HEAD, _FEEDBACK = "head", "feedback"


class PartitionState:
    """Mutable; everything in it is a function of the records read so far, and of where feedback was taken up."""

    __slots__ = (
        "changed",
        "entities",
        "marks",
        "next_offset",
        "policy",
        "rules",
        "shards",
        "timers",
        "versions",
        "watermark",
    )

    def __init__(self, policy: Policy, watermark: int) -> None:
        self.policy = policy
        self.watermark = watermark
        self.next_offset = NEVER
        self.rules = RuleTable()
        self.entities: dict[str, Entity] = {}
        self.shards: list[dict[str, Entity]] = [{} for _ in range(SHARDS)]
        self.versions = [NEVER] * SHARDS
        """Per shard, the offset of the record that changed it last."""
        self.timers: list[tuple[int, str]] = []
        self.changed: OrderedDict[str, int] = OrderedDict()
        """Entities whose state is not what the log holds, with the offset of the first change, ascending."""
        self.marks: deque[tuple[int, int]] = deque()
        """(offset, watermark just before it), ascending: the places a rebuild can start from."""

    def read(self, offset: int) -> None:
        """A record is about to be processed."""
        if not self.marks:
            self.marks.append((offset, self.watermark))
        self.next_offset = offset + 1

    def pass_time(self, offset: int, watermark: int) -> int | None:
        """Move the watermark; returns the boundary of progress that it crossed, if it did."""
        step = self.policy.progress_every
        reached = watermark - watermark % step
        crossed = self.watermark == NO_WATERMARK or self.watermark < reached
        if crossed and self.marks[-1][0] != offset:
            self.marks.append((offset, self.watermark))
        self.watermark = watermark
        return reached if crossed else None

    def meet(self, name: str) -> Entity:
        """The entity of that name, new if need be."""
        entity = self.entities.get(name)
        if entity is None:
            entity = Entity(name, Occurrences(self.policy.occurrence_days))
            self._add(entity)
        return entity

    def due_entities(self) -> Iterator[Entity]:
        """Entities that the watermark has something to change in, by (time, name).

        All of them at the record that made them due: were some left to the next, a rebuild, in which those that the log
        knows are not due, would come to others sooner, and drop as replayed what was never written.
        """
        while (entity := self._pop_due()) is not None:
            yield entity

    def touched(self, entity: Entity, offset: int) -> None:
        """The entity's state changed at this record."""
        self.versions[_shard(entity.name)] = offset
        if entity.changed == NEVER:
            entity.changed, entity.changed_at = offset, self.watermark
            self.changed[entity.name] = offset

    def logged(self, entity: Entity, offset: int) -> None:
        """The entity's state as after this record is written to the log."""
        self.versions[_shard(entity.name)] = offset
        entity.logged, entity.changed, entity.changed_at, entity.refused = offset, NEVER, 0, False
        self.changed.pop(entity.name, None)

    def log_due(self, entity: Entity) -> bool:
        """Whether a change has been left out of the log for as long as it may be."""
        return entity.changed != NEVER and entity.changed_at + self.policy.log_every <= self.watermark

    def forgettable(self, entity: Entity) -> bool:
        """Whether nothing is left to remember; drops tracks that say nothing."""
        if entity.logged == NEVER and not entity.refused:
            for profile in [profile for profile, track in entity.tracks.items() if track.idle]:
                del entity.tracks[profile]
            return not entity.tracks and not entity.occurrences
        return entity.empty and self._floor_expiry(entity) <= self.watermark

    def forget(self, entity: Entity, offset: int) -> None:
        """Nothing of the entity is left to remember."""
        shard = _shard(entity.name)
        self.versions[shard] = offset
        del self.entities[entity.name], self.shards[shard][entity.name]
        self.changed.pop(entity.name, None)

    def schedule(self, entity: Entity) -> None:
        """Make sure that the entity is looked at when time next changes it."""
        when = self._due(entity)
        if when is not None and (entity.timer is None or when < entity.timer):
            entity.timer = when
            heapq.heappush(self.timers, (when, entity.name))

    def rebuild_point(self) -> RebuildPoint | None:
        if self.next_offset == NEVER:
            return None
        needed = next(iter(self.changed.values()), self.next_offset)
        while len(self.marks) > 1 and self.marks[1][0] <= needed:
            self.marks.popleft()
        if not self.changed:
            return RebuildPoint(self.next_offset, self.watermark)
        return RebuildPoint(*self.marks[0])

    def parts(self) -> dict[str, Part]:
        parts = {_HEAD: Part(self.next_offset, self._encode_head)}
        if len(self.rules):
            parts[_FEEDBACK] = Part(self.rules.version, self.rules.encode)
        for number, shard in enumerate(self.shards):
            if shard:
                parts[f"entities/{number}"] = Part(self.versions[number], partial(self._encode_shard, number))
        return parts

    @classmethod
    def restore(cls, policy: Policy, parts: Mapping[str, bytes]) -> PartitionState:
        head = orjson.loads(parts[_HEAD])
        state = cls(policy, head["watermark"])
        state.next_offset = head["next_offset"]
        state.marks.extend((offset, watermark) for offset, watermark in head["marks"])
        if _FEEDBACK in parts:
            state.rules = RuleTable.restore(parts[_FEEDBACK])
        for name, blob in parts.items():
            if name not in (_HEAD, _FEEDBACK):
                shard = orjson.loads(blob)
                state.versions[int(name.partition("/")[2])] = shard["version"]
                state._take(shard["entities"])
        return state

    @classmethod
    def rebuild(cls, policy: Policy, watermark: int, logged: Iterable[Logged]) -> PartitionState:
        """Nothing but what the log remembers, the latest record of each entity and of each rule of feedback."""
        state = cls(policy, watermark)
        latest = {entry.key: entry.value for entry in logged}
        entities = [value for key, value in latest.items() if not state.rules.decode(key, value)]
        state._take(orjson.loads(value) for value in entities if value)
        return state

    def _take(self, dumped: Iterable[Mapping[str, Any]]) -> None:
        for values in dumped:
            entity = load(values, self.policy)
            self._add(entity)
            self.schedule(entity)
        pending = sorted((e.changed, e.name) for e in self.entities.values() if e.changed != NEVER)
        self.changed = OrderedDict((name, offset) for offset, name in pending)

    def _add(self, entity: Entity) -> None:
        self.entities[entity.name] = entity
        self.shards[_shard(entity.name)][entity.name] = entity

    def _pop_due(self) -> Entity | None:
        timers = self.timers
        while timers and timers[0][0] <= self.watermark:
            when, name = heapq.heappop(timers)
            entity = self.entities.get(name)
            if entity is None or entity.timer != when:
                continue  # forgotten, or another entry stands for it
            entity.timer = None
            if self._due(entity) == when:
                return entity
            self.schedule(entity)  # what was due then has moved
        return None

    def _due(self, entity: Entity) -> int | None:
        policy = self.policy
        times = [due(policy, track) for track in entity.tracks.values()]
        times.append(entity.occurrences.next_expiry())
        if entity.changed != NEVER:
            times.append(entity.changed_at + policy.log_every)
        elif entity.empty:
            times.append(self._floor_expiry(entity))
        return min((when for when in times if when is not None), default=None)

    def _floor_expiry(self, entity: Entity) -> int:
        """Until when an idle entity's last window ends tell late scores."""
        return max((track.last_end for track in entity.tracks.values()), default=0) + self.policy.forget_after

    def _encode_head(self) -> bytes:
        self.rebuild_point()  # drops the marks that no rebuild can need any more
        head = {"watermark": self.watermark, "next_offset": self.next_offset, "marks": list(self.marks)}
        return orjson.dumps(head)

    def _encode_shard(self, number: int) -> bytes:
        shard = self.shards[number]
        entities = [dump(shard[name]) for name in sorted(shard)]
        return orjson.dumps({"version": self.versions[number], "entities": entities}, option=orjson.OPT_SORT_KEYS)


def _shard(name: str) -> int:
    return zlib.crc32(name.encode()) % SHARDS
