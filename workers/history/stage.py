"""The history worker's step: incident events in, the same events out for the database. Remembers nothing.

Each output is one event as a JSON document whose times are epoch microseconds, keyed by its incident.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from schemas.columns import Fault
from schemas.faults import INVALID, TOO_LARGE
from schemas.framing import Resolver
from schemas.ids import stable_id
from schemas.records import decode
from schemas.times import MAX_TIME, MIN_TIME
from workers.history.rows import Event, storable
from workers.progress import progress_of
from workers.runtime.memoryless import Memoryless, Position
from workers.runtime.records import Chunk, DeadLetter, Output, Records

ADDRESS = "history"
"""`Output.topic` of what goes into the database."""

_INDEXED = ("incident_id", "fingerprint_id", "entity", "profile")
_LONGEST = 1_000
"""Bytes of a text that PostgreSQL can hold in an index beside the others."""

_TIMES = ("time", "first_anomalous_at", "opened_at", "last_anomalous_at", "resolved_at", "closed_at")

_VERSION = 1


class HistoryStage(Memoryless):
    """`Stage` of the worker `history`. Counts: `processed`, `progress` (records that tell of time alone), `dead`."""

    name = "history"

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver
        self.config_hash = stable_id(_VERSION, ADDRESS)

    def step(self, state: Position, records: Records) -> Iterator[Chunk]:
        outputs: list[Output] = []
        dead: list[DeadLetter] = []
        told = [progress_of(key, headers) for key, headers in zip(records.keys, records.headers, strict=True)]
        places = [place for place, reached in enumerate(told) if reached is None]
        events, faults = decode("IncidentEvent", [records.values[place] for place in places], resolver=self._resolver)
        refused = {places[fault.record]: fault for fault in faults}
        state.watermark = max([state.watermark, *(reached for reached in told if reached is not None)])
        for place, event in zip(places, events, strict=True):
            fault = refused.get(place) or (_fault(place, event) if event is not None else None)
            if fault is not None or event is None:
                assert fault is not None
                dead.append(DeadLetter(place, fault.error_class, fault.message))
                continue
            state.watermark = max(state.watermark, event["time"])
            outputs.append(Output(ADDRESS, event["incident_id"].encode(), orjson.dumps(storable(event))))
        counts = {"processed": len(outputs), "progress": len(told) - len(places), "dead": len(dead)}
        yield Chunk(len(records), outputs=outputs, dead=dead, counts=counts)


def event_of(output: Output) -> Event:
    """The event that an output carries."""
    event: dict[str, Any] = orjson.loads(output.value or b"")
    return event


def _fault(place: int, event: Event) -> Fault | None:
    """What no database can hold, though it is an event."""
    for name in _INDEXED:
        if len(event[name].encode()) > _LONGEST:
            return Fault(place, TOO_LARGE, f"{name} is longer than {_LONGEST} bytes")
    for name in _TIMES:
        if event[name] is not None and not MIN_TIME <= event[name] <= MAX_TIME:
            return Fault(place, INVALID, f"{name} is outside the years 1 to 9999")
    return None
