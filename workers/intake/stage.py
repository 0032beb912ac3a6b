"""The intake worker: raw records of any wire format in, canonical events out, each to the partition of its entity.

Stateless: what a record becomes depends on that record alone. Which events are skewed, late or repeated is for the
`windows` worker to say; here every time that can be represented is passed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson

from schemas.columns import Events
from schemas.events import encode_events
from schemas.faults import NULL_VALUE, TOO_LARGE, UNKNOWN_FORM
from schemas.framing import Resolver, Writer
from schemas.ids import stable_id
from workers.intake.formats.registry import build_formats
from workers.intake.formats.wire import CountingFormat, Format
from workers.intake.limits import record_too_large, refused
from workers.intake.machines import load_machines
from workers.intake.mapping import load_mapping
from workers.intake.otlp.mapping import load_otlp_mapping
from workers.intake.partitioning import partitions_of
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.stage import Logged, Part, RebuildPoint
from workers.settings import Settings

_VERSION = 2
"""Raised when the same record would become another event."""

_CHUNK_RECORDS, _CHUNK_BYTES = 5_000, 4 << 20
"""A chunk ends with the record that brings it to either: one record may hold thousands of events."""


@dataclass(slots=True)
class IntakeState:
    """Nothing that outputs depend on. `watermark`: the latest event time so far, as a gauge of how far intake is."""

    watermark: int


class IntakeStage:
    """`Stage` of the worker `intake`. `partitions` is the count of the events topic, which decides where keys live.

    Counts: `processed`, `dead`, `skipped` for records of which all is left out by rule, `format_<name>` for records by
    wire format, and what a format counts itself; `events` for what they held.
    """

    name = "intake"
    state_topic: str | None = None

    def __init__(
        self,
        formats: Sequence[Format],
        most_bytes: int,
        topic: str,
        partitions: int,
        by_topic: Mapping[str, str],
        config_hash: str,
        framing: Writer | None = None,
    ) -> None:
        self._formats = {wire.name: wire for wire in formats}
        self._most_bytes = most_bytes
        self._topic = topic
        self._partitions = partitions
        self._by_topic = dict(by_topic)
        self.config_hash = config_hash
        self._framing = framing

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> IntakeState:
        return IntakeState(watermark)

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> IntakeState:
        return IntakeState(int(parts["watermark"]))

    def watermark(self, state: IntakeState) -> int:
        return state.watermark

    def rebuild_point(self, state: IntakeState) -> RebuildPoint | None:
        return None

    def parts(self, state: IntakeState) -> Mapping[str, Part]:
        watermark = state.watermark
        return {"watermark": Part(watermark, lambda: str(watermark).encode())}

    def step(self, state: IntakeState, records: Records) -> Iterator[Chunk]:
        start = 0
        while start < len(records):
            stop = _chunk_end(records, start)
            yield self._chunk(state, records.slice(start, stop), start, stop)
            start = stop
        if not len(records):
            yield Chunk(0)

    def _chunk(self, state: IntakeState, records: Records, start: int, stop: int) -> Chunk:
        outputs: list[list[Output]] = [[] for _ in range(len(records))]
        dead: list[DeadLetter] = []
        counts: dict[str, int] = {}
        for wire, places in self._sort(records, dead).items():
            counts[f"format_{wire.name}"] = len(places)
            self._convert(state, records, wire, places, outputs, dead, counts)
        written = [output for of_record in outputs for output in of_record]
        letters = [replace(letter, index=letter.index + start) for letter in sorted(dead, key=lambda d: d.index)]
        processed = sum(1 for of_record in outputs if of_record)
        skipped = len(records) - processed - len(letters)
        counts |= {"processed": processed, "skipped": skipped, "dead": len(letters), "events": len(written)}
        return Chunk(stop, outputs=written, dead=letters, counts=counts)

    def _sort(self, records: Records, dead: list[DeadLetter]) -> dict[Format, list[int]]:
        """The records of each wire format; what no format claims, or is too large to look at, is a dead letter."""
        sorted_out: dict[Format, list[int]] = {}
        fixed = self._formats.get(self._by_topic.get(records.topic, ""))
        for place, value in enumerate(records.values):
            if not value:
                dead.append(DeadLetter(place, NULL_VALUE, "the record has no value; send one event a record"))
            elif len(value) > self._most_bytes:
                dead.append(DeadLetter(place, TOO_LARGE, record_too_large(len(value), self._most_bytes)))
            else:
                wire = fixed or self._recognise(value)
                if wire is None:
                    dead.append(DeadLetter(place, UNKNOWN_FORM, _unknown(value)))
                else:
                    sorted_out.setdefault(wire, []).append(place)
        return sorted_out

    def _recognise(self, value: bytes) -> Format | None:
        for wire in self._formats.values():
            if wire.claims(value):
                return wire
        return None

    def _convert(
        self,
        state: IntakeState,
        records: Records,
        wire: Format,
        places: list[int],
        outputs: list[list[Output]],
        dead: list[DeadLetter],
        counts: dict[str, int],
    ) -> None:
        """Decode the records at `places`, and put what they become where they stood.

        A record of which one event is refused is a dead letter as a whole: it has one outcome, and can be sent again.
        """
        values = [value for place in places if (value := records.values[place]) is not None]
        if isinstance(wire, CountingFormat):
            events, faults, tally = wire.decode_counted(values, records.timestamps[places])
            counts |= tally
        else:
            events, faults = wire.decode(values, records.timestamps[places])
        dead += [DeadLetter(places[fault.record], fault.error_class, fault.message) for fault in faults]
        if not len(events):
            return
        at = np.array(places, np.intp)[events.record]
        arrived = records.timestamps[at]
        state.watermark = max(state.watermark, int(np.minimum(events.time, arrived).max()))
        encoded = encode_events(replace(events, observed_at=arrived), self._framing)
        refusals = refused(events, encoded, self._most_bytes)
        keys, partitions = self._destinations(events)
        refused_places = {int(at[row]): refusals[row] for row in sorted(refusals, reverse=True)}
        dead += [DeadLetter(place, *why) for place, why in refused_places.items()]
        for place, code, value in zip(at.tolist(), events.entity.codes.tolist(), encoded, strict=True):
            if place not in refused_places:
                outputs[place].append(Output(self._topic, keys[code], value, (), partitions[code]))

    def _destinations(self, events: Events) -> tuple[list[bytes], list[int]]:
        """Key and partition of each distinct entity."""
        keys = [entity.encode() for entity in events.entity.values]
        return keys, partitions_of(keys, self._partitions).tolist()


def _chunk_end(records: Records, start: int) -> int:
    size = 0
    most = min(start + _CHUNK_RECORDS, len(records))
    for place in range(start, most):
        size += len(records.values[place] or b"")
        if size >= _CHUNK_BYTES:
            return place + 1
    return most


def _unknown(value: bytes) -> str:
    return (
        f"unknown wire format: begins with {value[:16]!r}; send JSON, Avro events, syslog or line protocol, "
        "or name the topic's format in FAULTLINE_INTAKE__FORMATS"
    )


def build(
    settings: Settings, partitions: Mapping[str, int], framing: Writer | None = None, resolver: Resolver | None = None
) -> IntakeStage:
    """The stage as the settings want it; `partitions` tells the count of the events topic.

    `framing` and `resolver` are for Confluent-framed Avro, out and in.

    Raises `MappingError`, `TemplateError` and ValueError where the settings cannot be used, with the fix.
    """
    intake, topic = settings.intake, settings.topics.events
    count = partitions[topic]
    mapping, otlp = load_mapping(intake.mapping), load_otlp_mapping(intake.otlp)
    machines = load_machines(intake.machines)
    plain = intake.model_dump(exclude={"mapping", "otlp", "machines"})
    said = [plain, mapping.model_dump(), otlp.model_dump(), machines.model_dump()]
    rules = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return IntakeStage(
        build_formats(intake, mapping, otlp, machines, resolver),
        intake.max_record_bytes,
        topic,
        count,
        intake.formats,
        stable_id(_VERSION, rules.decode(), topic, count, str(framing)),
        framing,
    )
