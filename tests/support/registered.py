"""Schemas as a registry would know them, for Avro of other people's schemas in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.framing import SchemaId, Writer

REQUEST = {
    "type": "record",
    "name": "Request",
    "namespace": "com.example.shop",
    "fields": [
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "service",
            "type": {"type": "record", "name": "Service", "fields": [{"name": "name", "type": "string"}]},
        },
        {"name": "level", "type": {"type": "enum", "name": "Level", "symbols": ["INFO", "WARN", "ERROR"]}},
        {"name": "status", "type": ["null", "int", "string"], "default": None},
        {
            "name": "latency_ms",
            "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}],
        },
        {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}},
        {"name": "trace", "type": [{"type": "fixed", "name": "Trace", "size": 4}, "null"]},
        {"name": "span", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "children", "type": {"type": "array", "items": "Service"}},
    ],
}

TREE = {
    "type": "record",
    "name": "Tree",
    "fields": [
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "service", "type": "string"},
        {"name": "latency_ms", "type": "double"},
        {"name": "child", "type": ["null", "Tree"]},
    ],
}

SCHEMAS: Mapping[int, Any] = {7: REQUEST, 8: TREE}


def registered(writer: Writer) -> Mapping[str, Any] | None:
    """A `Resolver` over `SCHEMAS`."""
    return SCHEMAS.get(writer.value) if isinstance(writer, SchemaId) else None
