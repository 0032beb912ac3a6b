"""Which of OTLP's signals a record carries, told by its bytes.

Requests of all three have the same outer shape: field 1, repeated, holds a resource (1) and scopes (2) with items (2).
What tells them apart are wire types within the first item that shows any: a log record has a fixed64 as field 1 or 11
or a varint as field 2, a span has a fixed64 as field 7 or 8, a metric has a message as one of its fields 5 to 11.
Nothing that is valid for one of them is that for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from schemas.faults import Unreadable
from workers.intake.otlp.values import fields

Signal = Literal["metrics", "traces", "logs"]

_JSON = re.compile(rb'\s*\{\s*"resource(Metrics|Spans|Logs)"\s*:')
_NAMES: dict[bytes, Signal] = {b"Metrics": "metrics", b"Spans": "traces", b"Logs": "logs"}
_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_FIRST_BYTE = b"\n"  # the tag of field 1 with a length
_ITEMS_LOOKED_AT = 20


def signal_of_json(value: bytes) -> Signal | None:
    """The signal that the first key of a JSON object names."""
    found = _JSON.match(value)
    return _NAMES[found[1]] if found else None


def is_json(value: bytes) -> bool:
    return value.lstrip()[:1] == b"{"


def looks_like_protobuf(value: bytes) -> bool:
    """Whether a record is a request from its first byte to its last, as far as resources, or a beginning of one."""
    if value[:1] != _FIRST_BYTE:
        return False
    try:
        outer = _first_level(value)
    except Unreadable:
        return False
    return all(number in (1, 2, 3, 1000) and wire == _LENGTH for number, wire in outer)


def _first_level(value: bytes) -> list[tuple[int, int]]:
    """Tags of all fields in all of a request's resources."""
    found: list[tuple[int, int]] = []
    for number, wire, content in fields(value):
        if number != 1 or wire != _LENGTH:
            return [(0, 0)]
        found += [(inner, kind) for inner, kind, _ in fields(content)]
    return found


def signal_of_protobuf(value: bytes) -> Signal | None:
    """The signal of a request; None where it has no item that shows it. Never raises."""
    try:
        for count, item in enumerate(_items(value)):
            tags = {(number, wire) for number, wire, _ in fields(item)}
            if tags & {(1, _FIXED64), (11, _FIXED64), (2, _VARINT)}:
                return "logs"
            if tags & {(7, _FIXED64), (8, _FIXED64)}:
                return "traces"
            if tags & {(number, _LENGTH) for number in (5, 7, 9, 10, 11)}:
                return "metrics"
            if count >= _ITEMS_LOOKED_AT:
                break
    except Unreadable:
        pass
    return None


def _items(value: bytes) -> Iterator[bytes]:
    for resource in _messages(value, 1):
        for scope in _messages(resource, 2):
            yield from _messages(scope, 2)


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    return (content for field, wire, content in fields(data) if field == number and wire == _LENGTH)
