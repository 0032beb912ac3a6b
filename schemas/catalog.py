"""The Avro contracts, as files beside this module, and what follows from them: fingerprints and JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

NAMESPACE = "faultline.v1"

FILES: Mapping[str, str] = {
    "Event": "event.avsc",
    "Vector": "vector.avsc",
    "Score": "score.avsc",
    "IncidentEvent": "incident_event.avsc",
    "IncidentState": "incident_state.avsc",
    "GroupEvent": "group_event.avsc",
    "Control": "control.avsc",
    "Drift": "drift.avsc",
}

SINGLE_OBJECT = b"\xc3\x01"
"""The marker of Avro's single-object encoding (specification, "Single-object encoding")."""


@lru_cache
def avro(name: str) -> dict[str, Any]:
    """The schema of a record as written in its file. Raises KeyError for a name that is not in `FILES`."""
    schema: dict[str, Any] = json.loads(files(__package__).joinpath(FILES[name]).read_text(encoding="utf-8"))
    return schema


@lru_cache
def parsed(name: str) -> Any:
    """The schema ready for fastavro."""
    return fastavro.parse_schema(avro(name))


@lru_cache
def header(name: str) -> bytes:
    """The ten bytes before a single-object datum: marker and CRC-64-AVRO fingerprint, little endian."""
    canonical = to_parsing_canonical_form(avro(name))
    # fastavro gives the fingerprint in the order in which it is written.
    return SINGLE_OBJECT + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a record's JSON form: times as RFC 3339, an event's labels and numbers as objects."""
    schema = avro(name)
    named: dict[str, Any] = {}
    body = _json_record(schema, named)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{NAMESPACE}:{name}",
        "title": name,
        "description": schema.get("doc", ""),
        **(_json_event(body) if name == "Event" else body),
    }


def _json_record(schema: Mapping[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    fields = schema["fields"]
    body: dict[str, Any] = {
        "type": "object",
        "properties": {f["name"]: {**_json_type(f["type"], named), "description": f.get("doc", "")} for f in fields},
        "required": [f["name"] for f in fields if "default" not in f],
    }
    named[schema["name"]] = body
    return body


def _json_type(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, list):
        given = [_json_type(one, named) for one in kind if one != "null"]
        return {"anyOf": [*given, {"type": "null"}]}
    if isinstance(kind, str):
        simple = {"string": "string", "double": "number", "long": "integer", "boolean": "boolean"}
        return {"type": simple[kind]} if kind in simple else dict(named[kind])
    if kind["type"] == "array":
        return {"type": "array", "items": _json_type(kind["items"], named)}
    if kind.get("logicalType") == "timestamp-micros":
        return {"type": "string", "format": "date-time"}
    return _json_record(kind, named)


def _json_event(body: dict[str, Any]) -> dict[str, Any]:
    number = {"type": "number"}
    typed = {
        "type": "object",
        "properties": {"value": number, "type": {"enum": ["gauge", "counter", "delta"]}},
        "required": ["value"],
    }
    properties = {
        **body["properties"],
        "timestamp": {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
            "description": "Event time: RFC 3339, or epoch milliseconds",
        },
        "attributes": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Labels"},
        "metrics": {"type": "object", "additionalProperties": {"anyOf": [number, typed]}, "description": "Numbers"},
    }
    return {**body, "properties": properties}
