"""OTLP's JSON to OTLP's protobuf, so that there is one decoder of both.

By the OTLP specification: names in lowerCamelCase, 64-bit integers as text or numbers, enumerations as numbers (names
are understood too, but for `severityNumber`), ids in hexadecimal, unknown fields ignored.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from schemas.faults import INVALID, MALFORMED, Unreadable, shown

_Writer = Callable[[bytearray, int, Any], None]
_DEEPEST = 40

_ENUMS = {
    "AGGREGATION_TEMPORALITY_UNSPECIFIED": 0,
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
    "SPAN_KIND_UNSPECIFIED": 0,
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
    "STATUS_CODE_UNSET": 0,
    "STATUS_CODE_OK": 1,
    "STATUS_CODE_ERROR": 2,
}


def to_protobuf(value: bytes) -> bytes:
    """The same message in protobuf. Raises `Unreadable`."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(MALFORMED, f"not JSON ({error})") from error
    out = bytearray()
    _message(out, _REQUEST, document, "the message", 0)
    return bytes(out)


def _message(out: bytearray, fields: _Fields, value: Any, name: str, depth: int) -> None:
    if not isinstance(value, dict):
        raise Unreadable(INVALID, f"{name} is no object")
    if depth > _DEEPEST:
        raise Unreadable(INVALID, f"{name} is nested more than {_DEEPEST} deep")
    for key, content in value.items():
        field = fields.get(key)
        if field is None or content is None:
            continue
        number, kind, repeated = field
        if repeated:
            if not isinstance(content, list):
                raise Unreadable(INVALID, f"{key} is no list")
            for one in content:
                _put(out, number, kind, one, key, depth)
        else:
            _put(out, number, kind, content, key, depth)


def _put(out: bytearray, number: int, kind: _Kind, value: Any, name: str, depth: int) -> None:
    if isinstance(kind, str):
        inner = bytearray()
        _message(inner, _MESSAGES[kind], value, name, depth + 1)
        _block(out, number, inner)
        return
    try:
        kind(out, number, value)
    except (ValueError, TypeError, OverflowError, struct.error):
        raise Unreadable(INVALID, f"{name} holds {shown(str(value))}, which it cannot") from None


def _varint(out: bytearray, value: int) -> None:
    value &= 0xFFFFFFFFFFFFFFFF
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _block(out: bytearray, number: int, content: bytes | bytearray) -> None:
    _varint(out, number << 3 | 2)
    _varint(out, len(content))
    out += content


def _text(out: bytearray, number: int, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError
    _block(out, number, value.encode())


def _hex(out: bytearray, number: int, value: Any) -> None:
    _block(out, number, binascii.unhexlify(value))


def _base64(out: bytearray, number: int, value: Any) -> None:
    _block(out, number, base64.b64decode(value, validate=True))


def _whole(value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    number = int(value)
    if not low <= number <= high:
        raise ValueError
    return number


def _integer(out: bytearray, number: int, value: Any) -> None:
    _varint(out, number << 3)
    _varint(out, _whole(value, -(1 << 63), (1 << 64) - 1))


def _zigzag(out: bytearray, number: int, value: Any) -> None:
    whole = _whole(value, -(1 << 31), (1 << 31) - 1)
    _varint(out, number << 3)
    _varint(out, (whole << 1) ^ (whole >> 63))


def _enum(out: bytearray, number: int, value: Any) -> None:
    _integer(out, number, _ENUMS[value] if isinstance(value, str) and value in _ENUMS else value)


def _boolean(out: bytearray, number: int, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError
    _varint(out, number << 3)
    out.append(value)


def _fixed(out: bytearray, number: int, value: Any) -> None:
    _varint(out, number << 3 | 1)
    out += (_whole(value, -(1 << 63), (1 << 64) - 1) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")


def _double(out: bytearray, number: int, value: Any) -> None:
    if isinstance(value, bool):
        raise TypeError
    found = math.nan if value == "NaN" else float(value)
    _varint(out, number << 3 | 1)
    out += struct.pack("<d", found)


_Kind = str | _Writer
_Fields = Mapping[str, tuple[int, _Kind, bool]]
"""By a field's name: its number, the message that it is or what writes it, and whether it is repeated."""


def _point(attributes: int, flags: int, **fields: tuple[int, _Kind, bool]) -> _Fields:
    shared: dict[str, tuple[int, _Kind, bool]] = {
        "attributes": (attributes, "KeyValue", True),
        "startTimeUnixNano": (2, _fixed, False),
        "timeUnixNano": (3, _fixed, False),
        "flags": (flags, _integer, False),
    }
    return shared | fields


_RESOURCE: tuple[int, _Kind, bool] = (1, "Resource", False)
_REQUEST: _Fields = {
    "resourceMetrics": (1, "ResourceMetrics", True),
    "resourceSpans": (1, "ResourceSpans", True),
    "resourceLogs": (1, "ResourceLogs", True),
}
_TEMPORALITY: tuple[int, _Kind, bool] = (2, _enum, False)
_MESSAGES: Mapping[str, _Fields] = {
    "ResourceMetrics": {"resource": _RESOURCE, "scopeMetrics": (2, "ScopeMetrics", True)},
    "ResourceSpans": {"resource": _RESOURCE, "scopeSpans": (2, "ScopeSpans", True)},
    "ResourceLogs": {"resource": _RESOURCE, "scopeLogs": (2, "ScopeLogs", True)},
    "Resource": {"attributes": (1, "KeyValue", True)},
    "KeyValue": {"key": (1, _text, False), "value": (2, "AnyValue", False)},
    "AnyValue": {
        "stringValue": (1, _text, False),
        "boolValue": (2, _boolean, False),
        "intValue": (3, _integer, False),
        "doubleValue": (4, _double, False),
        "arrayValue": (5, "ArrayValue", False),
        "kvlistValue": (6, "KeyValueList", False),
        "bytesValue": (7, _base64, False),
    },
    "ArrayValue": {"values": (1, "AnyValue", True)},
    "KeyValueList": {"values": (1, "KeyValue", True)},
    "ScopeMetrics": {"metrics": (2, "Metric", True)},
    "Metric": {
        "name": (1, _text, False),
        "unit": (3, _text, False),
        "gauge": (5, "Gauge", False),
        "sum": (7, "Sum", False),
        "histogram": (9, "Histogram", False),
        "exponentialHistogram": (10, "ExponentialHistogram", False),
        "summary": (11, "Summary", False),
    },
    "Gauge": {"dataPoints": (1, "NumberDataPoint", True)},
    "Sum": {
        "dataPoints": (1, "NumberDataPoint", True),
        "aggregationTemporality": _TEMPORALITY,
        "isMonotonic": (3, _boolean, False),
    },
    "Histogram": {"dataPoints": (1, "HistogramDataPoint", True), "aggregationTemporality": _TEMPORALITY},
    "ExponentialHistogram": {
        "dataPoints": (1, "ExponentialHistogramDataPoint", True),
        "aggregationTemporality": _TEMPORALITY,
    },
    "Summary": {"dataPoints": (1, "SummaryDataPoint", True)},
    "NumberDataPoint": _point(7, 8, asDouble=(4, _double, False), asInt=(6, _fixed, False)),
    "HistogramDataPoint": _point(
        9,
        10,
        count=(4, _fixed, False),
        sum=(5, _double, False),
        bucketCounts=(6, _fixed, True),
        explicitBounds=(7, _double, True),
    ),
    "ExponentialHistogramDataPoint": _point(
        1,
        10,
        count=(4, _fixed, False),
        sum=(5, _double, False),
        scale=(6, _zigzag, False),
        zeroCount=(7, _fixed, False),
        positive=(8, "Buckets", False),
        negative=(9, "Buckets", False),
        zeroThreshold=(14, _double, False),
    ),
    "Buckets": {"offset": (1, _zigzag, False), "bucketCounts": (2, _integer, True)},
    "SummaryDataPoint": _point(
        7, 8, count=(4, _fixed, False), sum=(5, _double, False), quantileValues=(6, "ValueAtQuantile", True)
    ),
    "ValueAtQuantile": {"quantile": (1, _double, False), "value": (2, _double, False)},
    "ScopeSpans": {"spans": (2, "Span", True)},
    "Span": {
        "parentSpanId": (4, _hex, False),
        "name": (5, _text, False),
        "kind": (6, _enum, False),
        "startTimeUnixNano": (7, _fixed, False),
        "endTimeUnixNano": (8, _fixed, False),
        "attributes": (9, "KeyValue", True),
        "status": (15, "Status", False),
    },
    "Status": {"code": (3, _enum, False)},
    "ScopeLogs": {"logRecords": (2, "LogRecord", True)},
    "LogRecord": {
        "timeUnixNano": (1, _fixed, False),
        "severityNumber": (2, _integer, False),
        "severityText": (3, _text, False),
        "body": (5, "AnyValue", False),
        "attributes": (6, "KeyValue", True),
        "observedTimeUnixNano": (11, _fixed, False),
    },
}
