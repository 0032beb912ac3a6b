"""Requests of OTLP made at random with the published protobuf classes, and what they hold, read point by point."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

NOON_NS = 1_772_366_400_000_000_000
TYPES = {1: "delta", 2: "counter"}

names = st.sampled_from(["requests", "queue.depth", "http.server.request.duration", "größe", "a.b"])
units = st.sampled_from(["", "1", "By", "s", "ms", "{request}", "By/s"])
texts = st.text(max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(0, 5).map(lambda k: NOON_NS + k * 10_000_000_000)
counts = st.integers(0, 1 << 40)


def _value(draw: st.DrawFn, pair: KeyValue) -> None:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        pair.value.string_value = draw(texts)
    elif kind == 1:
        pair.value.int_value = draw(st.integers(-(1 << 63), (1 << 63) - 1))
    elif kind == 2:
        pair.value.bool_value = draw(st.booleans())
    else:
        pair.value.array_value.values.add().string_value = draw(texts)


def _attributes(draw: st.DrawFn, where: Any) -> None:
    for key in draw(st.lists(st.sampled_from(["k", "http.route", "method", "größe"]), unique=True, max_size=3)):
        _value(draw, where.add(key=key))


def _resource(draw: st.DrawFn, resource: Any) -> None:
    resource.attributes.add(key="service.name").value.string_value = draw(st.sampled_from(["shop", "pay"]))
    _attributes(draw, resource.attributes)


def _buckets(draw: st.DrawFn, buckets: Any) -> None:
    buckets.offset = draw(st.integers(-50, 50))
    buckets.bucket_counts.extend(draw(st.lists(st.integers(0, 9), max_size=6)))


@st.composite
def metrics_requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = request.resource_metrics.add()
        _resource(draw, group.resource)
        for _ in range(draw(st.integers(0, 2))):
            scope = group.scope_metrics.add()
            scope.scope.name = draw(texts)
            for _ in range(draw(st.integers(0, 3))):
                _metric(draw, scope.metrics.add(name=draw(names), unit=draw(units), description=draw(texts)))
    return request


def _metric(draw: st.DrawFn, metric: Any) -> None:
    shape = draw(st.sampled_from(["gauge", "sum", "histogram", "exponential_histogram", "summary"]))
    data = getattr(metric, shape)
    data.SetInParent()
    if shape not in ("gauge", "summary"):
        data.aggregation_temporality = draw(st.integers(1, 2))
    if shape == "sum":
        data.is_monotonic = draw(st.booleans())
    for _ in range(draw(st.integers(0, 4))):
        point = data.data_points.add(time_unix_nano=draw(times), flags=draw(st.sampled_from([0, 0, 0, 1])))
        _attributes(draw, point.attributes)
        if shape in ("gauge", "sum"):
            if draw(st.booleans()):
                point.as_int = draw(st.integers(-(1 << 63), (1 << 63) - 1))
            else:
                point.as_double = draw(st.floats())
            continue
        point.count = draw(counts)
        point.sum = draw(finite)
        if shape == "histogram" and draw(st.booleans()):
            point.explicit_bounds.extend(sorted(draw(st.lists(st.integers(-9, 9), unique=True, max_size=5))))
            point.bucket_counts.extend(draw(counts) for _ in range(len(point.explicit_bounds) + 1))
        elif shape == "exponential_histogram":
            point.scale = draw(st.integers(-2, 8))
            point.zero_count = draw(counts)
            point.zero_threshold = draw(st.sampled_from([0.0, 1e-30]))
            _buckets(draw, point.positive)
            _buckets(draw, point.negative)
        elif shape == "summary":
            for quantile in draw(st.lists(st.sampled_from([0.5, 0.9, 0.99]), unique=True)):
                point.quantile_values.add(quantile=quantile, value=draw(st.floats()))


@st.composite
def trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = request.resource_spans.add()
        _resource(draw, group.resource)
        scope = group.scope_spans.add()
        for _ in range(draw(st.integers(0, 4))):
            start = draw(times)
            span = scope.spans.add(
                trace_id=b"t" * 16,
                span_id=b"s" * 8,
                parent_span_id=draw(st.sampled_from([b"", b"p" * 8])),
                name=draw(texts),
                kind=draw(st.integers(0, 5)),
                start_time_unix_nano=start,
                end_time_unix_nano=start + draw(st.integers(0, 10**10)),
            )
            span.status.code = draw(st.integers(0, 2))
            _attributes(draw, span.attributes)
    return request


@st.composite
def logs_requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = request.resource_logs.add()
        _resource(draw, group.resource)
        scope = group.scope_logs.add()
        for _ in range(draw(st.integers(0, 4))):
            log = scope.log_records.add(
                time_unix_nano=draw(st.one_of(st.just(0), times)),
                observed_time_unix_nano=draw(times),
                severity_number=draw(st.integers(0, 24)),
                severity_text=draw(st.sampled_from(["", "WARNING"])),
            )
            log.body.string_value = draw(texts)
            _attributes(draw, log.attributes)
    return request


def points(request: ExportMetricsServiceRequest) -> Iterator[tuple[str, str, Any, Any]]:
    """Service, shape, metric and data point."""
    for group in request.resource_metrics:
        service = next(a.value.string_value for a in group.resource.attributes if a.key == "service.name")
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                shape = metric.WhichOneof("data")
                for point in getattr(metric, shape).data_points:
                    yield service, shape, metric, point


def expected_numbers(request: ExportMetricsServiceRequest) -> Counter[tuple[str, int, float, str]]:
    """(service, time in µs, value, type) of every number that a request holds."""
    found: Counter[tuple[str, int, float, str]] = Counter()
    for service, shape, metric, point in points(request):
        if point.flags & 1:
            continue
        data, time = getattr(metric, shape), point.time_unix_nano // 1000
        if shape in ("gauge", "sum"):
            which = point.WhichOneof("value")
            type_ = "gauge"
            if shape == "sum" and (data.aggregation_temporality == 1 or data.is_monotonic):
                type_ = TYPES[data.aggregation_temporality]
            numbers = [(float(getattr(point, which)), type_)]
        else:
            type_ = "counter" if shape == "summary" else TYPES[data.aggregation_temporality]
            numbers = [(float(point.count), type_), (point.sum, type_)]
            if shape == "summary":
                numbers += [(q.value, "gauge") for q in point.quantile_values]
        found.update((service, time, value, type_) for value, type_ in numbers if math.isfinite(value))
    return found


def expected_distributions(request: ExportMetricsServiceRequest) -> Counter[tuple[str, int, str, int]]:
    """(service, time in µs, type, observations) of every distribution that a request holds."""
    found: Counter[tuple[str, int, str, int]] = Counter()
    for service, shape, metric, point in points(request):
        if point.flags & 1 or shape not in ("histogram", "exponential_histogram"):
            continue
        if shape == "histogram" and not point.bucket_counts:
            continue
        total = sum(point.bucket_counts) if shape == "histogram" else point.zero_count
        if shape == "exponential_histogram":
            total += sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
        type_ = TYPES[getattr(metric, shape).aggregation_temporality]
        found[service, point.time_unix_nano // 1000, type_, total] += 1
    return found


def points_with_a_value(request: ExportMetricsServiceRequest) -> int:
    return sum(1 for _, _, _, point in points(request) if not point.flags & 1)
