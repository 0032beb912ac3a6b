"""Made-up OTLP, so that its decoder is compiled before real telemetry comes."""

from __future__ import annotations

from typing import Any

import orjson

from workers.intake.otlp.json_form import to_protobuf

_TEN_SECONDS_NS = 10_000_000_000
_RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "made-up"}}]}
_LABELS = [{"key": "route", "value": {"stringValue": "/"}}, {"key": "big", "value": {"boolValue": True}}]


def made_up_otlp(start_us: int) -> list[bytes]:
    """Records of all signals, a shape of metric each, in JSON and protobuf, of two moments from `start_us` on."""
    found = []
    for number in range(2):
        time = start_us * 1000 + number * _TEN_SECONDS_NS
        for document in (_metrics(time, number), _spans(time), _logs(time)):
            value = orjson.dumps(document)
            found += [value, to_protobuf(value)]
    return found


def _metrics(time: int, number: int) -> dict[str, Any]:
    def point(**fields: Any) -> list[dict[str, Any]]:
        return [{"timeUnixNano": str(time), "attributes": _LABELS, **fields}]

    buckets = {"offset": 1, "bucketCounts": ["1", str(2 + number)]}
    explicit = point(count="3", sum=2.0, explicitBounds=[1.0], bucketCounts=["1", str(2 + number)])
    spread = point(count="3", sum=2.0, scale=1, zeroCount="1", positive=buckets, negative=buckets)
    metrics = [
        {"name": "level", "gauge": {"dataPoints": point(asDouble=1.5)}},
        {"name": "done", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": point(asInt="3")}},
        {"name": "took", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": explicit}},
        {"name": "spread", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": spread}},
        {"name": "sum", "summary": {"dataPoints": point(quantileValues=[{"quantile": 0.5, "value": 1.0}])}},
    ]
    return {"resourceMetrics": [{"resource": _RESOURCE, "scopeMetrics": [{"metrics": metrics}]}]}


def _spans(time: int) -> dict[str, Any]:
    span = {"kind": 2, "startTimeUnixNano": str(time), "endTimeUnixNano": str(time + 5_000_000), "attributes": _LABELS}
    return {"resourceSpans": [{"resource": _RESOURCE, "scopeSpans": [{"spans": [span]}]}]}


def _logs(time: int) -> dict[str, Any]:
    said = {"timeUnixNano": str(time), "severityNumber": 9, "body": {"stringValue": "made up"}, "attributes": _LABELS}
    return {"resourceLogs": [{"resource": _RESOURCE, "scopeLogs": [{"logRecords": [said]}]}]}
