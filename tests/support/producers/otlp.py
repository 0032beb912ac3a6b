"""What the Collector is sent for the golden records: every kind of metric, logs and spans, in OTLP's JSON.

Times are those of a noon of March 2026, so that captures differ in nothing but the Collector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOON_NS = 1_772_366_400_000_000_000
_SECOND = 1_000_000_000

DELTA, CUMULATIVE = 1, 2

Document = dict[str, Any]

SHOP = {"service.name": "checkout", "service.namespace": "shop", "deployment.environment.name": "prod"}


def attributes_of(values: Mapping[str, object]) -> list[Document]:
    """Key-value pairs."""
    return [{"key": key, "value": _any(value)} for key, value in values.items()]


def metrics_of(metrics: Sequence[Document], resource: Mapping[str, object] = SHOP, scope: str = "golden") -> Document:
    """An ExportMetricsServiceRequest of one resource."""
    scoped = {"scope": {"name": scope, "version": "1"}, "metrics": list(metrics)}
    return {"resourceMetrics": [{"resource": {"attributes": attributes_of(resource)}, "scopeMetrics": [scoped]}]}


def logs_of(records: Sequence[Document], resource: Mapping[str, object] = SHOP) -> Document:
    """An ExportLogsServiceRequest of one resource."""
    scoped = {"scope": {"name": "golden"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": attributes_of(resource)}, "scopeLogs": [scoped]}]}


def spans_of(spans: Sequence[Document], resource: Mapping[str, object] = SHOP) -> Document:
    """An ExportTraceServiceRequest of one resource."""
    scoped = {"scope": {"name": "golden"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": attributes_of(resource)}, "scopeSpans": [scoped]}]}


def number(name: str, unit: str, value: float, at: int, temporality: int = 0, **labels: object) -> Document:
    """A gauge, or with a temporality a monotonic sum, of one data point `at` nanoseconds."""
    point: Document = {"timeUnixNano": str(at), "attributes": attributes_of(labels)}
    point |= {"asInt": str(value)} if isinstance(value, int) else {"asDouble": value}
    if not temporality:
        return {"name": name, "unit": unit, "gauge": {"dataPoints": [point]}}
    point["startTimeUnixNano"] = str(NOON_NS - 3600 * _SECOND)
    data = {"aggregationTemporality": temporality, "isMonotonic": True, "dataPoints": [point]}
    return {"name": name, "unit": unit, "sum": data}


def histogram(
    name: str, unit: str, bounds: Sequence[float], counts: Sequence[int], at: int, temporality: int
) -> Document:
    """A histogram with buckets of its own bounds."""
    point = {
        **_interval(at),
        "attributes": attributes_of({"http.route": "/pay"}),
        "count": str(sum(counts)),
        "sum": 12.5,
        "min": 0.25,
        "max": 7.5,
        "explicitBounds": list(bounds),
        "bucketCounts": [str(count) for count in counts],
        "exemplars": [{"timeUnixNano": str(at), "asDouble": 7.5, "spanId": "00f067aa0ba902b7"}],
    }
    return {"name": name, "unit": unit, "histogram": {"aggregationTemporality": temporality, "dataPoints": [point]}}


def exponential(
    name: str, unit: str, scale: int, zeros: int, offset: int, counts: Sequence[int], at: int, temporality: int
) -> Document:
    """An exponential histogram of positive values."""
    point = {
        **_interval(at),
        "count": str(zeros + sum(counts)),
        "sum": 20.0,
        "scale": scale,
        "zeroCount": str(zeros),
        "positive": {"offset": offset, "bucketCounts": [str(count) for count in counts]},
        "negative": {"offset": 0, "bucketCounts": []},
    }
    data = {"aggregationTemporality": temporality, "dataPoints": [point]}
    return {"name": name, "unit": unit, "exponentialHistogram": data}


def summary(name: str, unit: str, count: int, total: float, quantiles: Mapping[float, float], at: int) -> Document:
    """A summary."""
    values = [{"quantile": quantile, "value": value} for quantile, value in quantiles.items()]
    point = {**_interval(at), "count": str(count), "sum": total, "quantileValues": values}
    return {"name": name, "unit": unit, "summary": {"dataPoints": [point]}}


def log(body: object, at: int, severity: int, text: str, **labels: object) -> Document:
    """A log record."""
    return {
        "timeUnixNano": str(at),
        "observedTimeUnixNano": str(at + _SECOND),
        "severityNumber": severity,
        "severityText": text,
        "body": _any(body),
        "attributes": attributes_of(labels),
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
    }


def span(name: str, start: int, took_ms: float, status: int, number: int, labels: Mapping[str, object]) -> Document:
    """A span of a server. `status` 2 is an error."""
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": name,
        "kind": 2,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(took_ms * 1_000_000)),
        "attributes": attributes_of(labels),
        "status": {"code": status},
    }


def golden_documents() -> dict[str, list[Document]]:
    """What is posted for each signal: two scrapes of every kind of metric, three log records, three spans."""
    return {
        "metrics": [metrics_of(_every_metric(scrape)) for scrape in (0, 1)],
        "logs": [
            logs_of(
                [
                    log("payment failed: card 4111 declined", NOON_NS, 17, "ERROR", **{"code.function": "pay"}),
                    log({"event": "login", "tries": 3}, NOON_NS + _SECOND, 9, "INFO"),
                    log("slow", NOON_NS + 2 * _SECOND, 13, "WARN"),
                ]
            )
        ],
        "traces": [
            spans_of(
                [
                    span("GET /pay", NOON_NS, 12.5, 0, 1, {"http.response.status_code": 200, "http.route": "/pay"}),
                    span("GET /pay", NOON_NS + _SECOND, 250.0, 2, 2, {"http.response.status_code": 503}),
                    span("SELECT cart", NOON_NS + _SECOND, 3.25, 0, 3, {"db.system.name": "postgresql"}),
                ]
            )
        ],
    }


def _every_metric(scrape: int) -> list[Document]:
    at = NOON_NS + 10 * _SECOND * scrape
    return [
        number("queue.depth", "{item}", 7 + scrape, at),
        number("memory.usage", "By", 2.5e8, at),
        number("http.requests", "{request}", 1000 + 50 * scrape, at, CUMULATIVE, method="GET"),
        number("http.requests", "{request}", 20 + scrape, at, CUMULATIVE, method="POST"),
        number("jobs.done", "{job}", 5.5, at, DELTA),
        histogram("http.server.request.duration", "s", [0.5, 1.0, 5.0], [6, 3 + scrape, 1, 1], at, CUMULATIVE),
        histogram("db.client.operation.duration", "s", [0.5, 1.0, 5.0], [2, 0, 1, 0], at, DELTA),
        exponential("rpc.server.duration", "ms", 1, 1, 2, [3, 0, 4 + scrape, 2], at, CUMULATIVE),
        exponential("rpc.client.duration", "ms", 0, 0, -1, [1, 2, 3], at, DELTA),
        summary("gc.pause", "ms", 9 + scrape, 4.5, {0.5: 0.4, 0.99: 1.5}, at),
    ]


def _interval(at: int) -> Document:
    return {"startTimeUnixNano": str(NOON_NS - 10 * _SECOND), "timeUnixNano": str(at)}


def _any(value: object) -> Document:
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": attributes_of(value)}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}
