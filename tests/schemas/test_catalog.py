"""The contracts: what the records are called, hold, and are known by."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from schemas.catalog import NAMES, canonical, json_schema, plain, record
from schemas.framing import Fingerprint, SchemaId

FINGERPRINTS = {
    "Event": "7ada0a8ec98c8392",
    "Vector": "d8f4962e0c263197",
    "Score": "97dec9f560a0e488",
    "IncidentEvent": "82ff3b90adb97eca",
    "IncidentState": "cacbc765a4ad0dc8",
    "GroupEvent": "d33be47659052561",
    "Control": "9aca5fee88633792",
    "Drift": "9c804fe16b322fa2",
}

FIELDS = {
    "Event": "id timestamp entity kind source observed_at attributes metrics distributions weight",
    "Vector": "entity profile profile_version window_start window_end feature_set names values sequence event_count "
    "late_count skewed_count silent retired regular",
    "Score": "id event_count silent retired regular entity profile window_start window_end anomaly_score is_anomaly "
    "severity confidence model expected contributions note",
    "IncidentEvent": "type id time score_id incident_id fingerprint_id sequence entity profile cause regular severity "
    "first_anomalous_at opened_at last_anomalous_at resolved_at closed_at occurrence_count window_count anomaly_score "
    "confidence event_count rule reason impact recommendation contributions",
    "IncidentState": "type id time score_id incident_id fingerprint_id sequence entity profile cause regular severity "
    "first_anomalous_at opened_at last_anomalous_at resolved_at closed_at occurrence_count window_count anomaly_score "
    "confidence event_count rule reason impact recommendation contributions state",
    "GroupEvent": "group_id type sequence time incident_ids entities incident_count open_count entity_count "
    "root_causes severity regular cause opened_at resolved_at closed_at reason",
    "Control": "kind id time author expires_at body",
    "Drift": "entity time profile scope version psi score_mean alarm_rate shifted windows",
}

NULLABLE = {
    "Event": {"id", "source", "observed_at", "distributions", "weight"},
    "Score": {"severity"},
    "IncidentEvent": {"resolved_at", "closed_at", "confidence"},
    "IncidentState": {"resolved_at", "closed_at", "confidence"},
    "GroupEvent": {"opened_at", "resolved_at", "closed_at"},
    "Control": {"expires_at"},
}


def crc_64_avro(data: bytes) -> int:
    """As the Avro specification writes it down, bit by bit."""
    empty = 0xC15D213AA4D7A795
    fingerprint = empty
    for byte in data:
        low = (fingerprint ^ byte) & 0xFF
        for _ in range(8):
            low = (low >> 1) ^ (empty if low & 1 else 0)
        fingerprint = (fingerprint >> 8) ^ low
    return fingerprint


def types_in(node: Any) -> set[str]:
    """Every type name that a schema uses."""
    if isinstance(node, str):
        return {node}
    if isinstance(node, list):
        return set().union(*map(types_in, node))
    found = {node["type"]} if isinstance(node["type"], str) else types_in(node["type"])
    for field in node.get("fields", []):
        found |= types_in(field["type"])
    return found | (types_in(node["items"]) if "items" in node else set())


@pytest.mark.parametrize("name", NAMES)
def test_fingerprints_are_those_that_others_have_stored(name: str) -> None:
    known = record(name)
    assert f"{known.fingerprint.value:016x}" == FINGERPRINTS[name]
    assert crc_64_avro(known.canonical_form.encode()) == known.fingerprint.value
    assert known.fingerprint.header == b"\xc3\x01" + bytes.fromhex(FINGERPRINTS[name])[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_fields_and_nulls_are_those_of_the_contract(name: str) -> None:
    schema = record(name).schema
    assert (schema["namespace"], schema["name"]) == ("faultline.v1", name)
    assert [field["name"] for field in schema["fields"]] == FIELDS[name].split()
    nullable = {field["name"] for field in schema["fields"] if isinstance(field["type"], list)}
    assert nullable == NULLABLE.get(name, set())
    for field in schema["fields"]:
        if field["name"] in nullable:
            assert field["type"][0] == "null"
            assert field["default"] is None


@pytest.mark.parametrize("name", NAMES)
def test_there_are_neither_maps_nor_enumerations(name: str) -> None:
    assert not types_in(record(name).schema) & {"map", "enum", "fixed", "bytes", "float", "int"}


def test_the_fingerprint_of_the_specification_s_simplest_schema() -> None:
    assert crc_64_avro(b'"null"') == 0x63DD24E7CC258F8A


def test_an_unknown_record_is_told_which_there_are() -> None:
    with pytest.raises(KeyError, match="Event, Vector, Score"):
        record("Evnt")


def test_the_raw_schema_has_the_same_bytes() -> None:
    for name in NAMES:
        assert canonical(plain(record(name).schema))[1] == record(name).fingerprint
        assert "logicalType" not in json.dumps(record(name).raw)


def test_headers_are_as_the_specifications_say() -> None:
    assert Fingerprint(0x0102030405060708).header == b"\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01"
    assert SchemaId(258).header == b"\x00\x00\x00\x01\x02"


@pytest.mark.parametrize("name", NAMES)
def test_json_schemas_require_what_has_no_default(name: str) -> None:
    schema, avro = json_schema(name), record(name).schema
    assert orjson.loads(orjson.dumps(schema))["$schema"].endswith("2020-12/schema")
    assert list(schema["properties"]) == FIELDS[name].split()
    assert schema["required"] == [field["name"] for field in avro["fields"] if "default" not in field]


def test_json_schema_shows_maps_as_objects_and_missing_values_as_null() -> None:
    event, vector = json_schema("Event")["properties"], json_schema("Vector")["properties"]
    assert event["attributes"]["additionalProperties"] == {"type": "string"}
    assert event["metrics"]["additionalProperties"]["anyOf"][0] == {"type": "number"}
    assert vector["values"]["items"] == {"type": ["number", "null"]}
    assert vector["window_start"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert json_schema("Control")["properties"]["body"]["type"] == "object"
