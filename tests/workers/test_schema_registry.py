"""Confluent-framed Avro: our schemas are registered, others' are looked up, and an outage costs no record."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import orjson
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from schemas.catalog import record
from schemas.events import decode_events, encode_events, events_from_dicts
from schemas.framing import Fingerprint, SchemaId
from workers.runtime.errors import Fatal
from workers.schema_registry import SchemaIds, schema_ids
from workers.settings import load_settings

EVENT = {"timestamp": 1_750_000_000_000_000, "entity": "shop", "kind": "api", "metrics": {"latency_ms": 12.5}}


def in_memory() -> Any:
    """The client's own registry without a server."""
    return SchemaRegistryClient.new_client({"url": "mock://tests"})


def test_what_we_write_is_registered_and_read_back_by_its_id() -> None:
    ids = SchemaIds(in_memory(), patience=1)
    framing = ids.writer("telemetry.events.v1", "Event")
    values = encode_events(events_from_dicts([EVENT]), framing)
    assert values[0].startswith(framing.header)
    events, faults = decode_events(values, resolver=ids.resolve)
    assert not faults
    assert events.entity.at(0) == "shop"
    assert ids.writer("telemetry.events.v1", "Event") == framing


def test_an_older_schema_of_another_writer_is_looked_up_by_its_id() -> None:
    client = in_memory()
    fields = [f for f in record("Event").schema["fields"] if f["name"] in ("timestamp", "entity", "kind", "metrics")]
    older = {**record("Event").schema, "fields": fields}
    number = client.register_schema("elsewhere", Schema(orjson.dumps(older).decode(), "AVRO"))
    datum = io.BytesIO()
    metrics = [{"name": "latency_ms", "value": 7.0, "type": "gauge"}]
    fastavro.schemaless_writer(datum, older, {**EVENT, "metrics": metrics})
    value = SchemaId(number).header + datum.getvalue()
    events, faults = decode_events([value], resolver=SchemaIds(client, patience=1).resolve)
    assert not faults
    assert events.metric_value.tolist() == [7.0]


def test_an_id_that_nobody_registered_is_a_dead_letter_and_not_the_end() -> None:
    ids = SchemaIds(in_memory(), patience=1)
    good = encode_events(events_from_dicts([EVENT]))[0]
    events, faults = decode_events([good, SchemaId(4711).header + b"\x00", good], resolver=ids.resolve)
    assert len(events) == 2
    assert [(fault.record, fault.error_class) for fault in faults] == [(1, "unknown_schema")]
    assert ids.resolve(Fingerprint(1)) is None


def test_a_registry_that_is_down_stops_nobody_who_needs_no_new_id() -> None:
    client = in_memory()
    ids = SchemaIds(client, patience=0.2)
    values = encode_events(events_from_dicts([EVENT]), ids.writer("telemetry.events.v1", "Event"))
    decode_events(values, resolver=ids.resolve)

    def refused(number: int) -> Schema:
        raise ConnectionError("connection refused")

    client.get_schema = refused
    events, faults = decode_events(values, resolver=ids.resolve)
    assert (len(events), faults) == (1, [])
    with pytest.raises(Fatal, match="connection refused"):
        decode_events([SchemaId(99).header + b"\x00"], resolver=ids.resolve)


def test_without_a_registry_there_are_no_ids_and_one_out_of_reach_is_named() -> None:
    assert schema_ids(load_settings({})) is None
    away = {"FAULTLINE_SCHEMA_REGISTRY__URL": "http://127.0.0.1:9", "FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "1000"}
    ids = schema_ids(load_settings(away))
    assert ids is not None
    with pytest.raises(Fatal, match="the schema registry does not tell"):
        ids.writer("telemetry.events.v1", "Event")
