"""Confluent-framed Avro: our schemas are registered, others' are looked up, and an outage costs no record."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import orjson
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from schemas.catalog import record
from schemas.events import decode_events, encode_events, events_from_dicts
from schemas.foreign import Foreign
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


class Registry:
    """A schema registry over HTTP, as far as looking up by id goes: answers by path, errors first."""

    def __init__(self, answers: dict[str, Any], errors: list[int]) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append(path)
                status = errors.pop(0) if errors else 200 if path in answers else 404
                body = orjson.dumps(answers.get(path) if status == 200 else {"error_code": status, "message": "no"})
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def ids(self, patience: float = 20, clock: Callable[[], float] = lambda: 0.0) -> SchemaIds:
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return SchemaIds(SchemaRegistryClient({"url": url, "max.retries": 0}), patience, clock)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def registry() -> Iterator[Callable[..., Registry]]:
    running: list[Registry] = []

    def start(answers: dict[str, Any], errors: Sequence[int] = ()) -> Registry:
        running.append(Registry(answers, list(errors)))
        return running[-1]

    yield start
    for one in running:
        one.close()


REQUEST = {"type": "record", "name": "Request", "fields": [{"name": "service", "type": "string"}]}


def by_id(number: int) -> str:
    return f"/schemas/ids/{number}"


def test_a_registry_that_answers_500_is_asked_again_and_what_it_said_is_kept(registry: Any) -> None:
    server = registry({by_id(5): {"schema": orjson.dumps(REQUEST).decode()}}, [500, 503, 429])
    ids = server.ids()
    found = ids.resolve(SchemaId(5))
    assert found is not None
    assert found["name"] == "Request"
    assert server.asked == [by_id(5)] * 4
    server.close()
    assert ids.resolve(SchemaId(5)) == found, "down, and not needed"


def test_a_registry_that_only_answers_500_stops_the_worker_and_loses_no_record(registry: Any) -> None:
    with pytest.raises(Fatal, match="the schema registry does not tell schema id 5"):
        registry({}, [500] * 1_000).ids(patience=0.2).resolve(SchemaId(5))


def test_an_id_that_is_missing_is_asked_for_again_after_a_while(registry: Any) -> None:
    now = [0.0]
    answers: dict[str, Any] = {}
    server = registry(answers)
    ids = server.ids(clock=lambda: now[0])
    assert ids.resolve(SchemaId(5)) is None
    answers[by_id(5)] = {"schema": orjson.dumps(REQUEST).decode()}
    assert ids.resolve(SchemaId(5)) is None
    assert len(server.asked) == 1, "a storm of unknown ids is no storm of questions"
    now[0] = 31.0
    assert ids.resolve(SchemaId(5)) is not None
    assert ids.resolve(SchemaId((1 << 32) - 1)) is None
    assert len(server.asked) == 2, "there is no such id"


def test_a_schema_of_something_else_is_a_fault_of_its_records(registry: Any) -> None:
    ids = registry({by_id(5): {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}}).ids()
    events, faults = decode_events([SchemaId(5).header + b"\x00"], resolver=ids.resolve)
    assert len(events) == 0
    assert [fault.error_class for fault in faults] == ["unknown_schema"]
    assert "PROTOBUF" in faults[0].message


def test_schemas_that_refer_to_others_and_unions_are_read(registry: Any) -> None:
    service = {"type": "record", "name": "Service", "namespace": "a", "fields": [{"name": "name", "type": "string"}]}
    request = {"type": "record", "name": "Request", "fields": [{"name": "service", "type": "a.Service"}]}
    reference = {"name": "a.Service", "subject": "service", "version": 1}
    answers = {
        by_id(5): {"schema": orjson.dumps(request).decode(), "references": [reference]},
        by_id(6): {"schema": orjson.dumps(["null", "a.Service"]).decode(), "references": [reference]},
        "/subjects/service/versions/1": {
            "subject": "service",
            "version": 1,
            "id": 4,
            "schema": orjson.dumps(service).decode(),
        },
    }
    ids = registry(answers).ids()
    found = [ids.resolve(SchemaId(number)) for number in (5, 6)]
    assert Foreign(found[0] or {}).read(b"\x08shop") == {"service": {"name": "shop"}}
    assert Foreign(found[1] or {}).read(b"\x02\x08shop") == {"name": "shop"}
