"""Prometheus remote-write: every point of a request is an event's metric, or left out by a rule and counted."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import Fault
from schemas.events import events_to_dicts
from tests.support.write_requests import double, labels, message, number, request, series
from tests.workers.intake.test_intake_stage import NOON, PLAIN, decoded, intake, step
from workers.intake.formats.registry import BUILDERS, Given
from workers.intake.formats.remote_write import RemoteWriteFormat
from workers.intake.mappings import Mappings
from workers.settings import IntakeSettings

SAMPLES = Path(__file__).parent / "samples" / "remote_write"
MS = NOON // 1_000
STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
JOB = {"job": "shop", "instance": "web-1:9100"}


def wire(**settings: Any) -> RemoteWriteFormat:
    found = BUILDERS["remote_write"](Given(IntakeSettings(**settings), Mappings.load(IntakeSettings()), None))
    assert isinstance(found, RemoteWriteFormat)
    return found


FORMAT = wire()


def read(*values: bytes, one: RemoteWriteFormat = FORMAT) -> tuple[list[dict[str, Any]], list[Fault], dict[str, int]]:
    events, faults, counts = one.decode_counted(values, np.zeros(len(values), np.int64))
    return events_to_dicts(events), faults, {name: count for name, count in counts.items() if count}


def real(name: str) -> bytes:
    """A body that Prometheus 2.42 posted."""
    return (SAMPLES / f"{name}.snappy").read_bytes()


def test_what_prometheus_sends_is_an_event_for_each_target_and_time() -> None:
    (event,), faults, counts = read(real("samples"))
    assert not faults
    assert (event["entity"], event["kind"]) == ("golden/shop/web-1:9100", "metric")
    assert event["attributes"] == {"cluster": "golden", "instance": "web-1:9100", "service": "shop"}
    metrics = event["metrics"]
    assert metrics["http_requests_total{code=200,method=get}"] == {"value": 1027.0, "type": "counter"}
    assert metrics["request_duration_seconds_bucket{le=+Inf}"] == {"value": 100.0, "type": "counter"}
    assert metrics["rpc_duration_seconds{quantile=0.5}"] == 0.02
    assert metrics["memory_resident_bytes"] == 24_000_000.0
    assert counts == {"remote_write_points": 17, "remote_write_not_finite": 1}
    assert len(metrics) == 16


def test_of_a_native_histogram_count_and_sum_are_taken() -> None:
    (event,), _, _ = read(real("native"))
    counted = {name: value for name, value in event["metrics"].items() if name.startswith("request")}
    assert counted == {
        "request_seconds_count": {"value": 19.0, "type": "counter"},
        "request_seconds_sum": {"value": 12.5, "type": "counter"},
    }
    (event,), _, counts = read(real("native_stale"))
    assert not any(name.startswith("request") for name in event["metrics"])
    assert counts == {"remote_write_points": 7, "remote_write_stale": 2}


def test_a_gauge_histogram_and_one_of_floats_are_what_they_are() -> None:
    gauge = message(4, number(1, 7) + double(3, 2.5) + number(14, 3) + number(15, MS))
    floats = message(4, double(2, 1.5) + double(3, 9.0) + number(15, MS))
    parts = [message(1, labels({"__name__": name, **JOB}) + one) for name, one in (("g", gauge), ("f", floats))]
    (event,), _, _ = read(request(parts))
    assert event["metrics"] == {
        "g_count": 7.0,
        "g_sum": 2.5,
        "f_count": {"value": 1.5, "type": "counter"},
        "f_sum": {"value": 9.0, "type": "counter"},
    }


def test_staleness_markers_and_metadata_are_left_out_and_no_dead_letters() -> None:
    (event,), faults, counts = read(real("stale"))
    assert (faults, counts) == ([], {"remote_write_points": 17, "remote_write_stale": 12})
    assert len(event["metrics"]) == 5
    stale = request([series({"__name__": "up", **JOB}, (STALE, MS))])
    (chunk,) = step([real("metadata"), stale, real("samples"), PLAIN])
    assert (chunk.counts["processed"], chunk.counts["skipped"], chunk.counts["dead"]) == (2, 2, 0)
    assert chunk.counts["format_remote_write"] == 3


def test_points_of_one_target_are_gathered_by_time_in_their_order() -> None:
    parts = [
        series({"__name__": "a", **JOB}, (1.0, MS), (2.0, MS + 15_000)),
        series({"__name__": "b", "job": "other"}, (3.0, MS)),
        series({"__name__": "c_total", **JOB}, (4.0, MS + 15_000), (5.0, MS)),
    ]
    found, _, _ = read(request(parts))
    assert [(event["entity"], event["timestamp"] - NOON, event["metrics"]) for event in found] == [
        ("shop/web-1:9100", 0, {"a": 1.0, "c_total": {"value": 5.0, "type": "counter"}}),
        ("shop/web-1:9100", 15_000_000, {"a": 2.0, "c_total": {"value": 4.0, "type": "counter"}}),
        ("other", 0, {"b": 3.0}),
    ]


def test_more_metrics_than_an_event_may_hold_become_several_events() -> None:
    parts = [series({"__name__": f"m{n}", **JOB}, (float(n), MS)) for n in range(600)]
    found, _, _ = read(request(parts))
    assert [len(event["metrics"]) for event in found] == [256, 256, 88]
    assert {name: value for event in found for name, value in event["metrics"].items()} == {
        f"m{n}": float(n) for n in range(600)
    }


def test_fifty_thousand_points_of_one_record_are_all_there() -> None:
    parts = [series({"__name__": f"m{n % 100}", "job": f"j{n // 100}"}, (float(n), MS)) for n in range(50_000)]
    (chunk,) = step([request(parts)])
    assert (chunk.counts["processed"], chunk.counts["events"]) == (1, 500)
    assert chunk.counts["remote_write_points"] == 50_000


def test_whose_a_series_is_and_what_counts_can_be_set() -> None:
    one = wire(prometheus_entity="{job}", prometheus_counters=["bytes_*"])
    found, _, _ = read(request([series({"__name__": "bytes_in", **JOB}, (1.0, MS))]), one=one)
    assert [(event["entity"], event["metrics"]) for event in found] == [
        ("shop", {"bytes_in{instance=web-1:9100}": {"value": 1.0, "type": "counter"}})
    ]


@pytest.mark.parametrize("label", ["service", "host", "env", "environment", "namespace", "cluster", "instance", "job"])
@pytest.mark.parametrize("template", ["{instance}", "{job}", "{team}", "[{cluster}/][{namespace}/]{job}[/{instance}]"])
def test_counters_that_any_label_tells_apart_are_never_one(label: str, template: str) -> None:
    both = [
        series({"__name__": "made_total", "team": "a", **JOB, label: which}, (value, MS))
        for which, value in (("one", 1.0), ("two", 2.0))
    ]
    (chunk,) = step([request(both)], intake(INTAKE__PROMETHEUS_ENTITY=template))
    found = {(e["entity"], name, m["value"]) for e in decoded(chunk.outputs) for name, m in e["metrics"].items()}
    assert len({(entity, name) for entity, name, _ in found}) == 2
    assert {value for *_, value in found} == {1.0, 2.0}


def test_without_what_the_entity_needs_the_labels_beside_the_instance_stay_in_the_name() -> None:
    both = [series({"__name__": "a_total", "instance": "x", "namespace": n}, (1.0, MS)) for n in ("shop", "bank")]
    found, _, _ = read(request(both))
    assert [(e["entity"], list(e["metrics"]), e["attributes"]["namespace"]) for e in found] == [
        ("x", ["a_total{namespace=shop}"], "shop"),
        ("x", ["a_total{namespace=bank}"], "bank"),
    ]


def test_a_series_that_says_not_whose_it_is_is_left_out_and_counted() -> None:
    alert = series({"__name__": "ALERTS", "alertname": "Down"}, (1.0, MS))
    (event,), faults, counts = read(request([alert, series({"__name__": "up", **JOB}, (1.0, MS))]))
    assert (event["metrics"], faults) == ({"up": 1.0}, [])
    assert counts == {"remote_write_points": 2, "remote_write_without_entity": 1}
    _, faults, _ = read(request([alert]))
    assert "no entity: none of the series has job, or instance" in faults[0].message
    long = series({"__name__": "q", "query": "x" * 600, **JOB}, (1.0, MS))
    _, faults, counts = read(request([long]))
    assert (faults, counts) == ([], {"remote_write_points": 1, "remote_write_too_long": 1})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (request([message(4, b""), message(4, b"up"), message(5, b"")]), "remote write 2.0"),
        (request([series({"__name__": "up", **JOB}, (1.0, MS))])[:-4], "no snappy"),
        (request([b"\x0a\xff\xff\xff\x7f"]), "reaches past the record's end"),
        (request([message(1, labels({"__name__": "up"}) + message(2, number(2, 1 << 60)))]), "outside the years"),
        (request([message(1, message(1, message(1, b"\xff")) + message(2, b""))]), "not UTF-8"),
        (request([message(1, message(1, b"\x08\x01") + message(2, b""))]), "no pair of name and value"),
        (b"\x80\x80\x80\x80\x08\x04\x0a\x00", "FAULTLINE_INTAKE__MAX_UNPACKED_BYTES"),
    ],
)
def test_what_cannot_be_read_is_told_and_its_neighbours_pass(value: bytes, said: str) -> None:
    good = request([series({"__name__": "up", **JOB}, (1.0, MS))])
    found, faults, _ = read(good, value, good)
    assert len(found) == 2
    assert [fault.record for fault in faults] == [1]
    assert said in faults[0].message
    assert FORMAT.claims(value)


@pytest.mark.parametrize("size", [195, 200, 16_500])
def test_a_request_of_any_size_is_told_from_avro(size: int) -> None:
    empty = len(series({"__name__": "up", **JOB, "pad": ""}, (1.0, MS)))
    for pad in range(size - empty - 6, size - empty + 1):
        value = request([series({"__name__": "up", **JOB, "pad": "x" * pad}, (1.0, MS))])
        (chunk,) = step([value])
        assert chunk.counts["format_remote_write"] == 1


POINTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["x", "y"]),
        st.lists(st.tuples(st.floats(), st.integers(0, 4)), max_size=4),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(POINTS, max_size=4))
def test_points_taken_and_left_out_are_all_points(requests: list[list[Any]]) -> None:
    values, sent, expected = [], 0, 0
    for one in requests:
        parts = [
            series({"__name__": name, "job": job}, *[(v, MS + 1_000 * at) for v, at in points])
            for name, job, points in one
        ]
        values.append(request(parts))
        sent += sum(len(points) for _, _, points in one)
        expected += len({(n, j, at) for n, j, points in one for v, at in points if math.isfinite(v)})
    found, faults, counts = read(*values)
    assert not faults
    assert counts.get("remote_write_points", 0) == sent
    assert sum(len(event["metrics"]) for event in found) == expected


def test_requests_are_read_the_same_alone_and_in_company() -> None:
    values = [real(name) for name in ("samples", "native", "metadata", "stale")]
    together, _, _ = read(*values, one=wire())
    assert together == [event for value in values for event in read(value)[0]]
    assert intake().config_hash != intake(INTAKE__PROMETHEUS_ENTITY="{job}").config_hash
