"""Records that are few enough to be dicts: scores, incidents, groups, control, drift (and any other, for tools).

In the dicts times are epoch microseconds on both sides; JSON shows RFC 3339. In JSON a `Control` record's body is an
object, in Avro the same object as text; here it is a dict.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import fastavro
import orjson

from schemas.catalog import SINGLE_OBJECT, avro, header, parsed
from schemas.columns import Fault
from schemas.times import format_time, parse_time

Form = Literal["json", "avro"]
Record = dict[str, object]
Framing = Callable[[str], bytes]
"""Gives the bytes before a datum of the named record: Confluent's 0x00 and schema id, instead of single-object."""
Resolver = Callable[[int], dict[str, Any] | None]
"""The writer's schema for a Confluent schema id; None if there is none."""

_MILLISECONDS = 1000


def encode(
    name: str, records: Sequence[Mapping[str, object]], form: Form = "json", framing: Framing | None = None
) -> list[bytes]:
    """Encode records of one kind. Raises ValueError or TypeError for one that is not of that kind: a bug of ours."""
    if form == "json":
        times = _time_fields(name)
        return [_to_json(record, times) for record in records]
    start = framing(name) if framing else header(name)
    encoded = []
    for record in records:
        buffer = io.BytesIO()
        buffer.write(start)
        fastavro.schemaless_writer(buffer, parsed(name), _to_avro(name, record), strict_allow_default=True)
        encoded.append(buffer.getvalue())
    return encoded


def decode(
    name: str, values: Sequence[bytes | None], resolver: Resolver | None = None
) -> tuple[list[Record | None], list[Fault]]:
    """Decode records of one kind in any mix of JSON, Avro single-object and Confluent framing.

    Gives one entry per value, None where there is a fault; a fault names the field and what was expected there.
    """
    records: list[Record | None] = []
    faults = []
    for index, value in enumerate(values):
        try:
            records.append(_decode_one(name, value, resolver))
        except _Bad as bad:
            records.append(None)
            faults.append(Fault(index, bad.error_class, str(bad)))
    return records, faults


class _Bad(Exception):
    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


def _decode_one(name: str, value: bytes | None, resolver: Resolver | None) -> Record:
    if not value:
        raise _Bad("empty", f"no value: a {name} record in JSON or Avro was expected")
    if value.startswith(SINGLE_OBJECT):
        if not value.startswith(header(name)):
            raise _Bad(
                "unknown_schema", f"Avro fingerprint {value[2:10].hex()} is not that of {name} {header(name)[2:].hex()}"
            )
        return _from_avro(name, value, 10, None)
    if value[0] == 0 and len(value) >= 5:
        number = int.from_bytes(value[1:5], "big")
        writer = resolver(number) if resolver else None
        if writer is None:
            raise _Bad("unknown_schema", f"Confluent schema id {number} is unknown: set FAULTLINE_SCHEMA_REGISTRY__URL")
        return _from_avro(name, value, 5, writer)
    return _from_json(name, value)


def _from_avro(name: str, value: bytes, start: int, writer: dict[str, Any] | None) -> Record:
    buffer = io.BytesIO(value)
    buffer.seek(start)
    try:
        record = fastavro.schemaless_reader(buffer, writer or _plain(name), _plain(name))
    except (
        Exception
    ) as error:  # fastavro raises whatever the damage leads to: IndexError, EOFError, UnicodeDecodeError …
        raise _Bad("damaged", f"not an Avro datum of {name}: {error or type(error).__name__}") from error
    if buffer.tell() != len(value):
        raise _Bad("damaged", f"{len(value) - buffer.tell()} bytes follow the Avro datum of {name}")
    assert isinstance(record, dict)
    if name == "Control":
        record["body"] = _object(str(record["body"]))
    return record


def _object(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _Bad("wrong_type", f"body: not a JSON object: {error}") from error


@lru_cache
def _plain(name: str) -> Any:
    """The schema without logical types: times stay integers."""
    return fastavro.parse_schema(_without_logical(avro(name)))


def _without_logical(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "logicalType" in schema:
        return schema["type"]
    return {
        key: _without_logical(value) if key in ("type", "items", "fields") else value for key, value in schema.items()
    }


def _to_avro(name: str, record: Mapping[str, object]) -> Mapping[str, object]:
    if name == "Control":
        return {**record, "body": orjson.dumps(record["body"], option=orjson.OPT_SORT_KEYS).decode()}
    return record


@lru_cache
def _time_fields(name: str) -> frozenset[str]:
    return frozenset(f["name"] for f in avro(name)["fields"] if _is_time(f["type"]))


def _is_time(kind: Any) -> bool:
    if isinstance(kind, list):
        return any(map(_is_time, kind))
    return isinstance(kind, dict) and kind.get("logicalType") == "timestamp-micros"


def _to_json(record: Mapping[str, object], times: frozenset[str]) -> bytes:
    shown = {
        key: format_time(value) if key in times and isinstance(value, int) else value for key, value in record.items()
    }
    return orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY)


def _from_json(name: str, value: bytes) -> Record:
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _Bad("damaged", f"neither Avro nor JSON: {error}") from error
    if not isinstance(read, dict):
        raise _Bad("wrong_type", f"a JSON object was expected, not {_kind(read)}")
    return {field: check(read.get(field, _MISSING)) for field, check in _checks(name)}


_MISSING: Any = object()
Check = Callable[[Any], object]


@lru_cache
def _checks(name: str) -> tuple[tuple[str, Check], ...]:
    return _record_checks(avro(name), "", {})


def _record_checks(schema: Mapping[str, Any], path: str, named: dict[str, Any]) -> tuple[tuple[str, Check], ...]:
    named[schema["name"]] = schema
    checks: list[tuple[str, Check]] = []
    for field in schema["fields"]:
        where = f"{path}{field['name']}"
        if schema["name"] == "Control" and field["name"] == "body":
            checks.append((field["name"], _body))
            continue
        checks.append((field["name"], _with_default(field, where, _check(field["type"], where, named))))
    return tuple(checks)


def _with_default(field: Mapping[str, Any], where: str, check: Check) -> Check:
    def run(value: Any) -> object:
        if value is not _MISSING:
            return check(value)
        if "default" not in field:
            raise _Bad("missing_field", f"{where}: missing")
        default: object = field["default"]
        return list(default) if isinstance(default, list) else default

    return run


def _check(kind: Any, where: str, named: dict[str, Any]) -> Check:
    if isinstance(kind, list):
        inner = _check(next(one for one in kind if one != "null"), where, named)
        return lambda value: None if value is None else inner(value)
    if isinstance(kind, str) and kind in named:
        kind = named[kind]
    if isinstance(kind, str):
        return _simple(kind, where)
    if kind.get("logicalType") == "timestamp-micros":
        return lambda value: _time(value, where)
    if kind["type"] == "array":
        return _array(_check(kind["items"], f"{where}[]", named), where)
    fields = _record_checks(kind, f"{where}.", named)

    def record(value: Any) -> object:
        if not isinstance(value, dict):
            raise _Bad("wrong_type", f"{where}: an object was expected, not {_kind(value)}")
        return {name: check(value.get(name, _MISSING)) for name, check in fields}

    return record


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "double": ((int, float), "a number"),
    "long": ((int,), "an integer"),
    "boolean": ((bool,), "true or false"),
}


def _simple(kind: str, where: str) -> Check:
    types, expected = _TYPES[kind]
    number = kind in ("double", "long")

    def check(value: Any) -> object:
        if not isinstance(value, types) or (number and isinstance(value, bool)):
            raise _Bad("wrong_type", f"{where}: {expected} was expected, not {_kind(value)}")
        return float(value) if kind == "double" else value

    return check


def _array(inner: Check, where: str) -> Check:
    def check(value: Any) -> object:
        if not isinstance(value, list):
            raise _Bad("wrong_type", f"{where}: an array was expected, not {_kind(value)}")
        return [inner(one) for one in value]

    return check


def _time(value: Any, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value * _MILLISECONDS
    try:
        return parse_time(value)
    except (ValueError, TypeError) as error:
        raise _Bad("wrong_type", f"{where}: RFC 3339 or epoch milliseconds were expected, not {value!r}") from error


def _body(value: Any) -> object:
    if not isinstance(value, dict):
        raise _Bad("wrong_type", f"body: an object was expected, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    return {dict: "an object", list: "an array", str: "a string", type(None): "null", bool: "a boolean"}.get(
        type(value), "a number"
    )
