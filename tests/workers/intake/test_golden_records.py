"""What real producers sent, byte by byte, through the decoders: everything that they said they sent becomes events."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import orjson
import pytest

from schemas.events import decode_events, events_to_dicts
from tests.support.producers.golden import golden, sent
from tests.workers.intake.test_intake_stage import NOON, step
from workers.intake.formats.registry import BUILDERS, Given
from workers.intake.mappings import Mappings
from workers.settings import IntakeSettings

SECOND = 1_000_000


def events_of(name: str) -> list[dict[str, Any]]:
    """The events of a capture, none of whose records may be a dead letter."""
    events = []
    for chunk in step(golden(name)):
        assert chunk.dead == []
        decoded, faults = decode_events([o.value for o in chunk.outputs], [o.key for o in chunk.outputs])
        assert not faults
        events += events_to_dicts(decoded)
    return events


def metrics_of(events: list[dict[str, Any]], entity: str, kind: str) -> dict[str, Any]:
    """Their metrics by name; of one that comes twice the last."""
    found: dict[str, Any] = {}
    for event in events:
        if (event["entity"], event["kind"]) == (entity, kind):
            found |= event["metrics"]
    return found


@pytest.mark.parametrize("template", ["rfc5424", "rfc3164", "forward"])
def test_each_line_that_rsyslog_relays_is_one_event_with_its_time_level_and_program(template: str) -> None:
    events = events_of(f"rsyslog/{template}")
    assert len(events) == sent(f"rsyslog/{template}")["lines"]
    zone, fraction = (7_200, 0) if template == "rfc3164" else (0, 123_456)  # the older form loses both
    assert [
        (e["entity"], e["timestamp"] - NOON, e["attributes"]["level"], e["attributes"]["host"]) for e in events
    ] == [
        ("su", fraction, "CRITICAL", "web-1"),
        ("shop", (1 + zone) * SECOND, "INFO", "web-2"),
        ("cron", 2 * SECOND, "INFO", "web-1"),
        ("kernel", 3 * SECOND, "ERROR", "web-1"),
        ("app", 4 * SECOND, "INFO", "web-1"),
    ]


def test_each_line_that_syslog_ng_relays_as_json_is_one_event_with_its_time_level_and_program() -> None:
    events = events_of("syslog-ng/json")
    told = {(e["entity"], e["timestamp"] - NOON, e["attributes"]["level"], e["attributes"]["host"]) for e in events}
    assert told == {
        ("su", 0, "CRITICAL", "web-1"),
        ("shop", SECOND, "notice", "web-2"),
        ("cron", 2 * SECOND, "notice", "web-1"),
        ("kernel", 3 * SECOND, "err", "web-1"),
        ("app", 4 * SECOND, "info", "web-1"),
    }


def test_each_line_that_kcat_sends_is_one_event_read_by_the_field_mapping() -> None:
    events = events_of("kcat/json")
    assert len(events) == sent("kcat/json")["lines"]
    assert [(e["entity"], e["kind"], e["timestamp"] - NOON, e["metrics"]) for e in events] == [
        ("prod/checkout", "api", SECOND // 4, {"latency_ms": 12.5}),
        ("cart", "api", SECOND, {"latency_ms": 2.5}),
        ("search", "log", 5 * SECOND // 2, {}),
        ("queue", "metric", 3 * SECOND, {}),
    ]


def values_of(name: str) -> list[tuple[str, str, Any]]:
    """Every value that collectd sent and that was read: entity of the machine, type, value."""
    lists = [one for record in golden(name) for one in orjson.loads(record)]
    return [
        (one["host"], kind, value)
        for one in lists
        for kind, value in zip(one["dstypes"], one["values"], strict=True)
        if value is not None
    ]


@pytest.mark.parametrize("name", ["collectd/rates", "collectd/counters"])
def test_every_value_that_collectd_read_becomes_a_metric_of_its_type(name: str) -> None:
    given = Given(IntakeSettings(collectd_rates=name.endswith("rates")), Mappings.load(IntakeSettings()), None)
    events, faults = BUILDERS["collectd"](given).decode(golden(name), np.zeros(len(golden(name)), np.int64))
    assert not faults
    found = [
        (event["attributes"]["host"], value["type"] if isinstance(value, dict) else "gauge")
        for event in events_to_dicts(events)
        for value in event["metrics"].values()
    ]
    types = {"gauge": "gauge", "absolute": "delta"}
    counted = "delta" if name.endswith("rates") else "counter"
    assert Counter(found) == Counter((host, types.get(kind, counted)) for host, kind, _ in values_of(name))


def test_collectds_rates_are_what_came_in_the_interval() -> None:
    events = events_of("collectd/rates")
    shop = metrics_of([e for e in events if e["timestamp"] <= NOON + 10 * SECOND], "web-1", "metric")
    delta = {"type": "delta"}
    assert shop["shop_derive_bytes"] == {"value": 500.0, **delta}
    assert shop["shop_counter_requests"] == {"value": 12.0, **delta}
    assert shop["shop_absolute_visits"] == {"value": 30.0, **delta}
    eth0 = metrics_of(events, "web-2/eth0", "host")
    assert {name: value["value"] for name, value in eth0.items()} == {
        "network_receive_bytes": 1000.0,
        "network_transmit_bytes": 500.0,
    }


def test_collectds_plugins_give_one_sample_a_second_of_the_base_metrics_of_a_host() -> None:
    events = [event for event in events_of("collectd/rates") if event["timestamp"] > NOON + 3600 * SECOND]
    host = metrics_of(events, "web-1", "host")
    wanted = {"memory_used_bytes", "load_1", "load_5", "load_15", "context_switches", "process_new", "uptime_seconds"}
    assert wanted <= host.keys()
    assert {event["timestamp"] % SECOND for event in events} == {0}
    assert {event["attributes"]["interval_ms"] for event in events} == {"1000"}
    assert host["load_1"] == pytest.approx(_value("load", "load", 0))


def _value(plugin: str, kind: str, place: int) -> float:
    lists = [one for record in golden("collectd/rates") for one in orjson.loads(record)]
    found = [one["values"][place] for one in lists if (one["plugin"], one["type"]) == (plugin, kind)]
    return float(found[-1])


@pytest.mark.parametrize("form", ["json", "influx"])
def test_telegrafs_plugins_give_the_base_metrics_of_a_host(form: str) -> None:
    host = metrics_of(events_of(f"telegraf/host_{form}"), "web-1", "host")
    known = {"cpu_ratio", "cpu_user_ratio", "cpu_core_0_ratio", "memory_used_ratio", "memory_total_bytes"}
    known |= {"load_1", "load_5", "load_15", "process_count", "thread_count", "context_switches", "process_new"}
    assert known | {"swap_used_bytes", "disk_used_ratio", "uptime_seconds"} <= host.keys()
    assert 0 <= host["cpu_ratio"] <= 1
    assert host["context_switches"]["type"] == "counter"


@pytest.mark.parametrize("form", ["json", "influx"])
def test_telegrafs_snmp_readings_are_of_the_devices_interfaces(form: str) -> None:
    events = events_of(f"telegraf/snmp_{form}")
    eth0 = metrics_of(events, "router-1/eth0", "host")
    assert {name.removeprefix("network_") for name in eth0} == {
        f"{way}_{what}" for way in ("receive", "transmit") for what in ("bytes", "packets", "errors", "drops")
    }
    assert {value["type"] for value in eth0.values()} == {"counter"}
    assert "uptime_seconds" in metrics_of(events, "router-1", "host")
    assert all(event["attributes"]["agent"] == "web-1" for event in events)


def test_what_telegraf_reads_in_one_go_has_one_time() -> None:
    times = Counter(event["timestamp"] for event in events_of("telegraf/host_json"))
    assert len(times) <= 3
    assert {time % SECOND for time in times} == {0}


@pytest.mark.parametrize(
    ("capture", "form"),
    [
        *((f"collectd/{name}", "collectd") for name in ("rates", "counters")),
        *((f"rsyslog/{name}", "syslog") for name in ("rfc5424", "rfc3164", "forward")),
        *((f"telegraf/{name}_json", "telegraf") for name in ("host", "snmp")),
        *((f"telegraf/{name}_influx", "influx") for name in ("host", "snmp")),
        ("kcat/json", "fields"),
        ("syslog-ng/json", "fields"),
    ],
)
def test_the_format_of_a_golden_record_is_told_by_its_bytes(capture: str, form: str) -> None:
    counts: Counter[str] = Counter()
    for chunk in step(golden(capture)):
        counts.update({name: count for name, count in chunk.counts.items() if name.startswith("format_")})
    assert counts == {f"format_{form}": len(golden(capture))}


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
@pytest.mark.parametrize(
    ("capture", "signal", "counted"),
    [
        ("metrics", "metrics", "points"),
        ("hostmetrics", "metrics", "points"),
        ("logs", "logs", "logs"),
        ("filelog", "logs", "logs"),
        ("traces", "traces", "spans"),
    ],
)
def test_everything_that_the_collector_says_it_sent_is_decoded(
    capture: str, signal: str, counted: str, encoding: str
) -> None:
    name = f"collector/{capture}_{encoding}"
    counts: Counter[str] = Counter()
    for chunk in step(golden(name)):
        assert chunk.dead == []
        counts.update(chunk.counts)
    assert counts[counted] == sent(name)[signal]
    assert counts["format_otlp"] == len(golden(name))
    if counted != "points":
        assert counts["events"] == counts[counted]


@pytest.mark.parametrize("capture", ["metrics", "logs", "traces"])
def test_both_encodings_of_the_collector_say_the_same(capture: str) -> None:
    proto, plain = (events_of(f"collector/{capture}_{encoding}") for encoding in ("otlp_proto", "otlp_json"))
    assert [_sorted(event) for event in proto] == [_sorted(event) for event in plain]
    assert {event["entity"] for event in proto} == {"prod/shop/checkout"}


def _sorted(event: dict[str, Any]) -> dict[str, Any]:
    """Without the time of arrival, and metrics in the order of their names."""
    rest = {name: value for name, value in event.items() if name not in ("observed_at", "distributions")}
    shapes = sorted(event.get("distributions", ()), key=lambda one: str(one["name"]))
    return rest | {"metrics": dict(sorted(event["metrics"].items())), "distributions": shapes}


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_a_scrape_of_the_collectors_host_metrics_is_one_sample_of_the_host(encoding: str) -> None:
    (host,) = [event for event in events_of(f"collector/hostmetrics_{encoding}") if event["kind"] == "host"]
    assert host["entity"] == "web-1"
    wanted = {"memory_used_bytes", "memory_used_ratio", "load_1", "disk_used_ratio", "network_receive_bytes"}
    assert wanted <= host["metrics"].keys()
