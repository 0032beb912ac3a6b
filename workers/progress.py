"""Records that tell only how far event time has come: ticks among events, progress among incident events."""

from __future__ import annotations

from workers.runtime.records import Headers

PROGRESS_HEADER = "faultline-progress"
"""Its value: epoch microseconds; every event of the partition with a time below lies before the record."""

TICK_HEADER = "faultline-tick"

_ALONE = (PROGRESS_HEADER, TICK_HEADER)


def tells_time_alone(headers: Headers | None) -> bool:
    """Whether a record is a tick or one of progress, by its headers."""
    return bool(headers) and any(name in _ALONE for name, _ in headers or ())


def progress_of(key: bytes | None, headers: Headers | None) -> int | None:
    """The time that a record tells; None of any other record, which is what it says it is or poison."""
    if key is not None:
        return None
    told = next((value for name, value in headers or () if name == PROGRESS_HEADER), b"")
    return int(told) if told.isdigit() else None
