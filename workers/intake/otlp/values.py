"""Attributes of OTLP (`KeyValue`, `AnyValue`), read one by one: for what is cached afterwards."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson

from schemas.faults import INVALID, MALFORMED, Unreadable
from workers.intake.protobuf_fields import FIXED64, LENGTH, VARINT, fields

_DEEPEST = 16
_WHAT = "an attribute"


def attributes(data: bytes, number: int) -> dict[str, str]:
    """The attributes that are field `number` of a message, in order; of a key that occurs twice the last one counts.

    Values as text: true, 200, 0.5; a whole number without its point; lists and maps as JSON; bytes as base64. Empty
    ones are left out. Raises `Unreadable`.
    """
    found: dict[str, str] = {}
    for field, wire, value in fields(data, _WHAT):
        if field == number and wire == LENGTH:
            key, content = _pair(value, 0)
            text = as_text(content)
            if key and text:
                found[key] = text
    return found


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=as_text).decode()
    return str(value)


def any_value(data: bytes, depth: int = 0) -> Any:
    """An `AnyValue`: text, bool, int, float, bytes, list, dict or None."""
    if depth > _DEEPEST:
        raise Unreadable(INVALID, f"an attribute: values are nested more than {_DEEPEST} deep")
    found: Any = None
    for field, wire, value in fields(data, _WHAT):
        if field == 1 and wire == LENGTH:
            found = _text(value)
        elif field == 2 and wire == VARINT:
            found = bool(value)
        elif field == 3 and wire == VARINT:
            found = value - (1 << 64) if value >= 1 << 63 else value
        elif field == 4 and wire == FIXED64:
            found = struct.unpack("<d", value)[0]
        elif field == 5 and wire == LENGTH:
            found = [any_value(item, depth + 1) for n, w, item in fields(value, _WHAT) if n == 1 and w == LENGTH]
        elif field == 6 and wire == LENGTH:
            found = dict(_pair(item, depth + 1) for n, w, item in fields(value, _WHAT) if n == 1 and w == LENGTH)
        elif field == 7 and wire == LENGTH:
            found = value
    return found


def _pair(data: bytes, depth: int) -> tuple[str, Any]:
    key, content = "", None
    for field, wire, value in fields(data, _WHAT):
        if field == 1 and wire == LENGTH:
            key = _text(value)
        elif field == 2 and wire == LENGTH:
            content = any_value(value, depth)
    return key, content


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unreadable(MALFORMED, "an attribute: not UTF-8") from None
