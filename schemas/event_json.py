"""One event in the shape of the JSON form, checked field by field, as an Avro datum of ours.

This is the thorough path: the compiled one takes what is plain and leaves the rest to this. Limits, empty names and
numbers that are not finite are judged where the datum is read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import fastavro
import numpy as np
import orjson

from schemas.catalog import record
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from schemas.times import MAX_TIME, MIN_TIME, micros_of, parse_time

MILLISECONDS: Final = 1_000
"""Unit of integer times in JSON, in microseconds."""

MICROSECONDS: Final = 1
"""Unit of integer times in our own dicts."""

METRIC_TYPES: Final = ("gauge", "counter", "delta", "rate")
"""By the codes that columns have."""

NUMBERS: Final = (int, float, np.integer, np.floating)

_SCHEMA = record("Event").raw
_MOST_COUNT = (1 << 63) - 1


def datum_of_json(value: bytes) -> bytes:
    """The Avro datum of a JSON event. Raises `Unreadable`. Of a key that occurs twice, the last value counts."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(MALFORMED, f"no JSON: {error}") from error
    if not isinstance(event, dict):
        raise Unreadable(INVALID, f"expected an object, got {type_name(event)}")
    return datum(event, MILLISECONDS)


def datum(event: Mapping[str, Any], unit: int) -> bytes:
    """The Avro datum of an event as a mapping, whose integer times count `unit` microseconds. Raises `Unreadable`.

    Fields that are not part of an event are ignored, as a reader of Avro ignores fields of newer writers.
    """
    fields = {
        "id": _optional_text(event, "id"),
        "timestamp": _time("timestamp", _required(event, "timestamp"), unit),
        "entity": _text("entity", _required(event, "entity")),
        "kind": _text("kind", _required(event, "kind")),
        "source": _optional_text(event, "source"),
        "observed_at": _optional_time(event, "observed_at", unit),
        "attributes": _attributes(event.get("attributes")),
        "metrics": _metrics(event.get("metrics")),
        "distributions": _distributions(event.get("distributions")),
        "weight": None if event.get("weight") is None else _number("weight", event["weight"]),
    }
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, dict(_SCHEMA), fields)
    except UnicodeEncodeError as error:
        raise Unreadable(INVALID, f"a text is not Unicode: {error.reason}") from error
    return out.getvalue()


def type_name(value: object) -> str:
    """What JSON calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    for types, name in ((str, "a string"), (NUMBERS, "a number"), (Mapping, "an object"), (Sequence, "an array")):
        if isinstance(value, types):
            return name
    return type(value).__name__


def _wrong(field: str, expected: str, value: object) -> Unreadable:
    return Unreadable(INVALID, f"{field}: expected {expected}, got {type_name(value)}")


def _required(event: Mapping[str, Any], field: str) -> object:
    if field not in event:
        raise Unreadable(INVALID, f"{field}: missing")
    return event[field]


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(field, "a string", value)
    return value


def _optional_text(event: Mapping[str, Any], field: str) -> str | None:
    value = event.get(field)
    return None if value is None else _text(field, value)


def _number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        raise _wrong(field, "a number", value)
    try:
        return float(value)
    except OverflowError:  # an integer beyond every double
        return math.inf


def micros(value: Any, unit: int) -> int:
    """Epoch microseconds of RFC 3339, an aware datetime or a number of `unit` microseconds. Raises `ValueError`."""
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, datetime):
        return micros_of(value)
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        word = "milliseconds" if unit == MILLISECONDS else "microseconds"
        raise ValueError(f"expected an RFC 3339 time or epoch {word}, got {type_name(value)}")
    if not MIN_TIME <= value * unit <= MAX_TIME:
        raise ValueError(f"{value} lies outside the years 1 to 9999")
    return round(value * unit)


def _time(field: str, value: object, unit: int) -> int:
    try:
        return micros(value, unit)
    except ValueError as error:
        raise Unreadable(INVALID, f"{field}: {error}") from None


def _optional_time(event: Mapping[str, Any], field: str, unit: int) -> int | None:
    value = event.get(field)
    return None if value is None else _time(field, value, unit)


def _attributes(value: object) -> list[dict[str, str]]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise _wrong("attributes", "an object", value)
    for name, text in value.items():
        if not isinstance(name, str):
            raise _wrong("attributes", "strings as names", name)
        if not isinstance(text, str):
            raise _wrong(_inside("attributes", name), "a string", text)
    return [{"name": name, "value": text} for name, text in value.items()]


def _metrics(value: object) -> list[dict[str, object]]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise _wrong("metrics", "an object", value)
    return [_metric(name, entry) for name, entry in value.items()]


def _inside(field: str, name: str) -> str:
    """What messages call an entry of a map; names come from outside and may be anything."""
    return f"{field}.{name}" if len(name) <= 60 and name.isprintable() else f"{field}.{shown(name)}"


def _metric(name: object, value: object) -> dict[str, object]:
    if not isinstance(name, str):
        raise _wrong("metrics", "strings as names", name)
    if isinstance(value, NUMBERS) and not isinstance(value, bool):
        return {"name": name, "value": _number("metrics", value), "type": "gauge"}
    field = _inside("metrics", name)
    if not isinstance(value, Mapping):
        raise _wrong(field, "a number or {value, type}", value)
    if "value" not in value:
        raise Unreadable(INVALID, f"{field}.value: missing")
    kind = value.get("type", "gauge")
    if not isinstance(kind, str) or kind not in METRIC_TYPES:
        got = shown(kind) if isinstance(kind, str) else type_name(kind)
        raise Unreadable(INVALID, f"{field}.type: expected gauge, counter, delta or rate, got {got}")
    return {"name": name, "value": _number(f"{field}.value", value["value"]), "type": kind}


def _distributions(value: object) -> list[dict[str, object]] | None:
    if value is None:
        return None
    entries = _array("distributions", value)
    if not entries:
        return None
    found: list[dict[str, object]] = []
    for i, entry in enumerate(entries):
        field = f"distributions[{i}]"
        if not isinstance(entry, Mapping):
            raise _wrong(field, "an object", entry)
        for part in ("name", "bounds", "counts"):
            if part not in entry:
                raise Unreadable(INVALID, f"{field}.{part}: missing")
        bounds = [_number(f"{field}.bounds", bound) for bound in _array(f"{field}.bounds", entry["bounds"])]
        counts = [_count(f"{field}.counts", count) for count in _array(f"{field}.counts", entry["counts"])]
        kind = entry.get("type", "delta")
        if kind not in ("delta", "counter"):
            got = shown(kind) if isinstance(kind, str) else type_name(kind)
            raise Unreadable(INVALID, f"{field}.type: expected delta or counter, got {got}")
        name = _text(f"{field}.name", entry["name"])
        found.append({"name": name, "bounds": bounds, "counts": counts, "type": kind})
    return found


def _array(field: str, value: object) -> Sequence[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(field, "an array", value)
    return value


def _count(field: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise _wrong(field, "integers", value)
    if not 0 <= value <= _MOST_COUNT:
        raise Unreadable(INVALID, f"{field}: {value} is no count")
    return int(value)
