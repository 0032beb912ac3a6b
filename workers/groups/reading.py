"""Records of the incidents topic as what the step takes: events, progress, faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.framing import Resolver
from schemas.records import decode
from workers.groups.group import RANKS
from workers.progress import progress_of
from workers.runtime.records import DeadLetter, Records

_KINDS = frozenset({"CREATE", "CONTINUE", "ESCALATE", "RESOLVE", "REOPEN", "CLOSED", "SUPPRESS"})


@dataclass(frozen=True, slots=True)
class Passed:
    """No event of this partition with a time below (epoch microseconds) comes behind this record."""

    time: int


def read(
    records: Records, resolver: Resolver | None = None
) -> Iterator[tuple[int, dict[str, Any] | Passed | DeadLetter]]:
    """Offset and content of each record, in order."""
    told = [progress_of(key, headers) for key, headers in zip(records.keys, records.headers, strict=True)]
    values = [None if passed is not None else value for passed, value in zip(told, records.values, strict=True)]
    events, faults = decode("IncidentEvent", values, resolver=resolver)
    wrong = {fault.record: fault for fault in faults}
    for at, (offset, event) in enumerate(zip(records.offsets.tolist(), events, strict=True)):
        passed = told[at]
        if passed is not None:
            yield offset, Passed(passed)
        elif event is None:
            yield offset, DeadLetter(at, wrong[at].error_class, wrong[at].message)
        elif event["type"] not in _KINDS or event["severity"] not in RANKS:
            what = f"type {event['type']!r} with severity {event['severity']!r} is no step in an incident's life"
            yield offset, DeadLetter(at, "invalid", what)
        else:
            yield offset, event
