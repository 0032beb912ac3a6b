"""OTLP metrics to canonical events on one core, beside reading the same points with Python's protobuf classes.

Requests are as an SDK sends them (15 metrics, a fifth of them histograms, 10 points each), and as the Collector batches
machines; a service or machine each, the same series in every record. Needs the package `opentelemetry-proto`.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bench import machine
from schemas.events import encode_events
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.limits import refused
from workers.intake.otlp.mapping import load_otlp_mapping

RECORDS = 400
_NOON_NS = 1_772_366_400_000_000_000
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


def main() -> None:
    """Medians of ROUNDS rounds (environment, 5) of processor time, and how often ours fits into the other's."""
    rounds = int(os.environ.get("ROUNDS", "5"))
    print(machine.describe())
    for what, make in (("an SDK's", _application), ("a machine's", _host)):
        values = [make(number).SerializeToString() for number in range(RECORDS)]
        points = sum(_peer([value]) for value in values)
        mine = points / _seconds(lambda values=values: _ours(values), rounds)  # type: ignore[misc]
        theirs = points / _seconds(lambda values=values: _peer(values), rounds)  # type: ignore[misc]
        print(
            f"{what} metrics, {points // RECORDS} points and {len(values[0]):,} bytes a record: to events in Avro "
            f"{mine:10,.0f} points/s; protobuf's classes, only read {theirs:10,.0f}/s: {mine / theirs:.1f} times",
            flush=True,
        )


def _seconds(call: Callable[[], object], rounds: int) -> float:
    call()
    times = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


_FORMAT = OtlpFormat(load_otlp_mapping(""), "[{env}/][{namespace}/]{service}")


def _ours(values: Sequence[bytes]) -> None:
    """All that intake does with records: tell their format, decode, check and encode."""
    assert all(map(_FORMAT.claims, values))
    events, faults, _ = _FORMAT.decode_counted(values, np.full(len(values), _NOON_NS // 1000, np.int64))
    assert not faults
    assert not refused(events, encode_events(events), 900_000)


def _peer(values: Sequence[bytes]) -> int:
    """The points that there are, each with its attributes and numbers read."""
    found = 0
    for value in values:
        for group in ExportMetricsServiceRequest.FromString(value).resource_metrics:
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    shape = metric.WhichOneof("data")
                    for point in getattr(metric, shape).data_points:
                        _ = tuple((one.key, one.value.string_value) for one in point.attributes), point.time_unix_nano
                        if shape == "histogram":
                            _ = list(point.bucket_counts), list(point.explicit_bounds), point.sum, point.count
                        else:
                            _ = getattr(point, point.WhichOneof("value"))
                        found += 1
    return found


def _application(number: int) -> ExportMetricsServiceRequest:
    request, metrics = _request({"service.name": f"service-{number % 20}", "deployment.environment.name": "prod"})
    for place in range(12):
        metric = metrics.add(name=f"app.thing{place}.value", unit="By" if place % 2 else "1", description="what it is")
        if place % 3:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
        data = metric.sum.data_points if place % 3 else metric.gauge.data_points
        for route in range(10):
            point = _point(data, number, {"http.request.method": "GET", "http.route": f"/api/{route}"})
            point.as_double = number * 1.5 + route
    for place in range(3):
        metric = metrics.add(name=f"http.server.duration{place}", unit="s")
        metric.histogram.aggregation_temporality = 2
        for route in range(10):
            labels = {"http.request.method": "GET", "http.route": f"/api/{route}"}
            point = _point(metric.histogram.data_points, number, labels)
            point.count, point.sum = 15 * number, 3.5 * number
            point.explicit_bounds.extend(_BOUNDS)
            point.bucket_counts.extend([number] * 15)
    return request


def _host(number: int) -> ExportMetricsServiceRequest:
    request, metrics = _request({"host.name": f"machine-{number % 20}", "os.type": "linux"})
    for name, label, values in (
        ("system.cpu.time", "state", ("user", "system", "idle", "interrupt", "nice", "softirq", "steal", "wait")),
        ("system.network.io", "direction", ("receive", "transmit")),
        ("system.disk.io", "direction", ("read", "write")),
    ):
        metric = metrics.add(name=name, unit="s" if "time" in name else "By")
        metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
        for unit in range(8):
            for value in values:
                labels = {"cpu" if "cpu" in name else "device": f"u{unit}", label: value}
                _point(metric.sum.data_points, number, labels).as_double = 2.5 * number
    metric = metrics.add(name="system.memory.usage", unit="By")
    for state in ("used", "free", "cached", "buffered"):
        _point(metric.gauge.data_points, number, {"state": state}).as_int = 1 << 30
    return request


def _request(resource: dict[str, str]) -> tuple[ExportMetricsServiceRequest, Any]:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    for key, text in resource.items():
        group.resource.attributes.add(key=key).value.string_value = text
    return request, group.scope_metrics.add().metrics


def _point(points: Any, number: int, labels: dict[str, str]) -> Any:
    time = _NOON_NS + number * 10_000_000_000
    point = points.add(time_unix_nano=time, start_time_unix_nano=_NOON_NS - 10**12)
    for key, text in labels.items():
        point.attributes.add(key=key).value.string_value = text
    return point


if __name__ == "__main__":
    main()
