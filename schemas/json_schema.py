"""Avro schemas of ours as JSON Schema (draft 2020-12) of the records' JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_PRIMITIVES: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"type": "string"},
    "double": {"type": "number"},
    "long": {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    "boolean": {"type": "boolean"},
}

_TIME: Final = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "description": "Epoch milliseconds: read, never written."},
    ]
}

_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}

_METRIC: Final = {
    "anyOf": [
        {"type": "number"},
        {
            "type": "object",
            "properties": {"value": {"type": "number"}, "type": {"enum": ["gauge", "counter", "delta", "rate"]}},
            "required": ["value"],
        },
    ]
}

_MAPS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Attribute": _TEXTS,
    "Metric": {"type": "object", "additionalProperties": _METRIC},
}
"""Arrays of these records stand for maps; JSON shows objects."""


def of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a whole record. Unknown fields are allowed: readers ignore them."""
    name = f"{schema['namespace']}.{schema['name']}"
    return {"$schema": DIALECT, "$id": f"urn:{name}", "title": schema["name"], **_of(schema)}


def _of(node: Any) -> dict[str, Any]:
    if isinstance(node, str):
        return dict(_PRIMITIVES[node])
    if isinstance(node, list):
        return {"anyOf": [_of(branch) for branch in node if branch != "null"] + [{"type": "null"}]}
    kind = node["type"]
    if node.get("logicalType") == "timestamp-micros":
        return dict(_TIME)
    if node.get("missing") == "NaN":
        return {"type": ["number", "null"]}
    if node.get("content") == "JSON":
        return {"type": "object"}
    if kind == "array":
        items = node["items"]
        if isinstance(items, dict) and items.get("name") in _MAPS:
            return dict(_MAPS[items["name"]])
        return {"type": "array", "items": _of(items)}
    if kind == "record":
        return _record(node)
    return dict(_PRIMITIVES[kind])


def _record(node: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": node["doc"]} if "doc" in node else {}
    properties = {}
    for field in node["fields"]:
        properties[field["name"]] = _of(field["type"])
        if "doc" in field:
            properties[field["name"]]["description"] = field["doc"]
    required = [field["name"] for field in node["fields"] if "default" not in field]
    return {"type": "object", **described, "properties": properties, "required": required}
