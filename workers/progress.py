"""Records that tell only how far event time has come: on the incidents topic, between its events."""

from __future__ import annotations

from workers.runtime.records import Headers

PROGRESS_HEADER = "faultline-progress"
"""Its value: epoch microseconds; every event of the partition with a time below lies before the record."""


def progress_of(key: bytes | None, headers: Headers | None) -> int | None:
    """The time that a record tells; None of any other record, which is what it says it is or poison."""
    if key is not None:
        return None
    told = next((value for name, value in headers or () if name == PROGRESS_HEADER), b"")
    return int(told) if told.isdigit() else None
