"""The next records of a batch as bytes that a format can read: present, not too large, unpacked."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.faults import NULL_VALUE, TOO_LARGE, Unreadable
from workers.intake.formats.remote_write import looks_like_block
from workers.intake.limits import record_too_large
from workers.intake.unpacking import FIRST_BYTES, block_size, unpacked
from workers.runtime.records import DeadLetter, Records

_RECORDS, _BYTES = 5_000, 4 << 20
"""A chunk ends with the record that brings it to either: one record may hold thousands of events."""

_LARGEST_PLAIN = 127
"""A first byte up to it says, where it begins a block of snappy at all, that less than 128 bytes are in there."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Records from `start` up to `stop` of a batch. `values[i]` is that of record `start + i`, empty where it is dead;
    places in `dead` count from `start`, too."""

    stop: int
    values: list[bytes]
    dead: list[DeadLetter]


def opened(records: Records, start: int, most_bytes: int, most_unpacked: int) -> Opened:
    """As many records as make a chunk, at least one. At most `_BYTES` and one record lie in memory unpacked, those that
    their format unpacks included.
    """
    values: list[bytes] = []
    dead: list[DeadLetter] = []
    size = 0
    most = min(start + _RECORDS, len(records))
    for place in range(start, most):
        value = records.values[place]
        if not value:
            value = b""
            dead.append(DeadLetter(place - start, NULL_VALUE, "the record has no value; send one event a record"))
        elif len(value) > most_bytes:
            dead.append(DeadLetter(place - start, TOO_LARGE, record_too_large(len(value), most_bytes)))
            value = b""
        elif value[0] in FIRST_BYTES:
            size += len(value)
            try:
                value = unpacked(value, most_unpacked)
            except Unreadable as error:
                dead.append(DeadLetter(place - start, error.error_class, error.message))
                value = b""
        values.append(value)
        size += len(value)
        if value and value[0] > _LARGEST_PLAIN and looks_like_block(value):
            size += min(block_size(value), most_unpacked)
        if size >= _BYTES:
            return Opened(place + 1, values, dead)
    return Opened(most, values, dead)
