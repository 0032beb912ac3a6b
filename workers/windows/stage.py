"""The windows stage: canonical events in, feature vectors out, one state per input partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import orjson

from models.logs.templates import Templates, load_templates
from schemas.columns import Events, Fault, Vectors
from schemas.events import decode_events
from schemas.framing import Resolver, Writer
from schemas.ids import stable_id
from schemas.times import format_time
from schemas.vectors import encode_vectors
from workers.knowing import knowledge_of
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.stage import Logged, Part, RebuildPoint
from workers.settings import Settings
from workers.topics import state_topic
from workers.windows.demux import rows_of_kinds, take_events
from workers.windows.engine import Engine, EngineFactory, EnginePolicy
from workers.windows.marks import Marks
from workers.windows.merge import Stream, merge
from workers.windows.panes import PaneEngine
from workers.windows.profiles import Profile, ProfileError, choose, load_profiles, shipped
from workers.windows.state_log import split_key
from workers.windows.ticks import Tick, read_tick, tick_places
from workers.windows.watermark import EARLIEST, Passage, TimePolicy, TimeState, pass_time

_LAYOUT = 4
"""Changes with what the code makes of the same records, so that no checkpoint of an older build is gone on from."""

_MINUTE = 60_000_000


@dataclass(slots=True)
class WindowsState:
    """One partition: where its time stands, where a rebuild may begin, and each profile's engine."""

    partition: int
    engines: list[Engine]
    time: TimeState = field(default_factory=TimeState)
    marks: Marks = field(default_factory=Marks)
    version: int = 0


class WindowsStage:
    """See `workers.runtime.stage.Stage`. `profiles` in order of names; `framing`, `resolver`: how Avro is framed;
    `templates`: what profiles with the features `logs` count by.
    """

    name = "windows"

    def __init__(
        self,
        profiles: Sequence[Profile],
        policy: EnginePolicy,
        time: TimePolicy,
        features_topic: str,
        framing: Writer | None = None,
        resolver: Resolver | None = None,
        templates: Templates | None = None,
    ) -> None:
        self._profiles, self._policy, self._time = tuple(profiles), policy, time
        self._factories = [_factory(profile, templates) for profile in self._profiles]
        self._topic, self._framing, self._resolver = features_topic, framing, resolver
        self.state_topic: str | None = policy.state_topic
        declared = [profile.model_dump_json() for profile in self._profiles]
        rules = [orjson.dumps(asdict(part), option=orjson.OPT_SORT_KEYS).decode() for part in (policy, time)]
        by = [templates.hash] if templates is not None else []
        self.config_hash = stable_id(_LAYOUT, *declared, *rules, features_topic, str(framing), *by)

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> WindowsState:
        state = WindowsState(partition, self._engines(partition), TimeState(watermark=watermark))
        for profile, engine in zip(self._profiles, state.engines, strict=True):
            engine.recall([entry for entry in logged if split_key(entry.key)[1] == profile.name])
        return state

    def step(self, state: WindowsState, records: Records) -> Iterator[Chunk]:
        ticks = {i: read_tick(records.values[i], records.headers[i] or ()) for i in _ticks(records)}
        events, faults = self._decode(records, ticks)
        passage = pass_time(self._time, state.time, records.offsets, records.timestamps, events, ticks)
        self._remember(state, passage)
        streams = [
            self._stream(profile, engine, events, passage)
            for profile, engine in zip(self._profiles, state.engines, strict=True)
        ]
        counts = self._counts(events, passage, ticks, faults)
        for chunk in merge(streams, _dead(events, passage, ticks, faults), len(records)):
            if chunk.done == len(records):
                chunk.counts = Counter(chunk.counts) + counts
            yield chunk

    def watermark(self, state: WindowsState) -> int:
        return state.time.watermark

    def rebuild_point(self, state: WindowsState) -> RebuildPoint | None:
        if state.time.last_offset < 0:
            return None
        # The last record is always needed: whether a tick counts depends on it.
        needed = [state.time.last_offset, *(a for engine in state.engines if (a := engine.anchor()) is not None)]
        if state.time.break_offset >= 0 and state.time.watermark < state.time.watched_since + self._policy.retire_after:
            needed.append(state.time.break_offset)
        return state.marks.newest_up_to(min(needed))

    def parts(self, state: WindowsState) -> Mapping[str, Part]:
        parts = {"time": Part(state.version, lambda: _encode_time(state))}
        for profile, engine in zip(self._profiles, state.engines, strict=True):
            parts |= {f"{profile.name}/{name}": part for name, part in engine.parts().items()}
        return parts

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> WindowsState:
        state = WindowsState(partition, self._engines(partition))
        _decode_time(state, parts["time"])
        for profile, engine in zip(self._profiles, state.engines, strict=True):
            prefix = f"{profile.name}/"
            engine.restore({n.removeprefix(prefix): part for n, part in parts.items() if n.startswith(prefix)})
        return state

    def _engines(self, partition: int) -> list[Engine]:
        made = zip(self._factories, self._profiles, strict=True)
        return [factory(profile, self._policy, partition) for factory, profile in made]

    def _decode(self, records: Records, ticks: Mapping[int, Tick | None]) -> tuple[Events, list[Fault]]:
        values = records.values
        if ticks:
            values = [None if i in ticks else value for i, value in enumerate(values)]
        events, faults = decode_events(values, records.keys, resolver=self._resolver)
        return events, [fault for fault in faults if fault.record not in ticks]

    def _remember(self, state: WindowsState, passage: Passage) -> None:
        """Move time on. A rebuild never begins at a tick that counts: it would not know the record before it."""
        state.version += 1
        state.time = passage.state
        first = int(passage.counted.argmin()) if len(passage.counted) else 0
        if len(passage.counted) and not passage.counted[first]:
            state.marks.add(int(passage.timeline.offsets[first]), int(passage.timeline.before[first]))

    def _stream(self, profile: Profile, engine: Engine, events: Events, passage: Passage) -> Stream:
        rows = rows_of_kinds(events, profile.takes)
        emissions = engine.step(take_events(events, rows), passage.skewed[rows], passage.timeline)
        stream = Stream(profile.name, emissions, self._outputs)
        stream.counts[f"{profile.name}.events"] = len(rows)
        return stream

    def _outputs(self, vectors: Vectors) -> list[Output]:
        values = encode_vectors(vectors, self._framing)
        pairs = zip(vectors.entity, values, strict=True)
        return [Output(self._topic, entity.encode(), value) for entity, value in pairs]

    def _counts(
        self, events: Events, passage: Passage, ticks: Mapping[int, Tick | None], faults: Sequence[Fault]
    ) -> Counter[str]:
        """Every record has one outcome: event, skewed (a dead letter), undecodable (one too) or tick."""
        taken = {kind for profile in self._profiles for kind in profile.takes}
        counted = int(passage.counted.sum())
        return Counter(
            events=len(events) - int(passage.skewed.sum()),
            events_of_no_profile=len(events) - len(rows_of_kinds(events, sorted(taken))),
            skewed=int(passage.skewed.sum()),
            undecodable=len(faults),
            ticks=counted,
            ticks_ignored=len(ticks) - counted,
        )


def build(settings: Settings, framing: Writer | None = None, resolver: Resolver | None = None) -> WindowsStage:
    """The stage that the settings describe.

    Raises `ProfileError` where a profile cannot be used, and `TemplatesError` where templates of messages cannot.
    """
    w = settings.windows
    own = load_profiles([Path(w.profiles)]) if w.profiles else {}
    profiles = choose(shipped() | own, w.enabled, w.log_templates)
    templates = load_templates(w.log_templates) if w.log_templates else None
    policy = EnginePolicy(
        lateness=w.lateness_ms * 1000,
        max_skew=w.max_skew_ms * 1000,
        retire_after=w.retire_after_ms * 1000,
        max_entities=w.max_entities,
        max_metrics=w.max_metrics,
        view_prefix=settings.prefix,
        view_every=w.view_every_ms * 1000,
        view_ttl_s=w.view_ttl_s,
        state_topic=state_topic(settings, "windows"),
        limits=tuple(rule for rule in knowledge_of(settings).rules if rule.valid is not None),
    )
    # Ticks come every idle time-out while somebody watches; and a break must not end inside an open pane.
    longest_pane = max((profile.pane or 0 for profile in profiles), default=0)
    unwatched_after = max(_MINUTE, 2 * w.idle_timeout_ms * 1000, policy.lateness + longest_pane)
    time = TimePolicy(policy.lateness, policy.max_skew, _MINUTE, unwatched_after)
    return WindowsStage(profiles, policy, time, settings.topics.features, framing, resolver, templates)


def _factory(profile: Profile, templates: Templates | None) -> EngineFactory:
    if profile.features == "logs":
        from workers.windows.logs import LogEngine

        if templates is None:
            raise ProfileError(f"profile {profile.name}: there are no templates to count by")
        return partial(LogEngine, templates=templates)
    if profile.emit == "pane":
        return PaneEngine
    if profile.emit == "sample":
        from workers.windows.samples import SampleEngine

        return SampleEngine
    from workers.windows.event_engine import EventEngine

    return EventEngine


def _ticks(records: Records) -> list[int]:
    return tick_places(records.keys, records.headers)


def _dead(
    events: Events, passage: Passage, ticks: Mapping[int, Tick | None], faults: Sequence[Fault]
) -> list[DeadLetter]:
    dead = [DeadLetter(fault.record, fault.error_class, fault.message) for fault in faults]
    dead += [DeadLetter(i, "malformed", "a tick without time and as_of") for i, tick in ticks.items() if tick is None]
    for row in passage.skewed.nonzero()[0].tolist():
        dead.append(DeadLetter(int(events.record[row]), "skewed", _why_skewed(int(events.time[row]))))
    return sorted(dead, key=lambda letter: letter.index)


def _why_skewed(time: int) -> str:
    if time < EARLIEST:
        return f"event time {format_time(time)} lies before 1972: seconds given as milliseconds?"
    return f"event time {format_time(time)} lies ahead of the time it was received: the producer's clock is wrong"


def _encode_time(state: WindowsState) -> bytes:
    return orjson.dumps([asdict(state.time), state.marks.offsets, state.marks.watermarks, state.version])


def _decode_time(state: WindowsState, value: bytes) -> None:
    time, offsets, watermarks, state.version = orjson.loads(value)
    state.time, state.marks = TimeState(**time), Marks(offsets, watermarks)
