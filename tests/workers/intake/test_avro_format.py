"""Confluent-framed Avro of any schema: ours is taken as it is, others' by the mapping; damage is a dead letter."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import numpy as np
import pytest

from schemas.catalog import record
from schemas.columns import Events, Fault
from schemas.events import encode_events, events_from_dicts, events_to_dicts
from schemas.faults import Unreadable
from schemas.framing import SchemaId, Writer
from tests.support.registered import SCHEMAS, TREE
from tests.workers.intake.test_fields_format import ENTITY, NOON
from workers.intake.formats.avro import AvroFormat
from workers.intake.formats.fields import FieldsFormat
from workers.intake.mapping import load_mapping

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = 1
REQUESTED = {
    "timestamp": AT,
    "service": {"name": "checkout"},
    "level": "ERROR",
    "status": 503,
    "latency_ms": Decimal("12.345"),
    "tags": {"a": "b"},
    "trace": b"\x01\xff\x00\x02",
    "span": UUID(int=7),
    "children": [{"name": "x"}],
}


def framed(number: int, value: Mapping[str, Any], schema: Any = None) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema or SCHEMAS[number]), value)
    return SchemaId(number).header + out.getvalue()


def decode(*values: bytes, schemas: Mapping[int, Any] = SCHEMAS) -> tuple[Events, list[Fault]]:
    def resolver(writer: Writer) -> Any:
        known = {OURS: record("Event").schema, **schemas}
        return known.get(writer.value) if isinstance(writer, SchemaId) else None

    wire = AvroFormat(FieldsFormat(load_mapping(""), ENTITY), resolver)
    return wire.decode(values, np.zeros(len(values), np.int64))


def test_a_record_of_somebody_elses_schema_is_read_by_the_mapping() -> None:
    events, faults = decode(framed(7, REQUESTED))
    assert not faults
    (event,) = events_to_dicts(events)
    assert (event["entity"], event["kind"], event["timestamp"]) == ("checkout", "api", NOON)
    assert event["attributes"] == {"service": "checkout", "level": "ERROR", "status_code": "503"}
    assert event["metrics"] == {"latency_ms": 12.345}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "long", "logicalType": "timestamp-millis"}, AT),
        ({"type": "long", "logicalType": "timestamp-micros"}, AT),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, AT.replace(tzinfo=None)),
        ({"type": "int", "logicalType": "date"}, date(2026, 3, 1)),
        (["null", {"type": "long", "logicalType": "timestamp-millis"}], AT),
        ("long", NOON // 1000),
        ("string", "2026-03-01T12:00:00Z"),
        ("double", NOON / 1e6),
    ],
)
def test_times_of_every_kind_are_times(kind: Any, value: Any) -> None:
    fields = [{"name": "time", "type": kind}, {"name": "app", "type": "string"}]
    schema = {"type": "record", "name": "Any", "fields": fields}
    events, faults = decode(framed(9, {"time": value, "app": "a"}, schema), schemas={9: schema})
    assert not faults
    midnight = NOON - 43_200_000_000
    assert events.time.tolist() == [midnight if type(value) is date else NOON]


def test_ours_and_others_are_mixed_and_keep_their_order() -> None:
    ours = events_from_dicts(
        [
            {
                "timestamp": NOON,
                "entity": f"own-{n}",
                "kind": "api",
                "attributes": {"level": "WARN"},
                "metrics": {"latency_ms": float(n)},
                "distributions": [{"name": "latency_ms", "bounds": [1.0], "counts": [n, 2]}],
            }
            for n in range(2)
        ]
    )
    first, second = encode_events(ours, SchemaId(OURS))
    tree = {"timestamp": AT, "service": "tree", "latency_ms": 2.5, "child": None}
    events, faults = decode(framed(7, REQUESTED), first, framed(99, {}, TREE | {"fields": []}), framed(8, tree), second)
    assert [(fault.record, fault.error_class) for fault in faults] == [(2, "unknown_schema")]
    assert events.record.tolist() == [0, 1, 3, 4]
    found = events_to_dicts(events)
    assert [event["entity"] for event in found] == ["checkout", "own-0", "tree", "own-1"]
    assert [event["metrics"]["latency_ms"] for event in found] == [12.345, 0.0, 2.5, 1.0]
    assert [event["attributes"].get("level") for event in found] == ["ERROR", "WARN", None, "WARN"]
    assert [event.get("distributions", [{}])[0].get("counts") for event in found] == [None, [0, 2], None, [1, 2]]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"\x00\x00\x00", "no Confluent framing"),
        (b"\x00\x00\x00\x00\x07", "no datum of its schema"),
        (framed(7, REQUESTED) + b"x", "1 bytes are left over"),
        (framed(7, REQUESTED)[:-3], "no datum of its schema"),
        (framed(7, {**REQUESTED, "service": {"name": ""}}), "no entity"),
        (b"\x00\x00\x00\x00\x07" + b"\xff" * 9 + b"\x01" + b"\x00" * 40, "cannot be represented"),
        (b"\x00\x00\x00\x00\x63abc", "has no schema id 99"),
    ],
)
def test_what_cannot_be_read_is_told_and_its_neighbours_pass(value: bytes, said: str) -> None:
    events, faults = decode(framed(7, REQUESTED), value, framed(7, REQUESTED))
    assert events.record.tolist() == [0, 2]
    assert [fault.record for fault in faults] == [1]
    assert said in faults[0].message


def test_a_datum_nested_without_end_does_not_end_the_process() -> None:
    deep = SchemaId(8).header + (b"\x00\x02a" + b"\x00" * 8 + b"\x02") * 80_000
    events, faults = decode(deep)
    assert len(events) == 0
    assert "nested too deeply" in faults[0].message


def _priced(kind: Any) -> dict[str, Any]:
    fields = [{"name": "price", "type": kind}, *SCHEMAS[8]["fields"][:3]]
    return {"type": "record", "name": "Priced", "fields": fields}


def _digits(count: int, kind: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A schema with a decimal of so many bytes, and a record of it."""
    named = _priced({**kind, "logicalType": "decimal", "precision": 600, "scale": 2})
    value = {"price": b"\x01" * count, "timestamp": AT, "service": "shop", "latency_ms": 1.0}
    return named, framed(9, value, _priced(kind))


@pytest.mark.parametrize("kind", [{"type": "bytes"}, {"type": "fixed", "name": "Price"}])
def test_a_decimal_of_more_digits_than_any_number_has_is_a_dead_letter_before_it_is_reckoned(kind: Any) -> None:
    for size, said in ((256, ""), (257, "a decimal of 257 bytes"), (900_000, "a decimal of 900,000 bytes")):
        sized = kind | ({"size": size} if kind["type"] == "fixed" else {})
        schema, value = _digits(size, sized)
        events, faults = decode(framed(7, REQUESTED), value, schemas={**SCHEMAS, 9: schema})
        assert events.record.tolist() == ([0] if said else [0, 1])
        assert [fault.error_class for fault in faults] == (["too_large"] if said else [])
        assert all(said in fault.message for fault in faults)


ENDLESS = {"type": "record", "name": "E", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}


def test_a_schema_by_which_a_few_bytes_are_endless_values_is_refused() -> None:
    _, faults = decode(SchemaId(9).header + b"\xfe\xff\xff\xff\x0f\x00", schemas={9: ENDLESS})
    assert [fault.error_class for fault in faults] == ["unknown_schema"]
    assert "take no bytes" in faults[0].message


def test_a_registry_out_of_reach_is_no_fault_of_the_records() -> None:
    def away(writer: Writer) -> Any:
        raise ConnectionError("refused")

    wire = AvroFormat(FieldsFormat(load_mapping(""), ENTITY), away)
    with pytest.raises(ConnectionError):
        wire.decode([framed(7, REQUESTED)], np.zeros(1, np.int64))


def test_a_schema_that_the_registry_cannot_hand_on_is_asked_for_once_a_batch() -> None:
    asked = []

    def useless(writer: Writer) -> Any:
        asked.append(writer)
        raise Unreadable("unknown_schema", "a schema of PROTOBUF")

    wire = AvroFormat(FieldsFormat(load_mapping(""), ENTITY), useless)
    _, faults = wire.decode([framed(7, REQUESTED)] * 3, np.zeros(3, np.int64))
    assert [fault.message for fault in faults] == ["a schema of PROTOBUF"] * 3
    assert asked == [SchemaId(7)]
