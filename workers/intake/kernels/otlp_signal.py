"""Which of OTLP's signals a request carries, told by its bytes.

Requests of all three have the same outer shape: field 1, repeated, holds a resource (1) and scopes (2) with items (2).
What tells them apart are wire types within the first item that shows any: a log record has a fixed64 as field 1 or 11
or a varint as field 2, a span has a fixed64 as field 7 or 8, a metric has a text as field 1 and a message
as field 5, 7, 9, 10 or 11.
Nothing that is valid for one of them is that for another.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from schemas.kernels.compiled import Int, inlined, kernel, outlined
from workers.intake.kernels.protobuf import FIXED64, LENGTH, VARINT, Bytes, Integers, read_field

NOTHING: Final = 0
METRICS: Final = 1
TRACES: Final = 2
LOGS: Final = 3
UNCLEAR: Final = 4

_SCHEMA_URL = np.int64(3)
_DEPRECATED = np.int64(1000)


@kernel
def signals_of(buf: Bytes, starts: Integers, ends: Integers) -> Integers:
    """By record, the signal of the first item that shows any; UNCLEAR where none does, NOTHING where there is none."""
    found = np.zeros(len(starts), np.int64)
    for i in range(len(starts)):
        found[i] = _signal_of(buf, starts[i], ends[i])
    return found


@kernel
def is_request(buf: Bytes, end: int) -> bool:
    """Whether the bytes up to `end` are a request from the first to the last, as far as its resources' fields."""
    pos: Int = np.int64(0)
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0 or field != 1 or wire != LENGTH:
            return False
        while value < stop:
            field, wire, _, _, value = read_field(buf, value, stop)
            if value < 0 or wire != LENGTH or (field > _SCHEMA_URL and field != _DEPRECATED):
                return False
    return end > 0


@outlined
def _signal_of(buf: Bytes, pos: Int, end: Int) -> Int:
    nothing: Int = np.int64(NOTHING)
    while pos < end:
        field, wire, resource, resource_end, pos = read_field(buf, pos, end)
        if pos < 0:
            return np.int64(NOTHING)
        while field == 1 and wire == LENGTH and resource < resource_end:
            inner, wire, scope, scope_end, resource = read_field(buf, resource, resource_end)
            if resource < 0:
                return np.int64(NOTHING)
            while inner == 2 and wire == LENGTH and scope < scope_end:
                part, kind, item, item_end, scope = read_field(buf, scope, scope_end)
                if scope < 0:
                    return np.int64(NOTHING)
                if part == 2 and kind == LENGTH:
                    signal = _signal_of_item(buf, item, item_end)
                    if signal != NOTHING:
                        return signal
                    nothing = np.int64(UNCLEAR)
            wire = LENGTH
    return nothing


@inlined
def _signal_of_item(buf: Bytes, pos: Int, end: Int) -> Int:
    named = False
    data = False
    while pos < end:
        field, wire, _, _, pos = read_field(buf, pos, end)
        if pos < 0:
            return np.int64(NOTHING)
        if (wire == FIXED64 and field in (1, 11)) or (wire == VARINT and field == 2):
            return np.int64(LOGS)
        if wire == FIXED64 and field in (7, 8):
            return np.int64(TRACES)
        if wire == LENGTH and field == 1:
            named = True
        elif wire == LENGTH and (field in (5, 7) or 9 <= field <= 11):
            data = True
    return np.int64(METRICS) if named and data else np.int64(NOTHING)
