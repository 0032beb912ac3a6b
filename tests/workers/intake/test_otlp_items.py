"""OTLP spans and log records against the published protobuf classes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas.events import events_to_dicts
from tests.workers.intake.otlp_making import ENTITY, NOON_US, OTLP, decoded
from tests.workers.intake.otlp_oracle import logs_requests, trace_requests
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.otlp.mapping import load_otlp_mapping

SERVER, CLIENT, CONSUMER = 2, 3, 5
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
TRACES = OtlpFormat(load_otlp_mapping(""), ENTITY, "traces")
LOGS = OtlpFormat(load_otlp_mapping(""), ENTITY, "logs", messages=True)


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return orjson.dumps([one.string_value for one in value.array_value.values]).decode()
    found = getattr(value, kind)
    return str(found).lower() if kind == "bool_value" else str(found)


def _attributes(item: Any) -> dict[str, str]:
    """Those that the built-in mapping takes and the oracle makes."""
    said = {pair.key: _text(pair.value) for pair in item.attributes}
    return {"path": said["http.route"]} if said.get("http.route") else {}


def _service(group: Any) -> str:
    return str(next(a.value.string_value for a in group.resource.attributes if a.key == "service.name"))


def _path(group: Any, item: Any) -> dict[str, str]:
    return _attributes(group.resource) | _attributes(item)


@settings(max_examples=200, deadline=None)
@given(trace_requests())
def test_spans_that_serve_and_roots_are_events_and_the_others_are_counted(request: ExportTraceServiceRequest) -> None:
    expected, skipped = [], 0
    for group in request.resource_spans:
        for span in group.scope_spans[0].spans:
            if span.kind not in (SERVER, CONSUMER) and span.parent_span_id:
                skipped += 1
                continue
            attributes = {"service": _service(group)} | _path(group, span)
            if span.status.code == 2:
                attributes["error"] = "true"
            took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
            expected.append((_service(group), span.end_time_unix_nano // 1000, attributes, {"latency_ms": took}))
    events, faults, counts = decoded([request.SerializeToString()], TRACES)
    assert not faults
    found = events_to_dicts(events)
    assert [(e["entity"], e["timestamp"], e["attributes"], e["metrics"]) for e in found] == expected
    assert counts == {"spans": len(expected), "spans_skipped": skipped}
    assert {event["kind"] for event in found} <= {"span"}


@settings(max_examples=200, deadline=None)
@given(logs_requests())
def test_every_log_record_is_an_event_with_its_time_level_and_text(request: ExportLogsServiceRequest) -> None:
    expected = []
    for group in request.resource_logs:
        for log in group.scope_logs[0].log_records:
            attributes = {"service": _service(group)} | _path(group, log)
            level = LEVELS[(log.severity_number - 1) // 4] if log.severity_number else log.severity_text
            said = {"level": level, "message": log.body.string_value}
            attributes |= {name: text for name, text in said.items() if text}
            expected.append((_service(group), (log.time_unix_nano or log.observed_time_unix_nano) // 1000, attributes))
    events, faults, counts = decoded([request.SerializeToString()], LOGS)
    assert not faults
    assert [(e["entity"], e["timestamp"], e["attributes"]) for e in events_to_dicts(events)] == expected
    assert counts == {"logs": len(expected)}


@settings(max_examples=50, deadline=None)
@given(trace_requests(), logs_requests())
def test_json_says_the_same_as_protobuf(traces: ExportTraceServiceRequest, logs: ExportLogsServiceRequest) -> None:
    for request, key, wire in ((traces, "resourceSpans", TRACES), (logs, "resourceLogs", LOGS)):
        document: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
        for group in document.get(key, ()):
            for span in (one for scope in group.get("scopeSpans", ()) for one in scope.get("spans", ())):
                span["parentSpanId"] = "00" * 8 if span.get("parentSpanId") else ""
        in_json, faults, counts = decoded([orjson.dumps({key: document.get(key, [])})], wire)
        in_protobuf, _, same = decoded([request.SerializeToString()], wire)
        assert not faults
        assert counts == same
        assert events_to_dicts(in_json) == events_to_dicts(in_protobuf)


def test_signals_of_one_topic_are_told_apart_and_stay_in_order() -> None:
    trace = ExportTraceServiceRequest()
    group = trace.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "a"
    group.scope_spans.add().spans.add(name="x", kind=SERVER, end_time_unix_nano=NOON_US * 1000)
    logs = ExportLogsServiceRequest()
    said = logs.resource_logs.add()
    said.resource.attributes.add(key="service.name").value.string_value = "b"
    said.scope_logs.add().log_records.add(time_unix_nano=NOON_US * 1000).body.string_value = "hello"
    values = [logs.SerializeToString(), trace.SerializeToString(), b"", logs.SerializeToString()]
    assert all(map(OTLP.claims, (values[0], values[1])))
    events, faults, counts = decoded(values)
    assert not faults
    assert [(r, e["kind"]) for r, e in zip(events.record.tolist(), events_to_dicts(events), strict=True)] == [
        (0, "log"),
        (1, "span"),
        (3, "log"),
    ]
    assert counts == {"logs": 2, "spans": 1, "spans_skipped": 0}


def test_the_first_key_of_the_mapping_that_is_there_counts_and_the_span_goes_before_its_resource() -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, text in (("service.name", "a"), ("http.route", "/of/resource"), ("deployment.environment", "prod")):
        group.resource.attributes.add(key=key).value.string_value = text
    spans = group.scope_spans.add().spans
    for keys in (("url.path", "http.route"), ("url.path",), ()):
        span = spans.add(kind=SERVER, end_time_unix_nano=NOON_US * 1000)
        for key in keys:
            span.attributes.add(key=key).value.string_value = f"/{key}"
        span.attributes.add(key="http.response.status_code").value.int_value = 503
    events, _, _ = decoded([request.SerializeToString()])
    found = events_to_dicts(events)
    assert [event["attributes"]["path"] for event in found] == ["/http.route", "/url.path", "/of/resource"]
    assert {event["attributes"]["status_code"] for event in found} == {"503"}
    assert {event["entity"] for event in found} == {"prod/a"}


def test_texts_leave_the_decoder_whole_for_they_are_cut_when_they_have_been_redacted() -> None:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "a"
    records = group.scope_logs.add().log_records
    records.add().body.string_value = "x" + "ä" * 5_000
    records.add().body.array_value.values.add().string_value = "y" * 5_000
    events, _, _ = decoded([request.SerializeToString()], LOGS)
    assert [event["attributes"]["message"] for event in events_to_dicts(events)] == [
        "x" + "ä" * 5_000,
        '["' + "y" * 5_000 + '"]',
    ]
    assert set(events.time.tolist()) == {NOON_US + 5}


def test_what_could_be_any_signal_is_a_dead_letter_that_names_the_setting() -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "neither time nor level"
    _, faults, _ = decoded([request.SerializeToString()])
    assert "otlp_logs" in faults[0].message


@pytest.mark.parametrize("said", [b"\xff\xfe", b"\x80"])
def test_text_that_is_no_utf8_is_a_dead_letter_and_its_neighbours_are_not(said: bytes) -> None:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "a"
    group.scope_logs.add().log_records.add(time_unix_nano=NOON_US * 1000).body.string_value = "Q" * len(said)
    good = request.SerializeToString()
    events, faults, _ = decoded([good, good.replace(b"Q" * len(said), said), good])
    assert [(fault.record, fault.error_class) for fault in faults] == [(1, "malformed")]
    assert events.record.tolist() == [0, 2]
    assert events.time.tolist() == [NOON_US, NOON_US]
