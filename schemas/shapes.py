"""Checks of records as mappings, field by field, made from their Avro schemas.

A shape takes what came from outside, or goes there, and gives it back as the other side wants it. It raises
`Unreadable`, naming the field and what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import orjson

from schemas.catalog import record
from schemas.event_json import MICROSECONDS, MILLISECONDS, NUMBERS, micros, type_name
from schemas.faults import INVALID, Unreadable
from schemas.times import MAX_TIME, MIN_TIME, format_time

Shape = Callable[[Any], Any]

_ABSENT: Final = object()
_MOST_LONG: Final = (1 << 63) - 1


class Misfit(Exception):
    """A value that a field cannot have. The path to it grows while the exception rises: good records build none."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path = ""
        self.text = text

    def inside(self, name: str) -> Misfit:
        """The same, one record or array further out."""
        self.path = name + ("." if self.path and not self.path.startswith("[") else "") + self.path
        return self


@dataclass(frozen=True, slots=True)
class Side:
    """Where records come from or go to: how it shows times and JSON content; whether it may have unknown fields."""

    time: Shape
    content: Shape
    lenient: bool


def shape(name: str, side: Side) -> Callable[[Any], dict[str, Any]]:
    """The check of the record of that name, on its way from or to `side`. It raises `Unreadable`."""
    return _whole(name, side)


@cache
def _whole(name: str, side: Side) -> Callable[[Any], dict[str, Any]]:
    check = _record(record(name).schema, side, {})

    def whole(value: Any) -> dict[str, Any]:
        try:
            found: dict[str, Any] = check(value)
        except Misfit as misfit:
            where = f"{misfit.path}: " if misfit.path else ""
            raise Unreadable(INVALID, where + misfit.text) from None
        return found

    return whole


def _wrong(expected: str, value: object) -> Misfit:
    return Misfit(f"expected {expected}, got {type_name(value)}")


def _record(node: Mapping[str, Any], side: Side, known: dict[str, Shape]) -> Shape:
    fields = [
        (field["name"], _of(field["type"], side, known), "default" in field, field.get("default"))
        for field in node["fields"]
    ]
    names = {field["name"] for field in node["fields"]}

    def check(value: Any) -> dict[str, Any]:
        if type(value) is not dict and not isinstance(value, Mapping):
            raise _wrong("an object", value)
        found = {}
        for name, inner, optional, default in fields:
            entry = value.get(name, _ABSENT)
            if entry is not _ABSENT:
                try:
                    found[name] = inner(entry)
                except Misfit as misfit:
                    raise misfit.inside(name) from None
            elif optional:
                found[name] = list(default) if isinstance(default, list) else default
            else:
                raise Misfit("missing").inside(name)
        if not side.lenient and not names.issuperset(value):
            raise Misfit("no such field").inside(min(set(value) - names))
        return found

    known[node["name"]] = check
    return check


def _of(node: Any, side: Side, known: dict[str, Shape]) -> Shape:
    if isinstance(node, list):
        inner = _of(next(branch for branch in node if branch != "null"), side, known)
        return lambda value: None if value is None else inner(value)
    if isinstance(node, str):
        return known.get(node) or _PRIMITIVES[node]
    if node.get("logicalType") == "timestamp-micros":
        return side.time
    if node.get("missing") == "NaN":
        return _number_or_missing
    if node.get("content") == "JSON":
        return side.content
    if node["type"] == "array":
        return _array(_of(node["items"], side, known))
    if node["type"] == "record":
        return _record(node, side, known)
    return _PRIMITIVES[node["type"]]


def _array(inner: Shape) -> Shape:
    def check(value: Any) -> list[Any]:
        if type(value) is not list and (isinstance(value, (str, bytes)) or not isinstance(value, Sequence)):
            raise _wrong("an array", value)
        found: list[Any] = []
        try:
            found.extend(map(inner, value))
        except Misfit as misfit:
            raise misfit.inside(f"[{len(found)}]") from None
        return found

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong("a string", value)
    return value


def _long(value: Any) -> int:
    if type(value) is not int and not isinstance(value, np.integer):
        raise _wrong("an integer", value)
    if not -_MOST_LONG - 1 <= value <= _MOST_LONG:
        raise Misfit(f"{value} has more than 64 bits")
    return int(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool and not isinstance(value, np.bool_):
        raise _wrong("a boolean", value)
    return bool(value)


def _number(value: Any) -> float:
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, NUMBERS)):
        raise _wrong("a number", value)
    if not math.isfinite(value):
        raise Misfit(f"expected a finite number, got {value}")
    return float(value)


def _number_or_missing(value: Any) -> float:
    """NaN, which JSON shows as null, is a missing value."""
    return math.nan if value is None or value != value else _number(value)


_PRIMITIVES: Final[Mapping[str, Shape]] = {
    "string": _text,
    "long": _long,
    "double": _number,
    "boolean": _boolean,
}


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong("an object", value)
    return dict(value)


def _object_of_text(value: Any) -> dict[str, Any]:
    try:
        return _object(orjson.loads(value))
    except orjson.JSONDecodeError as error:
        raise Misfit(f"no JSON: {error}") from error


def _text_of_object(value: Any) -> str:
    try:
        return orjson.dumps(_object(value), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    except orjson.JSONEncodeError as error:
        raise Misfit(f"no JSON: {error}") from error


def _of_json(value: Any) -> int:
    return _time(value, MILLISECONDS)


def _micros(value: Any) -> int:
    return value if type(value) is int and MIN_TIME <= value <= MAX_TIME else _time(value, MICROSECONDS)


def _to_json(value: Any) -> str:
    return format_time(_micros(value))


def _time(value: Any, unit: int) -> int:
    try:
        return micros(value, unit)
    except ValueError as error:
        raise Misfit(str(error)) from None


FROM_JSON: Final = Side(_of_json, _object, lenient=True)
TO_JSON: Final = Side(_to_json, _object, lenient=False)
FROM_AVRO: Final = Side(_micros, _object_of_text, lenient=True)
TO_AVRO: Final = Side(_micros, _text_of_object, lenient=False)
