"""Protobuf messages read field by field in Python: for what is cached afterwards, such as labels and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.faults import MALFORMED, Unreadable

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups (3, 4) have long been given up, and count as damage."""


def fields(data: bytes, what: str) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message: number, wire type, value (bytes, or an integer for a varint).

    Raises `Unreadable`, with `what` as the name of the message for people.
    """
    pos, end = 0, len(data)
    while pos < end:
        tag, pos = _varint(data, pos, what)
        number, wire = tag >> 3, tag & 7
        if wire == LENGTH:
            length, pos = _varint(data, pos, what)
        elif wire == VARINT:
            value, pos = _varint(data, pos, what)
            yield number, wire, value
            continue
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise Unreadable(MALFORMED, f"{what}: bytes that are no field of a message")
        if length > end - pos:
            raise Unreadable(MALFORMED, f"{what}: reaches past its end")
        yield number, wire, data[pos : pos + length]
        pos += length


def _varint(data: bytes, pos: int, what: str) -> tuple[int, int]:
    value = shift = 0
    while True:
        if pos >= len(data) or shift > 63:
            raise Unreadable(MALFORMED, f"{what}: ends in the middle of it")
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7
