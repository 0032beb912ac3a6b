"""What is wrong with an event is said by field, and in one of few words."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import orjson
import pytest

from schemas.catalog import record
from schemas.columns import Fault
from schemas.events import decode_events, events_to_dicts
from schemas.framing import Fingerprint, SchemaId, Writer
from schemas.kernels.event_json import read_json_events
from schemas.kernels.text import PADDING
from schemas.limits import Limits
from schemas.times import MAX_TIME
from schemas.vectors import encode_vectors
from tests.schemas.making import (
    EVENT,
    TIME,
    avro_datum,
    avro_fields,
    avro_value,
    by_record,
    json_value,
    one,
    ordered,
    thorough,
    vectors_of,
)

PLAIN = {"timestamp": "2026-01-01T00:00:00Z", "entity": "a", "kind": "api"}


def json_event(**fields: Any) -> bytes:
    return orjson.dumps({**PLAIN, **fields})


@pytest.mark.parametrize(
    ("fields", "error_class", "message"),
    [
        ({"entity": 5}, "invalid", "entity: expected a string, got a number"),
        ({"entity": None}, "invalid", "entity: expected a string, got null"),
        ({"entity": ""}, "invalid", "entity: must not be empty"),
        ({"entity": "x" * 513}, "too_large", "entity: longer than the limit of bytes (512)"),
        ({"kind": ["api"]}, "invalid", "kind: expected a string, got an array"),
        ({"kind": ""}, "invalid", "kind: must not be empty"),
        ({"timestamp": True}, "invalid", "timestamp: expected an RFC 3339 time or epoch milliseconds, got a boolean"),
        ({"timestamp": "2026-01-01T00:00:00"}, "invalid", "timestamp: '2026-01-01T00:00:00' says no offset: write"),
        ({"timestamp": 10**18}, "invalid", "timestamp: 1000000000000000000 lies outside the years 1 to 9999"),
        ({"observed_at": "soon"}, "invalid", "observed_at: 'soon' is no RFC 3339 time"),
        ({"attributes": []}, "invalid", "attributes: expected an object, got an array"),
        ({"attributes": {"a": 1}}, "invalid", "attributes.a: expected a string, got a number"),
        ({"attributes": {"a": None}}, "invalid", "attributes.a: expected a string, got null"),
        ({"attributes": {"": "x"}}, "invalid", "attributes: a name: must not be empty"),
        ({"attributes": {"a": "x" * 32_769}}, "too_large", "attributes: a value: longer than the limit of bytes"),
        (
            {"attributes": {f"a{i}": "" for i in range(257)}},
            "too_large",
            "attributes: more entries than the limit (256)",
        ),
        ({"metrics": "5"}, "invalid", "metrics: expected an object, got a string"),
        ({"metrics": {"m": "5"}}, "invalid", "metrics.m: expected a number or {value, type}, got a string"),
        ({"metrics": {"m": True}}, "invalid", "metrics.m: expected a number or {value, type}, got a boolean"),
        ({"metrics": {"m": None}}, "invalid", "metrics.m: expected a number or {value, type}, got null"),
        ({"metrics": {"m": {}}}, "invalid", "metrics.m.value: missing"),
        ({"metrics": {"m": {"value": "1"}}}, "invalid", "metrics.m.value: expected a number, got a string"),
        (
            {"metrics": {"m": {"value": 1, "type": "sum"}}},
            "invalid",
            "metrics.m.type: expected gauge, counter, delta or rate",
        ),
        (
            {"metrics": {"m": {"value": 1, "type": None}}},
            "invalid",
            "metrics.m.type: expected gauge, counter, delta or rate",
        ),
        ({"metrics": {f"m{i}": 1 for i in range(257)}}, "too_large", "metrics: more entries than the limit (256)"),
        ({"metrics": {"x" * 513: 1}}, "too_large", "metrics: a name: longer than the limit of bytes (512)"),
        ({"weight": 0}, "invalid", "weight: must be above 0"),
        ({"weight": "1"}, "invalid", "weight: expected a number, got a string"),
        ({"distributions": {}}, "invalid", "distributions: expected an array, got an object"),
        ({"distributions": [{"name": "d", "bounds": [1]}]}, "invalid", "distributions[0].counts: missing"),
        ({"distributions": [{"name": "d", "bounds": [1], "counts": [1]}]}, "invalid", "one count more than"),
        ({"distributions": [{"name": "d", "bounds": [2, 1], "counts": [1, 1, 1]}]}, "invalid", "bounds must ascend"),
        ({"distributions": [{"name": "d", "bounds": [], "counts": [-1]}]}, "invalid", "-1 is no count"),
        ({"distributions": [{"name": "d", "bounds": [], "counts": [1.5]}]}, "invalid", "integers, got a number"),
    ],
)
def test_faults_of_json_name_the_field(fields: dict[str, Any], error_class: str, message: str) -> None:
    fault = one(json_event(**fields))
    assert isinstance(fault, Fault)
    assert fault.error_class == error_class
    assert message in fault.message


@pytest.mark.parametrize("field", ["timestamp", "entity", "kind"])
def test_a_missing_field_is_named(field: str) -> None:
    event = {key: value for key, value in PLAIN.items() if key != field}
    assert one(orjson.dumps(event)) == Fault(0, "invalid", f"{field}: missing")


@pytest.mark.parametrize(
    ("raw", "error_class"),
    [
        (b"", "null_value"),
        (None, "null_value"),
        (b"[1]", "unknown_form"),
        (b"hello", "unknown_form"),
        (b"\xef\xbb\xbf{}", "unknown_form"),
        (b"\xc3", "unknown_form"),
        (b"\xc3\x01short", "unknown_form"),
        (b"\x00\x00\x00\x00", "unknown_form"),
        (b"\x00\x00\x00\x00\x09", "unknown_schema"),
        (b"\xc3\x01abcdefgh", "unknown_schema"),
        (b"{", "malformed"),
        (b"{}}", "malformed"),
        (b'{"entity":"a",}', "malformed"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "malformed"),
        (b'{"entity":"\xff","kind":"a","timestamp":1}', "malformed"),
        (b'{"entity":"\xed\xa0\x80","kind":"a","timestamp":1}', "malformed"),
        (b'{"entity":"\\ud800","kind":"a","timestamp":1}', "malformed"),
        (b'{"entity":"a\nb","kind":"a","timestamp":1}', "malformed"),
        (b'{"entity":"a","kind":"a","timestamp":1,"metrics":{"x":1e400}}', "malformed"),
        (b'{"entity":"a","kind":"a","timestamp":1,"metrics":{"x":NaN}}', "malformed"),
        (b'{"entity":"a","kind":"a","timestamp":1} x', "malformed"),
        (b'{"entity":"a","kind":"a","timestamp":1}\0', "malformed"),
        (b"{}", "invalid"),
    ],
)
def test_every_kind_of_garbage_has_its_class(raw: bytes | None, error_class: str) -> None:
    table, faults = decode_events([raw, avro_value(EVENT)])
    assert table.record.tolist() == [1]
    assert [(fault.record, fault.error_class) for fault in faults] == [(0, error_class)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"entity":"a","entity":"b"', {"entity": "b"}),
        (b'{"entity":"a","metrics":{"x":1,"y":2,"x":3}', {"metrics": {"x": 3.0, "y": 2.0}}),
        (b'{"entity":"a","attributes":{"x":"1","y":"2","x":"3"}', {"attributes": {"x": "3", "y": "2"}}),
        (b'{"entity":"a","metrics":{"x":{"value":1,"value":2}}', {"metrics": {"x": 2.0}}),
        (b'{"entity":"a","metrics":{"x":-0,"y":-0.0}', {"metrics": {"x": 0.0, "y": -0.0}}),
        (b'{"entity":"a","metrics":{"x":18446744073709551616}', {"metrics": {"x": 2.0**64}}),
        (b'{"entity":"a","metrics":{"x":1e-400}', {"metrics": {"x": 0.0}}),
        (b'{"entity":"\\u00e9\\n\\/"', {"entity": "é\n/"}),
        ('{"entity":"日本"'.encode(), {"entity": "日本"}),
        (b'{"entity":"\\ud83d\\ude00"', {"entity": "😀"}),
        (b'{"entity":"a","attributes":{"x":""}', {"attributes": {"x": ""}}),
        (b'{"entity":"a","id":null,"source":null,"weight":null,"observed_at":null,"distributions":null', {}),
        (b'{"entity":"a","attributes":null,"metrics":null', {}),
        (b'{"entity":"a","unknown":[{"deep":{"er":[1,2,{}]}}]', {}),
        (b' \t\r\n{ "entity" : "a" , "attributes" : { }', {}),
    ],
)
def test_odd_but_legal_json_is_read_as_a_real_parser_reads_it(raw: bytes, expected: dict[str, Any]) -> None:
    value = raw + b',"kind":"api","timestamp":1767225600000}'
    found = by_record(decode_events([value]))
    assert found == thorough([value])
    base = {"timestamp": TIME, "entity": "a", "kind": "api", "attributes": {}, "metrics": {}}
    assert found[0] == ordered({**base, **expected})


@pytest.mark.parametrize("time", [1_767_225_600_000, 1_767_225_600_000.0, "2026-01-01T01:00:00+01:00"])
def test_a_timestamp_is_rfc_3339_or_milliseconds(time: object) -> None:
    assert one(json_event(timestamp=time))["timestamp"] == TIME


def test_plainly_written_json_takes_the_compiled_path() -> None:
    written = [
        json_value(EVENT),
        orjson.dumps(orjson.loads(json_value(EVENT)), option=orjson.OPT_INDENT_2) + b"\n",
        json_event(timestamp=1_767_225_600_123, metrics={"x": 0.1, "y": -3, "z": 1.7976931348623157e30}),
        json_event(id="7", source=None, observed_at="2026-01-01T00:00:01.5+02:00", weight=2.5),
        json_event(metrics={"c": {"type": "counter", "value": 5}}),
        json_event(distributions=[{"name": "d", "bounds": [0.5, 1], "counts": [1, 2, 3]}]),
        '{"entity":"日本","kind":"é","timestamp":0}'.encode(),
    ]
    ends = np.cumsum([len(value) for value in written])
    starts = ends - [len(value) for value in written]
    buf = np.frombuffer(b"".join([*written, PADDING]), np.uint8)
    limits = np.array([512, 512, 32_768, 256, 256, 1_024])
    taken = read_json_events(buf, starts, ends, np.arange(len(written)), limits)[0]
    assert taken.tolist() == [True] * len(written)


def test_the_key_must_be_the_entity() -> None:
    values = [avro_value(EVENT), json_value(EVENT), avro_value(EVENT), avro_value(EVENT), json_value(EVENT)]
    keys = [b"shop/checkout", b"shop/checkout", b"shop/check", None, b"\xff\xfe"]
    table, faults = decode_events(values, keys)
    assert table.record.tolist() == [0, 1]
    assert table.attr_row.tolist() == [0, 0, 0, 1, 1, 1]
    assert [(fault.record, fault.error_class) for fault in faults] == [(i, "key_mismatch") for i in (2, 3, 4)]
    assert faults[0].message == "the key 'shop/check', but the entity is 'shop/checkout'"
    assert faults[1].message == "no key, but the entity is 'shop/checkout'"


def test_limits_are_the_caller_s() -> None:
    limits = Limits(entity=5, attributes=1, metrics=1, text=3)
    small = {**EVENT, "entity": "short", "attributes": {"a": "123"}, "metrics": {"m": 1.0}}
    for write in (avro_value, json_value):
        assert one(write(small), limits=limits) == small
        for larger in (
            {"entity": "longer"},
            {"attributes": {"a": "1234"}},
            {"attributes": {"a": "", "b": ""}},
            {"metrics": {"a": 1.0, "b": 2.0}},
            {"distributions": [{"name": "d", "bounds": [], "counts": [1]}]},
        ):
            assert one(write({**small, **larger}), limits=limits).error_class == "too_large"


def test_ten_thousand_label_names_are_one_fault() -> None:
    bomb = {**EVENT, "attributes": {f"label_{i}": "x" for i in range(10_000)}}
    table, faults = decode_events([avro_value(bomb), avro_value(EVENT), json_value(bomb)])
    assert table.record.tolist() == [1]
    assert [fault.error_class for fault in faults] == ["too_large", "too_large"]


def varint(value: int) -> bytes:
    bits = (value << 1) ^ (value >> 63)
    out = b""
    while bits >= 0x80:
        out += bytes([bits & 0x7F | 0x80])
        bits >>= 7
    return out + bytes([bits])


def text(value: str) -> bytes:
    return varint(len(value.encode())) + value.encode()


HEAD = b"\0" + varint(TIME) + text("a") + text("api") + b"\0\0"


def value_of(datum: bytes) -> bytes:
    return record("Event").fingerprint.header + datum


def test_arrays_may_come_in_several_blocks_with_and_without_sizes() -> None:
    first, second, third = text("a") + text("1"), text("b") + text("2"), text("c") + text("3")
    blocks = varint(-1) + varint(len(first)) + first + varint(1) + second
    blocks += varint(-1) + varint(len(third)) + third + b"\0"
    found = one(value_of(HEAD + blocks + b"\0\0\0"))
    assert found["attributes"] == {"a": "1", "b": "2", "c": "3"}


def test_a_name_that_comes_twice_in_avro_has_its_last_value_in_its_first_place() -> None:
    attributes = varint(3) + text("a") + text("1") + text("b") + text("2") + text("a") + text("3") + b"\0"
    metric = text("m") + np.float64(1).tobytes() + text("gauge") + text("m") + np.float64(2).tobytes() + text("delta")
    table, faults = decode_events([value_of(HEAD + attributes + varint(2) + metric + b"\0" + b"\0\0")])
    assert not faults
    (event,) = events_to_dicts(table)
    assert list(event["attributes"].items()) == [("a", "3"), ("b", "2")]
    assert event["metrics"] == {"m": {"value": 2.0, "type": "delta"}}
    assert list(table.attr_value.values) == ["3", "2"]


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (b"", "id: the record ends in the middle of it"),
        (b"\x04", "id: a union branch that does not exist"),
        (b"\x01", "id: a union branch that does not exist"),
        (b"\0" + b"\xff" * 10 + b"\x01", "timestamp: a number of more than 64 bits"),
        (b"\0" + varint(MAX_TIME + 1), "timestamp: a time outside the years"),
        (b"\0" + varint(TIME) + varint(-1), "entity: a length that is negative"),
        (b"\0" + varint(TIME) + varint(1 << 62), "entity: a length that is negative or reaches past"),
        (b"\0" + varint(TIME) + b"\x02\xff", "entity: not UTF-8"),
        (b"\0" + varint(TIME) + b"\x04\xc0\x80", "entity: not UTF-8"),
        (HEAD + varint(1 << 40), "attributes: an array of more entries than the record has bytes"),
        (HEAD + varint(-(1 << 63)) + b"\0\0\0\0", "attributes: an array block that is not as long"),
        (HEAD + varint(-1) + varint(9) + text("a") + text("1") + b"\0\0\0\0", "attributes: an array block"),
        (HEAD + varint(-1) + varint(1 << 62) + b"\0\0\0\0", "attributes: an array block"),
        (HEAD + b"\0" + varint(1) + text("m") + np.float64("nan").tobytes() + text("gauge"), "got NaN or infinity"),
        (HEAD + b"\0" + varint(1) + text("m") + np.float64("inf").tobytes() + text("gauge"), "got NaN or infinity"),
        (HEAD + b"\0" + varint(1) + text("m") + np.float64(1).tobytes() + text("sum"), "expected gauge, counter"),
        (HEAD + b"\0\0\0\x02" + np.float64(-1).tobytes(), "weight: must be above 0"),
        (HEAD + b"\0\0\0\0\0", "the event: bytes are left over"),
    ],
)
def test_faults_of_avro_name_the_field(datum: bytes, message: str) -> None:
    fault = one(value_of(datum))
    assert isinstance(fault, Fault)
    assert message in fault.message


def test_messages_stay_short_whatever_comes() -> None:
    long = "x" * 100_000
    values = [
        json_event(attributes={long: 5}),
        json_event(timestamp=long),
        json_event(metrics={"m": {"value": 1, "type": long}}),
        json_event(entity="a", kind={"a": long}),
        long.encode(),
    ]
    _, faults = decode_events(values, [b"y" * 100_000] * len(values))
    assert len(faults) == len(values)
    assert max(len(fault.message) for fault in faults) < 300


def test_a_schema_that_nobody_knows_is_named() -> None:
    unknown = b"\xc3\x01" + (0x1122334455667788).to_bytes(8, "little") + avro_datum(EVENT)
    assert "fingerprint 1122334455667788" in one(unknown).message
    assert "schema id 42" in one(SchemaId(42).header + avro_datum(EVENT)).message
    (vector,) = encode_vectors(vectors_of(1, 2))
    assert str(record("Vector").fingerprint) in one(vector).message


def test_a_registry_out_of_reach_is_not_the_record_s_fault() -> None:
    def resolver(writer: Writer) -> Any:
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError):
        decode_events([SchemaId(1).header + avro_datum(EVENT)], resolver=resolver)


def older_schema() -> dict[str, Any]:
    """What a writer may have had before us: fewer fields, another order, times in milliseconds, one field more."""
    return {
        "type": "record",
        "name": "Event",
        "namespace": "faultline.v1",
        "fields": [
            {"name": "entity", "type": "string"},
            {"name": "region", "type": "string"},
            {"name": "kind", "type": "string"},
            {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "weight", "type": "float"},
        ],
    }


def test_other_writers_schemas_are_resolved_and_asked_for_once() -> None:
    asked: list[Writer] = []
    schemas: dict[Writer, Any] = {SchemaId(3): older_schema(), Fingerprint(9): {**record("Event").schema}}

    def resolver(writer: Writer) -> Any:
        asked.append(writer)
        return schemas.get(writer)

    out = io.BytesIO()
    fields = {"entity": "old", "region": "eu", "kind": "api", "timestamp": TIME // 1000, "weight": 2.5}
    fastavro.schemaless_writer(out, older_schema(), fields)
    old = SchemaId(3).header + out.getvalue()
    values = [old, avro_value(EVENT), Fingerprint(9).header + avro_datum(EVENT), old[:-1], old + b"\0", old]
    values.append(SchemaId(4).header + avro_datum(EVENT))
    table, faults = decode_events(values, resolver=resolver)
    expected = {"timestamp": TIME, "entity": "old", "kind": "api", "weight": 2.5, "attributes": {}, "metrics": {}}
    assert events_to_dicts(table) == [expected, EVENT, EVENT, expected]
    assert table.record.tolist() == [0, 1, 2, 5]
    assert [(f.record, f.error_class) for f in faults] == [(3, "malformed"), (4, "malformed"), (6, "unknown_schema")]
    assert len(asked) == len(set(asked)) == 3


def test_a_schema_that_cannot_become_ours_is_no_schema_of_ours() -> None:
    foreign = {"type": "record", "name": "Event", "namespace": "faultline.v1", "fields": []}
    fault = one(SchemaId(3).header, resolver=lambda writer: foreign)
    assert fault.error_class == "unknown_schema"
    assert "does not resolve" in fault.message


def test_the_fixture_is_what_fastavro_calls_valid() -> None:
    assert fastavro.validate(avro_fields(EVENT), dict(record("Event").raw))
