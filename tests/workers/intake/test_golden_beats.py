"""What real Metricbeat and Filebeat sent, byte by byte, through the decoders."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest

from tests.support.producers.golden import golden
from tests.workers.intake.test_golden_records import events_of, metrics_of
from tests.workers.intake.test_intake_stage import NOON, step

SECOND = 1_000_000


@pytest.mark.parametrize(("capture", "form"), [("metricbeat/modules", "metricbeat"), ("filebeat/inputs", "fields")])
def test_the_format_of_a_beat_is_told_by_its_bytes_with_tags_and_fields_of_its_own(capture: str, form: str) -> None:
    counts: Counter[str] = Counter()
    for chunk in step(golden(capture)):
        assert chunk.dead == []
        counts.update(chunk.counts)
    assert counts[f"format_{form}"] == len(golden(capture))
    failed = sum(b'"error":' in record for record in golden(capture))
    assert (counts["processed"], counts["skipped"]) == (len(golden(capture)) - failed, failed)


def test_the_metricsets_of_metricbeat_give_the_base_metrics_of_a_host() -> None:
    host = metrics_of(events_of("metricbeat/modules"), "web-1", "host")
    known = {"cpu_ratio", "cpu_user_ratio", "cpu_system_ratio", "cpu_core_0_ratio", "memory_total_bytes"}
    known |= {"memory_used_bytes", "memory_used_ratio", "memory_free_bytes", "swap_used_bytes", "disk_used_ratio"}
    known |= {"load_1", "load_5", "load_15", "process_count", "connections", "connections_listen", "uptime_seconds"}
    totals = {"disk_read_bytes", "disk_write_bytes", "network_receive_bytes", "network_transmit_bytes"}
    totals |= {"network_receive_packets", "network_transmit_packets"}
    assert known | totals <= host.keys()
    assert {host[name]["type"] for name in totals} == {"delta"}
    assert 0 <= host["cpu_ratio"] <= 1
    assert 0 < host["memory_used_ratio"] < 1
    assert host["memory_used_bytes"] < host["memory_total_bytes"]


def test_interfaces_and_disks_of_metricbeat_are_parts_of_the_machine() -> None:
    events = events_of("metricbeat/modules")
    eth0 = metrics_of(events, "web-1/eth0", "host")
    assert {name.removeprefix("network_") for name in eth0} == {
        f"{way}_{what}" for way in ("receive", "transmit") for what in ("bytes", "packets", "errors", "drops")
    }
    told = (one.get("system", {}).get("diskio") for one in map(orjson.loads, golden("metricbeat/modules")))
    disk = metrics_of(events, "web-1/" + next(one["name"] for one in told if one), "host")
    assert disk.keys() == {"disk_reads", "disk_writes", "disk_read_bytes", "disk_write_bytes", "disk_busy_ratio"}
    assert {value["type"] for value in eth0.values()} == {"counter"}
    loop = metrics_of(events, "web-1", "metric")["system_network_in_bytes{name=lo}"]
    assert loop["type"] == "counter"


def test_what_metricbeat_reads_in_a_period_is_one_sample_and_keeps_the_beats_own_words() -> None:
    events = events_of("metricbeat/modules")
    assert {event["timestamp"] % SECOND for event in events} == {0}
    assert len({event["timestamp"] for event in events}) < 6
    assert {event["attributes"].get("env") for event in events} == {"prod"}


def test_of_two_servers_that_metricbeat_asks_each_has_its_own_metrics() -> None:
    address = next(
        one["service"]["address"] for one in map(orjson.loads, golden("metricbeat/modules")) if "redis" in one
    )
    metrics = metrics_of(events_of("metricbeat/modules"), "web-1", "metric")
    assert metrics[f"redis_keyspace_keys{{address={address},id=db0}}"] == 1.0
    assert metrics[f"redis_info_stats_commands_processed{{address={address}}}"]["type"] == "counter"
    assert not any("{" not in name for name in metrics if name.startswith("redis_"))


def test_each_line_that_filebeat_ships_is_one_event_of_the_service_that_wrote_it() -> None:
    events = events_of("filebeat/inputs")
    shop = {"level": "info", "service": "shop", "host": "web-1"}
    refused = {"level": "error", "service": "shop", "host": "web-1", "status_code": "502"}
    cart = {"service": "cart", "env": "prod", "host": "web-1"}
    told = Counter((event["entity"], event["kind"], *sorted(event["attributes"].items())) for event in events)
    assert told == {
        ("prod/cart", "log", *sorted(cart.items())): 2,
        ("shop", "api", *sorted(shop.items())): 3,
        ("shop", "api", *sorted(refused.items())): 3,
        ("su", "log", *sorted({"service": "su", "host": "web-2", "level": "Critical"}.items())): 1,
        ("cron", "log", *sorted({"service": "cron", "host": "web-3", "level": "Notice"}.items())): 1,
    }
    assert [event["metrics"] for event in events if event["metrics"]] == [{"latency_ms": 12.5}] * 3
    syslog = [event["timestamp"] - NOON for event in events if event["entity"] in ("su", "cron")]
    assert syslog == [123_000, 2 * SECOND]
