"""The intake worker: raw records of any wire format in, canonical events out, each to the partition of its entity.

Stateless: what a record becomes depends on that record alone. Which events are skewed, late or repeated is for the
`windows` worker to say; here every time that can be represented is passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress, repeat

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.faults import UNKNOWN_FORM
from schemas.framing import Resolver, Writer
from schemas.ids import stable_id
from workers.intake.finishing import Finish
from workers.intake.formats.registry import build_formats
from workers.intake.formats.wire import Format
from workers.intake.mappings import Mappings
from workers.intake.messages import with_messages
from workers.intake.opening import Opened, opened
from workers.intake.partitioning import partitions_of
from workers.intake.reading import Part as Read
from workers.intake.reading import read
from workers.intake.sorting import Sorter
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.stage import Logged, Part, RebuildPoint
from workers.settings import Settings

_VERSION = 4
"""Raised when the same record would become another event."""


@dataclass(slots=True)
class IntakeState:
    """Nothing that outputs depend on. `watermark`: the latest event time so far, as a gauge of how far intake is."""

    watermark: int


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """What the settings say. `partitions` is the count of the events topic, which decides where keys live.

    `most_bytes`: of a raw record; `most_unpacked`: of what a producer compressed. `by_topic`: formats by raw topic,
    where they are not told by their bytes.
    """

    topic: str
    partitions: int
    most_bytes: int
    most_unpacked: int
    by_topic: Mapping[str, str]
    config_hash: str


class IntakeStage:
    """`Stage` of the worker `intake`.

    Counts: `processed`, `skipped` (nothing in it to take, as a format's rules say) and `dead` add up to the records;
    `format_<name>` are records by wire format, `events` what they held.
    """

    name = "intake"
    state_topic: str | None = None

    def __init__(self, policy: IntakePolicy, formats: Sequence[Format], finish: Finish) -> None:
        self._policy = policy
        self._finish = finish
        self._sorter = Sorter(formats, policy.by_topic)
        self.config_hash = policy.config_hash

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
        policy, start = self._policy, 0
        while start < len(records):
            found = opened(records, start, policy.most_bytes, policy.most_unpacked)
            yield self._chunk(state, records.slice(start, found.stop), found, start)
            start = found.stop
        if not len(records):
            yield Chunk(0)

    def _chunk(self, state: IntakeState, records: Records, found: Opened, start: int) -> Chunk:
        reading = read(self._sorter, records.topic, found.values, records.timestamps, records.headers)
        dead = [*found.dead, *(DeadLetter(place, *why) for place, why in reading.faults.items())]
        dead += [DeadLetter(place, UNKNOWN_FORM, _unknown(found.values[place])) for place in reading.unknown]
        written = _Written()
        for part in reading.parts:
            self._write(state, records.timestamps, part, written, dead)
        letters = [replace(letter, index=letter.index + start) for letter in sorted(dead, key=lambda d: d.index)]
        outputs, processed = written.in_order()
        skipped = len(records) - processed - len(letters)
        outcomes = {"processed": processed, "skipped": skipped, "dead": len(letters), "events": len(outputs)}
        return Chunk(found.stop, outputs=outputs, dead=letters, counts={**reading.counts, **outcomes})

    def _write(
        self,
        state: IntakeState,
        timestamps: NDArray[np.int64],
        part: Read,
        written: _Written,
        dead: list[DeadLetter],
    ) -> None:
        """Note what the records of a part become, and where they stood.

        A record of which one event is refused is a dead letter as a whole: it has one outcome, and can be sent again.
        """
        at = part.place
        arrived = timestamps[at]
        state.watermark = max(state.watermark, int(np.minimum(part.events.time, arrived).max()))
        finished = self._finish.finished(part.events, part.wire, arrived, part.sizes)
        events, encoded, refusals = finished.events, finished.encoded, finished.refusals
        keys, partitions = self._destinations(events)
        codes = events.entity.codes.tolist()
        fields = (map(keys.__getitem__, codes), encoded, repeat(()), map(partitions.__getitem__, codes))
        outputs = map(_output, zip(repeat(self._policy.topic), *fields))
        if not refusals:
            written.add(at, outputs)
            return
        refused_places = {int(at[row]): refusals[row] for row in sorted(refusals, reverse=True)}
        dead += [DeadLetter(place, *why) for place, why in refused_places.items()]
        good = ~np.isin(at, list(refused_places))
        written.add(at[good], compress(outputs, good.tolist()))

    def _destinations(self, events: Events) -> tuple[list[bytes], list[int]]:
        """Key and partition of each distinct entity."""
        keys = [entity.encode() for entity in events.entity.values]
        return keys, partitions_of(keys, self._policy.partitions).tolist()


_output = partial(tuple.__new__, Output)
"""`Output` of its five fields, without a call in Python: there is one for every event."""


class _Written:
    """Outputs of several formats, each with the place of its record; put in the order of the records at the end."""

    __slots__ = ("_outputs", "_places")

    def __init__(self) -> None:
        self._places: list[NDArray[np.intp]] = []
        self._outputs: list[list[Output]] = []

    def add(self, places: NDArray[np.intp], outputs: Iterable[Output]) -> None:
        """Places ascend."""
        self._places.append(places)
        self._outputs.append(list(outputs))

    def in_order(self) -> tuple[list[Output], int]:
        """All outputs, and from how many records they came."""
        if not self._places:
            return [], 0
        places = np.concatenate(self._places)
        records = len(np.unique(places))
        if len(self._outputs) == 1:
            return self._outputs[0], records
        outputs = [output for some in self._outputs for output in some]
        return [outputs[i] for i in np.argsort(places, kind="stable").tolist()], records


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
    intake, topic = with_messages(settings), settings.topics.events
    count = partitions[topic]
    mappings = Mappings.load(intake)
    key = intake.redact_key.get_secret_value()
    given = intake.model_dump(exclude={"mapping", "otlp", "machines", "redact_key"})
    rules = orjson.dumps([given, *mappings.dump(), stable_id(key) if key else ""], option=orjson.OPT_SORT_KEYS)
    policy = IntakePolicy(
        topic,
        count,
        intake.max_record_bytes,
        intake.max_unpacked_bytes,
        intake.formats,
        stable_id(_VERSION, rules.decode(), topic, count, str(framing)),
    )
    return IntakeStage(policy, build_formats(intake, mappings, resolver), Finish.of(intake, framing))
