"""What a real OpenTelemetry Collector wrote to Kafka, in both of its encodings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from models.features.host import BASE
from schemas.events import events_to_dicts
from tests.workers.intake.otlp_making import OTLP, decoded

NOT_TOLD = {
    *("cpu_core_2_ratio", "cpu_core_3_ratio", "swap_used_bytes", "swap_used_ratio"),  # that machine has none
    *("cpu_core_max_ratio", "cpu_core_std_ratio"),  # of `system.cpu.utilization`, which is off by default
    *("context_switches", "open_files", "thread_count", "process_ended", "process_suspicious"),  # of the machine
    *("process_top5_cpu_ratio", "process_top5_memory_ratio", "process_name_entropy", "process_name_diversity_ratio"),
}
"""What the profile `host` has, and a scrape of the receiver that was recorded does not tell."""

COLLECTOR = Path(__file__).parent / "golden" / "collector"


def recorded(name: str, encoding: str) -> list[bytes]:
    if encoding == "otlp_json":
        return [one.encode() for one in orjson.loads((COLLECTOR / f"{name}_otlp_json.json").read_bytes())]
    return [one.read_bytes() for one in sorted((COLLECTOR / f"{name}_otlp_proto").iterdir())]


def events(name: str, encoding: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    values = recorded(name, encoding)
    assert all(map(OTLP.claims, values))
    found, faults, counts = decoded(values)
    assert not faults
    return events_to_dicts(found), dict(counts)


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_metrics_of_the_collector_are_all_there(encoding: str) -> None:
    found, counts = events("metrics", encoding)
    assert counts == {"points": 20}
    assert {event["entity"] for event in found} == {"prod/shop/checkout"}
    first, second = found
    assert first["metrics"]["http_requests{method=GET}"] == {"value": 1000.0, "type": "counter"}
    assert second["metrics"]["http_requests{method=GET}"] == {"value": 1050.0, "type": "counter"}
    assert first["metrics"]["jobs_done"] == {"value": 5.5, "type": "delta"}
    assert first["metrics"]["queue_depth"] == 7.0
    assert first["metrics"]["gc_pause_ms{quantile=0.99}"] == 1.5
    by_name = {one["name"]: one for one in first["distributions"]}
    assert by_name["http_server_request_duration_seconds{http_route=/pay}"] == {
        "name": "http_server_request_duration_seconds{http_route=/pay}",
        "bounds": [0.5, 1.0, 5.0],
        "counts": [6, 3, 1, 1],
        "type": "counter",
    }
    for name, type_ in (("rpc_server_duration_ms", "counter"), ("rpc_client_duration_ms", "delta")):
        assert by_name[name].get("type", "delta") == type_
        assert sum(by_name[name]["counts"]) == first["metrics"][f"{name}_count"]["value"]


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_a_machine_of_the_hostmetrics_receiver_has_one_sample(encoding: str) -> None:
    found, counts = events("hostmetrics", encoding)
    assert counts == {"points": 97}
    assert {(event["entity"], event["kind"]) for event in found} == {("web-1", "host"), ("web-1", "metric")}
    assert len({event["timestamp"] for event in found}) == 1
    (host,) = (event["metrics"] for event in found if event["kind"] == "host")
    assert host["cpu_ratio"]["type"] == "rate"
    assert 0 < host["memory_used_ratio"] < 1
    assert host["memory_used_bytes"] + host["memory_free_bytes"] == host["memory_total_bytes"]
    assert {feature.name for feature in BASE} - host.keys() == NOT_TOLD


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_spans_and_logs_of_the_collector_are_events(encoding: str) -> None:
    spans, counts = events("traces", encoding)
    assert counts == {"spans": 3, "spans_skipped": 0}
    assert [event["metrics"]["latency_ms"] for event in spans] == [12.5, 250.0, 3.25]
    assert [event["attributes"].get("status_code") for event in spans] == ["200", "503", None]
    assert [event["attributes"].get("error") for event in spans] == [None, "true", None]
    logs, _ = events("logs", encoding)
    assert [event["attributes"]["level"] for event in logs] == ["ERROR", "INFO", "WARN"]
    assert logs[0]["attributes"]["message"] == "payment failed: card 4111 declined"
    lines, _ = events("filelog", encoding)
    assert [event["attributes"]["message"] for event in lines] == ["started", "ERROR out of memory"]
    assert {event["entity"] for event in lines} == {"web-1"}
