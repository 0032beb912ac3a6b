"""The incidents worker: scores of a partition in, the lives of its incidents out.

Time is the partition's watermark: the largest window end of the scores read so far. At each score the grace times and
time-outs that it has passed come first, then the score itself, then the log records of the entities that changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from schemas.columns import Fault
from schemas.framing import Resolver, Writer
from schemas.ids import stable_id
from workers.incidents.entity import NEVER, Entity, log_value
from workers.incidents.events import EventWriter, Topics
from workers.incidents.incident import Change, Kind, Track
from workers.incidents.lifecycle import advance, expire
from workers.incidents.partition import PartitionState
from workers.incidents.policy import Policy
from workers.incidents.reader import ScoreReader
from workers.incidents.scores import ROLES, read_window
from workers.incidents.taking_up import take_up
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.stage import Control, Logged, Part, RebuildPoint
from workers.settings import Settings
from workers.topics import state_topic

_CHUNK_OUTPUTS = 5_000
"""A chunk ends at the record that brings it to so many outputs."""

_VERSION = 2
"""Raised when the meaning of state or outputs changes, so that older checkpoints are not taken up."""

_LOGGED_AT_ONCE = frozenset({Kind.CREATE, Kind.RESOLVE, Kind.REOPEN, Kind.CLOSED, Kind.SUPPRESS})
"""Changes after which an entity's state is logged with the same record; the others are replayed to."""


class IncidentsStage:
    """`Stage` of the worker `incidents`, `Controlled` by feedback; its state is a `PartitionState`.

    See `docs/incidents.md` for the rules.

    Counts: `processed`, `skipped_role` (a challenger's score), `skipped_late` (window end not above the entity's
    last), `dead`, `replayed` (already in the entity's logged state), `events_<type>`, `logged`.
    """

    name = "incidents"

    def __init__(
        self,
        policy: Policy,
        topics: Topics,
        form: Literal["json", "avro"] = "json",
        framing: Mapping[str, Writer] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._policy = policy
        self._writer = EventWriter(topics, form, framing)
        self._reader = ScoreReader(resolver)
        self.state_topic: str | None = topics.log
        self.config_hash = stable_id(
            _VERSION, repr(policy), repr(topics), form, repr(sorted((framing or {}).items(), key=str))
        )

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> PartitionState:
        return PartitionState.rebuild(self._policy, watermark, logged)

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> PartitionState:
        return PartitionState.restore(self._policy, parts)

    def watermark(self, state: PartitionState) -> int:
        return state.watermark

    def rebuild_point(self, state: PartitionState) -> RebuildPoint | None:
        return state.rebuild_point()

    def parts(self, state: PartitionState) -> Mapping[str, Part]:
        return state.parts()

    def take_up(self, state: PartitionState, offset: int, controls: Sequence[Control]) -> list[Output]:
        """Put feedback into force for records from `offset` on, and log it."""
        return [self._writer.log_rule(*state.rules.log(id_)) for id_ in take_up(state, offset, controls)]

    def step(self, state: PartitionState, records: Records) -> Iterator[Chunk]:
        offsets = records.offsets.tolist()
        chunk = _Pending()
        scores = self._reader.read(records.keys, records.values)
        for index, (offset, score) in enumerate(zip(offsets, scores, strict=True)):
            state.read(offset)
            if isinstance(score, Fault):
                chunk.dead.append(DeadLetter(index, score.error_class, score.message))
            elif score["model"]["role"] not in ROLES:
                chunk.counts["skipped_role"] += 1
            else:
                self._take(state, chunk, offset, score)
            if len(chunk.outputs) >= _CHUNK_OUTPUTS:
                yield chunk.take(index + 1)
        yield chunk.take(len(records))

    def _take(self, state: PartitionState, chunk: _Pending, offset: int, score: dict[str, Any]) -> None:
        """One score. Nearly all are clean and of entities about which nothing is remembered: they end early."""
        end: int = score["window_end"]
        if end > state.watermark:
            reached = state.pass_time(offset, end)
            if reached is not None:
                chunk.outputs.append(self._writer.progress(reached))
        entity = state.entities.get(score["entity"])
        due = state.timers and state.timers[0][0] <= state.watermark
        if entity is None and not due and not score["is_anomaly"]:
            if end <= state.watermark - self._policy.abandon_after:
                chunk.counts["skipped_late"] += 1
            else:
                chunk.processed += 1
            return
        record = _Record(offset, score["id"])
        if due:
            for one in state.due_entities():
                self._settle(state, chunk, record, one)
        self._step_entity(state, chunk, record, score)
        for touched, log in record.touched.values():
            self._finish(state, chunk, record, touched, log)

    def _settle(self, state: PartitionState, chunk: _Pending, record: _Record, entity: Entity) -> None:
        """What the passing of time alone changes in an entity."""
        record.touch(entity)
        for profile, track in sorted(entity.tracks.items()):  # not in the order in which they came: that is not kept
            before = track.idle, track.incident
            changes = expire(self._policy, track, state.watermark, record.score_id)
            self._write(chunk, record, entity, profile, changes)
            if changes or before != (track.idle, track.incident):
                state.touched(entity, record.offset)
        if entity.occurrences.forget(state.watermark):
            state.touched(entity, record.offset)

    def _step_entity(self, state: PartitionState, chunk: _Pending, record: _Record, score: dict[str, Any]) -> None:
        """The score itself."""
        if score["window_end"] <= state.watermark - self._policy.abandon_after:
            chunk.counts["skipped_late"] += 1
            return
        entity = state.entities.get(score["entity"])
        if entity is None:
            if not score["is_anomaly"]:
                chunk.processed += 1
                return
            entity = state.meet(score["entity"])
        if record.offset <= entity.logged:
            chunk.counts["replayed"] += 1
            return
        if entity.timer is not None and entity.timer <= state.watermark:
            self._settle(state, chunk, record, entity)
        profile: str = score["profile"]
        anomalous: bool = score["is_anomaly"]
        track = entity.tracks.get(profile)
        if track is not None and self._late(profile, track, score["window_end"]):
            chunk.counts["skipped_late"] += 1
            if anomalous and entity.logged == NEVER:
                entity.refused = True
                state.touched(entity, record.offset)
            return
        chunk.processed += 1
        if not anomalous and (track is None or track.idle):
            return
        if track is None:
            track = entity.tracks.setdefault(profile, Track(last_end=score["window_end"]))
        rules = state.rules.at(record.offset)
        changes = advance(self._policy, entity.name, profile, track, entity.occurrences, read_window(score), rules)
        state.touched(entity, record.offset)
        record.touch(entity)
        self._write(chunk, record, entity, profile, changes)

    def _late(self, profile: str, track: Track, end: int) -> bool:
        return end < track.last_end or (end == track.last_end and profile not in self._policy.event_profiles)

    def _write(self, chunk: _Pending, record: _Record, entity: Entity, profile: str, changes: Sequence[Change]) -> None:
        for change in changes:
            chunk.outputs.extend(self._writer.outputs(change, entity.name, profile))
            chunk.counts[f"events_{change.kind.value.lower()}"] += 1
            if change.kind in _LOGGED_AT_ONCE:
                record.touch(entity, log=True)

    def _finish(self, state: PartitionState, chunk: _Pending, record: _Record, entity: Entity, log: bool) -> None:
        """Forget, log and schedule an entity that this record has touched."""
        if state.forgettable(entity):
            if entity.logged != NEVER:
                chunk.outputs.append(self._writer.log(entity.name, None))
            state.forget(entity, record.offset)
            return
        if log or state.log_due(entity):
            state.logged(entity, record.offset)
            chunk.outputs.append(self._writer.log(entity.name, log_value(entity)))
            chunk.counts["logged"] += 1
        state.schedule(entity)


class _Record:
    """The record being processed, and the entities it has touched in order, each with whether it is to be logged."""

    __slots__ = ("offset", "score_id", "touched")

    def __init__(self, offset: int, score_id: str) -> None:
        self.offset = offset
        self.score_id = score_id
        self.touched: dict[str, tuple[Entity, bool]] = {}

    def touch(self, entity: Entity, log: bool = False) -> None:
        wanted = self.touched.get(entity.name)
        self.touched[entity.name] = (entity, log or (wanted is not None and wanted[1]))


class _Pending:
    """What has gathered for the next chunk."""

    __slots__ = ("counts", "dead", "outputs", "processed")

    def __init__(self) -> None:
        self._clear()

    def take(self, done: int) -> Chunk:
        counts = {"processed": self.processed, "dead": len(self.dead), **self.counts}
        chunk = Chunk(done, outputs=self.outputs, dead=self.dead, counts=counts)
        self._clear()
        return chunk

    def _clear(self) -> None:
        self.outputs: list[Output] = []
        self.dead: list[DeadLetter] = []
        self.processed = 0  # apart from the others: it is counted for nearly every record
        self.counts: Counter[str] = Counter()


def build(
    settings: Settings, framing: Mapping[str, Writer] | None = None, resolver: Resolver | None = None
) -> IncidentsStage:
    """The stage as the settings want it; `framing` (by record) and `resolver` are for Confluent-framed Avro."""
    names = settings.topics
    topics = Topics(names.incidents, names.incident_state, state_topic(settings, IncidentsStage.name))
    return IncidentsStage(Policy.of(settings.incidents), topics, settings.worker.anomaly_format, framing, resolver)
