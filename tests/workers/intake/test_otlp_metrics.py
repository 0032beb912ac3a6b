"""OTLP metrics against the published protobuf classes: nothing is lost, doubled or counted otherwise."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from schemas.columns import Events
from schemas.events import decode_events, encode_events, events_to_dicts
from tests.workers.intake.otlp_making import NOON_US, OTLP, decoded, metrics_request, sole
from tests.workers.intake.otlp_oracle import (
    expected_distributions,
    expected_numbers,
    metrics_requests,
    points,
)
from workers.intake.long_names import bounded_names


def numbers(events: Events) -> Counter[tuple[str, int, float, str]]:
    found: Counter[tuple[str, int, float, str]] = Counter()
    for event in events_to_dicts(events):
        for metric in event["metrics"].values():
            value, type_ = (metric["value"], metric["type"]) if isinstance(metric, dict) else (metric, "gauge")
            found[event["entity"], event["timestamp"], value, type_] += 1
    return found


def distributions(events: Events) -> Counter[tuple[str, int, str, int]]:
    return Counter(
        (event["entity"], event["timestamp"], one.get("type", "delta"), sum(one["counts"]))
        for event in events_to_dicts(events)
        for one in event.get("distributions", ())
    )


@settings(max_examples=300, deadline=None)
@given(metrics_requests())
def test_every_number_and_histogram_of_a_request_arrives_with_its_time_value_and_type(
    request: ExportMetricsServiceRequest,
) -> None:
    events, faults, counts = decoded([request.SerializeToString()])
    assert not faults
    assert numbers(events) == expected_numbers(request)
    assert distributions(events) == expected_distributions(request)
    assert counts.get("points", 0) == sum(1 for _ in points(request))
    back, faults = decode_events(encode_events(events))
    assert not faults
    assert events_to_dicts(back) == events_to_dicts(events)


@settings(max_examples=100, deadline=None)
@given(metrics_requests())
def test_json_says_the_same_as_protobuf(request: ExportMetricsServiceRequest) -> None:
    import orjson

    document = MessageToDict(request, use_integers_for_enums=True)
    document = {"resourceMetrics": document.get("resourceMetrics", [])}
    in_json, faults, counts = decoded([orjson.dumps(document)])
    in_protobuf, _, same = decoded([request.SerializeToString()])
    assert not faults
    assert counts.get("points") == same.get("points")
    assert events_to_dicts(in_json) == events_to_dicts(in_protobuf)


def test_types_follow_temporality_and_monotony() -> None:
    request, metrics = metrics_request()
    for name, temporality, monotonic in (("up", 2, True), ("level", 2, False), ("fresh", 1, True), ("moves", 1, False)):
        data = metrics.add(name=name).sum
        data.aggregation_temporality, data.is_monotonic = temporality, monotonic
        data.data_points.add(time_unix_nano=NOON_US * 1000, as_int=3)
    assert sole(request)["metrics"] == {
        "up": {"value": 3.0, "type": "counter"},
        "level": 3.0,
        "fresh": {"value": 3.0, "type": "delta"},
        "moves": {"value": 3.0, "type": "delta"},
    }


@pytest.mark.parametrize(
    ("name", "unit", "called"),
    [
        ("process.memory.usage", "By", "process_memory_usage_bytes"),
        ("memory_bytes", "By", "memory_bytes"),
        ("request.duration", "s", "request_duration_seconds"),
        ("request.duration", "ms", "request_duration_ms"),
        ("cpu.utilization", "1", "cpu_utilization_ratio"),
        ("queue.depth", "{item}", "queue_depth"),
        ("network.io", "By/s", "network_io_bytes_per_second"),
        ("network.io", "{packet}/s", "network_io_per_second"),
        ("odd", "foo bar", "odd_foo_bar"),
    ],
)
def test_units_stand_behind_the_name(name: str, unit: str, called: str) -> None:
    request, metrics = metrics_request()
    metrics.add(name=name, unit=unit).gauge.data_points.add(time_unix_nano=NOON_US * 1000, as_double=1)
    assert list(sole(request)["metrics"]) == [called]


def test_points_of_one_moment_are_one_event_and_later_ones_another() -> None:
    request, metrics = metrics_request()
    for name, later in (("a", 0), ("b", 4), ("c", 999), ("d", 1001)):
        metrics.add(name=name).gauge.data_points.add(time_unix_nano=(NOON_US + later * 1000) * 1000, as_int=1)
    events, _, _ = decoded([request.SerializeToString()])
    found = events_to_dicts(events)
    assert [sorted(event["metrics"]) for event in found] == [["a", "b", "c"], ["d"]]
    assert [event["timestamp"] - NOON_US for event in found] == [0, 1_001_000]


def test_a_point_without_a_time_has_that_of_its_record() -> None:
    request, metrics = metrics_request()
    metrics.add(name="a").gauge.data_points.add(as_int=1)
    assert sole(request)["timestamp"] == NOON_US + 5


def test_counters_of_two_instances_are_not_one() -> None:
    request = ExportMetricsServiceRequest()
    for pod in ("pod-1", "pod-2"):
        group = request.resource_metrics.add()
        group.resource.attributes.add(key="service.name").value.string_value = "shop"
        group.resource.attributes.add(key="k8s.pod.name").value.string_value = pod
        point = group.scope_metrics.add().metrics.add(name="hits").sum.data_points.add(time_unix_nano=NOON_US * 1000)
        point.as_int = 7
    events, _, _ = decoded([request.SerializeToString()])
    assert [event["entity"] for event in events_to_dicts(events)] == ["shop/pod-1", "shop/pod-2"]


def test_metrics_of_one_name_in_two_scopes_are_all_there() -> None:
    request, metrics = metrics_request()
    metrics.add(name="a").gauge.data_points.add(time_unix_nano=NOON_US * 1000, as_int=1)
    other = request.resource_metrics[0].scope_metrics.add().metrics.add(name="a")
    other.gauge.data_points.add(time_unix_nano=NOON_US * 1000, as_int=2)
    events, _, _ = decoded([request.SerializeToString()])
    assert [event["metrics"] for event in events_to_dicts(events)] == [{"a": 1.0}, {"a": 2.0}]


def test_exponential_buckets_become_bounds_and_counts() -> None:
    request, metrics = metrics_request()
    data = metrics.add(name="e").exponential_histogram
    data.aggregation_temporality = 1
    point = data.data_points.add(time_unix_nano=NOON_US * 1000, count=12, scale=0, zero_count=3, zero_threshold=0.25)
    point.positive.offset = 1
    point.positive.bucket_counts.extend([4, 0, 2, 0, 0])
    point.negative.offset = 0
    point.negative.bucket_counts.extend([1, 2])
    (one,) = sole(request)["distributions"]
    assert one["bounds"] == [-4.0, -2.0, -1.0, -0.25, 0.25, 2.0, 4.0, 8.0, 16.0]
    assert one["counts"] == [0, 2, 1, 0, 3, 0, 4, 0, 2, 0]


def test_too_many_exponential_buckets_are_merged_to_wider_ones() -> None:
    request, metrics = metrics_request()
    data = metrics.add(name="e").exponential_histogram
    data.aggregation_temporality = 2
    point = data.data_points.add(time_unix_nano=NOON_US * 1000, scale=6)
    point.positive.offset = 3
    point.positive.bucket_counts.extend([1] * 3000)
    (one,) = sole(request)["distributions"]
    assert len(one["counts"]) <= 1024
    assert sum(one["counts"]) == 3000
    step = 2.0**-6
    low, high = 2.0 ** (3 * step), 2.0 ** (3003 * step)
    assert one["bounds"][0] <= low
    assert high <= one["bounds"][-1]
    assert max(one["counts"]) == 4


@pytest.mark.parametrize(
    ("bounds", "counted", "why"),
    [
        ([1.0, 2.0], [1, 2], "one count more"),
        ([2.0, 1.0], [1, 2, 3], "must ascend"),
        ([math.inf], [1, 2], "finite"),
    ],
)
def test_impossible_buckets_are_a_dead_letter_that_says_why(bounds: list[float], counted: list[int], why: str) -> None:
    request, metrics = metrics_request()
    point = metrics.add(name="h").histogram.data_points.add(time_unix_nano=NOON_US * 1000)
    point.explicit_bounds.extend(bounds)
    point.bucket_counts.extend(counted)
    events, faults, _ = decoded([request.SerializeToString()])
    assert not len(events)
    assert why in faults[0].message
    assert faults[0].error_class == "invalid"


def test_a_resource_without_any_name_is_a_dead_letter_that_says_what_is_wanted() -> None:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="os.type").value.string_value = "linux"
    group.scope_metrics.add().metrics.add(name="a").gauge.data_points.add(as_int=1)
    good, metrics = metrics_request()
    metrics.add(name="a").gauge.data_points.add(as_int=1)
    events, faults, _ = decoded([request.SerializeToString(), good.SerializeToString()])
    assert [(fault.record, fault.error_class) for fault in faults] == [(0, "invalid")]
    assert "os.type" in faults[0].message
    assert "service.name" in faults[0].message
    assert events.record.tolist() == [1]


def test_fifty_thousand_points_in_one_record_become_events_of_256() -> None:
    request, metrics = metrics_request()
    data = metrics.add(name="load", unit="1").gauge
    for number in range(50_000):
        point = data.data_points.add(time_unix_nano=NOON_US * 1000, as_int=number)
        point.attributes.add(key="device").value.int_value = number
    events, faults, counts = decoded([request.SerializeToString()])
    assert not faults
    assert counts == {"points": 50_000}
    assert len(events) == -(-50_000 // 256)
    assert np.bincount(events.metric_row).max() == 256
    assert sorted(events.metric_value.tolist()) == list(range(50_000))
    assert len(set(events.metric_name.codes.tolist())) == 50_000


def test_a_very_long_label_keeps_its_series_apart_from_others() -> None:
    request, metrics = metrics_request()
    for name in ("a", "b" * 700):
        data = metrics.add(name=name).gauge
        for ending in "xy":
            point = data.data_points.add(time_unix_nano=NOON_US * 1000, as_int=1)
            point.attributes.add(key="path").value.string_value = "/long" * 400 + ending
    events, _, _ = decoded([request.SerializeToString()])
    (found,) = events_to_dicts(bounded_names(events))
    assert len(found["metrics"]) == 4
    assert all(len(name.encode()) <= 480 for name in found["metrics"])
    assert {name[:6] for name in found["metrics"]} == {"a{path", "bbbbbb"}


def test_host_metrics_become_the_base_metrics_of_a_machine() -> None:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="host.name").value.string_value = "web-1"
    metrics = group.scope_metrics.add().metrics

    def gauge(name: str, value: float, cumulative: bool = False, **labels: str) -> None:
        metric = metrics.add(name=name)
        if cumulative:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
        data: Any = metric.sum if cumulative else metric.gauge
        point = data.data_points.add(time_unix_nano=NOON_US * 1000, as_double=value)
        for key, text in labels.items():
            point.attributes.add(key=key).value.string_value = text

    for cpu, idle, user in (("cpu0", 0.75, 0.25), ("cpu1", 0.25, 0.5)):
        gauge("system.cpu.utilization", idle, cpu=cpu, state="idle")
        gauge("system.cpu.utilization", user, cpu=cpu, state="user")
        gauge("system.cpu.utilization", 1 - idle - user, cpu=cpu, state="system")
    for state, used in (("used", 300.0), ("free", 500.0), ("cached", 200.0), ("slab_reclaimable", 77.0)):
        gauge("system.memory.usage", used, state=state)
    for device in ("lo", "eth0", "eth1"):
        gauge("system.network.io", 1000.0, cumulative=True, device=device, direction="receive")
    for state, number in (("LISTEN", 3.0), ("ESTABLISHED", 5.0), ("TIME_WAIT", 2.0)):
        gauge("system.network.connections", number, protocol="tcp", state=state)
    gauge("system.disk.merged", 3.0, cumulative=True, device="sda")
    events, faults, _ = decoded([request.SerializeToString()])
    assert not faults
    by_kind = {event["kind"]: event for event in events_to_dicts(events)}
    assert {event["entity"] for event in by_kind.values()} == {"web-1"}
    assert by_kind["host"]["metrics"] == {
        "cpu_ratio": 0.5,
        "cpu_core_max_ratio": 0.75,
        "cpu_core_std_ratio": 0.25,
        "cpu_user_ratio": 0.375,
        "cpu_system_ratio": 0.125,
        "cpu_iowait_ratio": 0.0,
        "memory_total_bytes": 1000.0,
        "memory_used_bytes": 300.0,
        "memory_free_bytes": 700.0,
        "memory_used_ratio": 0.3,
        "network_receive_bytes": {"value": 2000.0, "type": "counter"},
        "connections": 7.0,
        "connections_listen": 3.0,
    }
    assert list(by_kind["metric"]["metrics"]) == [
        "system_memory_usage{state=slab_reclaimable}",
        "system_network_io{device=lo,direction=receive}",
        "system_disk_merged{device=sda}",
    ]


def machine() -> tuple[ExportMetricsServiceRequest, Any]:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="host.name").value.string_value = "web-1"
    return request, group.scope_metrics.add().metrics


def counted(metrics: Any, name: str, value: float, ms: int = 0, temporality: int = 2, **labels: str) -> None:
    metric = metrics.add(name=name)
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality, True
    point = metric.sum.data_points.add(time_unix_nano=(NOON_US + ms * 1000) * 1000, as_double=value)
    for key, text in labels.items():
        point.attributes.add(key=key).value.string_value = text


def host_metrics(request: ExportMetricsServiceRequest) -> tuple[dict[str, Any], dict[str, int]]:
    events, faults, counts = decoded([request.SerializeToString()])
    assert not faults
    (found,) = (event["metrics"] for event in events_to_dicts(events) if event["kind"] == "host")
    return found, dict(counts)


@pytest.mark.parametrize("scrapes", [(0, 400), (400, 0), (0, 0)])
def test_of_two_scrapes_that_are_one_event_the_last_one_counts(scrapes: tuple[int, int]) -> None:
    request, metrics = machine()
    for ms in scrapes:
        grown = ms / 100 if scrapes[0] != scrapes[1] else 4.0
        for device in ("sda", "sdb"):
            counted(metrics, "system.disk.io", 1_000.0 + grown, ms, device=device, direction="read")
        counted(metrics, "system.cpu.time", 10.0 + grown, ms, cpu="cpu0", state="user")
        counted(metrics, "system.processes.created", 5.0, ms, temporality=1)
    found, counts = host_metrics(request)
    assert found == {
        "disk_read_bytes": {"value": 2_008.0, "type": "counter"},
        "cpu_ratio": {"value": 14.0, "type": "rate"},
        "cpu_core_0_ratio": {"value": 14.0, "type": "rate"},
        "cpu_user_ratio": {"value": 14.0, "type": "rate"},
        "process_new": {"value": 10.0, "type": "delta"},
    }
    assert counts == {"points": 8, "points_replaced": 3}


def test_partitions_and_links_that_pass_on_what_others_carry_count_no_second_time() -> None:
    request, metrics = machine()
    disks = ("sda", "sda1", "nvme0n1", "nvme0n1p2", "dm-0", "loop3", "md127", "vdb", "vdb14", "sr0")
    for device in disks:
        counted(metrics, "system.disk.operations", 10.0, device=device, direction="write")
        counted(metrics, "system.disk.io_time", 3.0, device=device)
    for device in ("eth0", "enp3s0", "wlan0", "lo", "docker0", "br-1f", "veth12", "ifb0"):
        counted(metrics, "system.network.packets", 10.0, device=device, direction="transmit")
    found, _ = host_metrics(request)
    assert found == {
        "disk_writes": {"value": 30.0, "type": "counter"},
        "disk_busy_ratio": {"value": 3.0, "type": "rate"},
        "network_transmit_packets": {"value": 30.0, "type": "counter"},
    }


def test_the_format_is_told_by_looks() -> None:
    request, metrics = metrics_request()
    metrics.add(name="a").gauge.data_points.add(as_int=1)
    value = request.SerializeToString()
    assert OTLP.claims(value)
    assert not OTLP.claims(value[:-1])
    assert not any(map(OTLP.claims, (b"", b"\n", b'\n{"a": 1}', b"\n\n\n", b"{}", b"cpu usage=1")))
