"""Telegraf, line protocol, collectd, syslog and CloudEvents, from raw records to canonical events."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import COUNTER, DELTA
from schemas.events import decode_events, events_to_dicts
from tests.workers.intake.test_intake_stage import ARRIVED, NOON, intake, letters, outputs, step
from workers.intake.formats.registry import BUILDERS, Given
from workers.intake.mappings import Mappings
from workers.settings import IntakeSettings

FORMATS = {
    name: build(Given(IntakeSettings(), Mappings.load(IntakeSettings()), None)) for name, build in BUILDERS.items()
}
NOON_S = NOON // 1_000_000


def events(*values: Any) -> list[dict[str, Any]]:
    found = outputs(list(values))
    decoded, faults = decode_events([o.value for o in found], [o.key for o in found])
    assert not faults
    return events_to_dicts(decoded)


def seen(event: dict[str, Any]) -> tuple[str, str, int, dict[str, str], dict[str, Any]]:
    return event["entity"], event["kind"], event["timestamp"] - NOON, event["attributes"], event["metrics"]


TELEGRAF = {
    "fields": {"usage_user": 1.5, "usage_nice": 97, "model": "x", "online": True},
    "name": "cpu",
    "tags": {"cpu": "cpu0", "host": "web-1"},
    "timestamp": NOON_S,
}
COLLECTD = [
    {
        "values": [12.5],
        "dstypes": ["gauge"],
        "dsnames": ["value"],
        "time": NOON_S + 0.25,
        "interval": 10.0,
        "host": "web-1",
        "plugin": "memory",
        "plugin_instance": "",
        "type": "memory",
        "type_instance": "cached",
    },
    {
        "values": [100, None],
        "dstypes": ["derive", "derive"],
        "dsnames": ["rx", "tx"],
        "time": NOON_S + 0.25,
        "interval": 10.0,
        "host": "web-1",
        "plugin": "interface",
        "plugin_instance": "eth0",
        "type": "if_octets",
        "type_instance": "",
    },
]
VECTOR = {
    "name": "requests",
    "namespace": "app",
    "tags": {"host": "web-1", "mode": "idle", "many": ["a", "b"], "none": None},
    "timestamp": "2026-03-01T12:00:00.000Z",
}
BEAT: dict[str, Any] = {
    "@timestamp": "2026-03-01T12:00:00.000Z",
    "@metadata": {"beat": "metricbeat", "type": "_doc", "version": "8.12.0"},
    "agent": {"type": "metricbeat", "name": "web-1"},
    "host": {"name": "web-1"},
    "service": {"type": "system"},
}


def test_telegraf_metrics_are_named_by_measurement_field_and_what_tells_them_apart() -> None:
    (event,) = events(TELEGRAF)
    metrics = {"cpu_usage_user{cpu=cpu0}": 1.5, "cpu_usage_nice{cpu=cpu0}": 97.0, "cpu_online{cpu=cpu0}": 1.0}
    assert seen(event) == ("web-1", "metric", 0, {"host": "web-1"}, metrics)


def test_a_telegraf_batch_is_an_event_for_each_host_and_time() -> None:
    second = TELEGRAF | {"tags": {"cpu": "cpu1", "host": "web-1"}}
    third = TELEGRAF | {"tags": {"host": "web-2", "service": "shop", "env": "prod"}, "timestamp": NOON + 5_000_000}
    found = events({"metrics": [TELEGRAF, second, third]})
    assert [(event["entity"], len(event["metrics"])) for event in found] == [("web-1", 6), ("prod/shop", 3)]
    assert found[1]["timestamp"] - NOON == 5_000_000


@pytest.mark.parametrize(
    ("line", "metrics", "later"),
    [
        (b"cpu,host=a usage=1.5,n=3i,up=true %d", {"cpu_usage": 1.5, "cpu_n": 3.0, "cpu_up": 1.0}, 0),
        (b'disk,host=a,path=/var\\ log used=5u,label="a, b=\\"c\\" d" %d', {"disk_used{path=/var log}": 5.0}, 0),
        (b"my\\,cpu,host=a us\\=er=1 %d", {"my,cpu_us=er": 1.0}, 0),
        (b"cpu,host=a usage=-1e3", {"cpu_usage": -1000.0}, ARRIVED - NOON),
    ],
)
def test_line_protocol_is_read_with_its_escapes(line: bytes, metrics: dict[str, float], later: int) -> None:
    value = line % (NOON * 1000) if b"%d" in line else line
    (event,) = events(value)
    assert seen(event) == ("a", "metric", later, {"host": "a"}, metrics)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_the_unit_of_a_lines_time_is_told_by_its_size(unit: int) -> None:
    (event,) = events(b"cpu,host=a usage=1 %d" % (NOON_S * unit))
    assert event["timestamp"] == NOON


def test_lines_of_one_host_and_time_are_one_event() -> None:
    lines = b"cpu,host=a x=1 %d\nmem,host=a x=2 %d\nmem,host=b x=3 %d\n" % ((NOON * 1000,) * 3)
    assert [(e["entity"], e["metrics"]) for e in events(lines)] == [
        ("a", {"cpu_x": 1.0, "mem_x": 2.0}),
        ("b", {"mem_x": 3.0}),
    ]


def test_collectd_gives_what_came_in_an_interval_and_leaves_out_what_was_not_read() -> None:
    host, other = events(COLLECTD)[::-1]
    known = {"host": "web-1", "interval_ms": "10000"}
    assert seen(other) == ("web-1", "metric", 10_000_000, known, {"memory_cached": 12.5})
    received = {"network_receive_bytes": {"value": 1000.0, "type": "delta"}}
    assert seen(host) == ("web-1/eth0", "host", 10_000_000, known, received)


def test_an_interface_that_collectd_asked_by_snmp_is_a_part_of_the_device() -> None:
    table = {
        "host": "router-1",
        "plugin": "snmp",
        "plugin_instance": "",
        "type_instance": "ge-0/0/1",
        "values": [100, 50],
    }
    host, other = events([COLLECTD[1] | table], [COLLECTD[1] | table | {"type": "ping"}])
    assert (host["entity"], host["kind"]) == ("router-1/ge-0/0/1", "host")
    assert host["metrics"] == {"network_receive_bytes": delta(1000.0), "network_transmit_bytes": delta(500.0)}
    assert other["metrics"] == {"snmp_ping_ge-0/0/1_rx": delta(1000.0), "snmp_ping_ge-0/0/1_tx": delta(500.0)}


def test_collectd_without_rates_sends_counters() -> None:
    given = Given(IntakeSettings(collectd_rates=False), Mappings.load(IntakeSettings()), None)
    found, faults = BUILDERS["collectd"](given).decode([orjson.dumps(COLLECTD)], np.array([ARRIVED]))
    assert not faults
    (host,) = [event for event in events_to_dicts(found) if event["kind"] == "host"]
    assert host["metrics"] == {"network_receive_bytes": {"value": 100.0, "type": "counter"}}


@pytest.mark.parametrize(
    ("interval", "time", "aligned"),
    [(10.0, 0.25, 10), (10.0, 0.0, 0), (1.0, 0.25, 1), (3600.0, 0.25, 60), (3600.0, 61.0, 120)],
)
def test_what_collectd_reads_in_one_go_is_of_one_time(interval: float, time: float, aligned: int) -> None:
    (event,) = events([COLLECTD[0] | {"interval": interval, "time": NOON_S + time}])
    assert event["timestamp"] - NOON == aligned * 1_000_000


@pytest.mark.parametrize("value", [[COLLECTD[0] | {"values": [None]}], TELEGRAF | {"fields": {"a": "text"}}])
def test_a_record_that_holds_no_number_is_no_event_and_no_dead_letter(value: Any) -> None:
    (chunk,) = step([orjson.dumps(value)])
    assert (chunk.outputs, chunk.dead) == ([], [])


@pytest.mark.parametrize(
    ("line", "later", "level", "service"),
    [
        (b"<34>1 2026-03-01T12:00:00.003Z web-1 su 312 ID47 - text", 3_000, "CRITICAL", "su"),
        (b'<165>1 2026-03-01T14:00:00+02:00 web-1 nginx - - [a@1 b="c"] \xef\xbb\xbftext', 0, "INFO", "nginx"),
        (b"<11>1 - web-1 app - - -", ARRIVED - NOON, "ERROR", "app"),
        (b"<12>Mar  1 12:00:01 web-1 sshd[99]: Failed password", 1_000_000, "WARN", "sshd"),
        (b"<15>Feb 28 12:00:00 web-1 cron: tick", -86_400_000_000, "DEBUG", "cron"),
    ],
)
def test_syslog_lines_of_both_kinds(line: bytes, later: int, level: str, service: str) -> None:
    (event,) = events(line)
    facility = str(int(line[1 : line.index(b">")]) // 8)
    attributes = {"service": service, "host": "web-1", "level": level, "facility": facility}
    assert seen(event) == (service, "log", later, attributes, {})


@pytest.mark.parametrize(
    ("line", "service", "host"),
    [
        (b"nginx[312]: connect failed", "nginx", None),
        (b"app: user logged in", "app", None),
        (b"app:user logged in", "app", None),
        (b"kernel: [12.3] eth0: link up", "kernel", None),
        (b"web-1 app: user: logged in", "app", "web-1"),
        (b"web-1 nginx[312]: connect failed", "nginx", "web-1"),
        (b"web-1 last message repeated 2 times", "last", "web-1"),
        (b"fe80::1 app: x", "app", "fe80::1"),
    ],
)
def test_an_old_line_may_lack_its_host(line: bytes, service: str, host: str | None) -> None:
    (event,) = events(b"<13>Mar  1 12:00:00 " + line)
    assert (event["entity"], event["attributes"].get("host")) == (service, host)


@pytest.mark.parametrize(
    ("line", "host", "later"),
    [
        (b"<189>12345: router1: Mar  1 12:00:00.123: %SYS-5-CONFIG_I: x", "router1", 123_000),
        (b"<189>12345: .Mar 1 12:00:01 UTC: %SYS-5-CONFIG_I: x", None, 1_000_000),
        (b"<189>10.0.0.1: Mar  1 12:00:00: %SYS-SP-5-CONFIG_I: x", "10.0.0.1", 0),
        (b"<189>12345: router1: *Mar  1 12:00:00.123: %SYS-5-CONFIG_I: x", "router1", ARRIVED - NOON),
    ],
)
def test_a_line_of_ciscos_is_of_its_facility_and_has_the_time_of_arrival_where_the_clock_is_not_set(
    line: bytes, host: str | None, later: int
) -> None:
    (event,) = events(line)
    assert (event["entity"], event["attributes"].get("host"), event["attributes"]["level"]) == ("SYS", host, "INFO")
    assert event["timestamp"] - NOON == later


def test_an_old_line_of_new_years_eve_is_of_the_year_that_ended() -> None:
    arrived = np.array([1_767_225_605_000_000])  # 2026-01-01T00:00:05Z
    found, faults = FORMATS["syslog"].decode([b"<14>Dec 31 23:59:59 web-1 app: x"], arrived)
    assert not faults
    assert int(found.time[0]) == 1_767_225_599_000_000


def test_cloud_events_lend_their_time_and_source() -> None:
    envelope = {"specversion": "1.0", "type": "request", "source": "/shop/checkout", "id": "1"}
    time = "2026-03-01T12:00:00Z"
    lent, own = events(
        {**envelope, "time": time, "data": {"latency_ms": 5}},
        {**envelope, "data": {"timestamp": time, "service": "cart", "status": 500}},
    )
    assert seen(lent) == ("checkout", "api", 0, {"service": "checkout"}, {"latency_ms": 5.0})
    assert seen(own) == ("cart", "api", 0, {"service": "cart", "status_code": "500"}, {})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (orjson.dumps(TELEGRAF | {"timestamp": "soon"}), "timestamp 'soon'"),
        (orjson.dumps(TELEGRAF | {"tags": {"cpu": "a"}}), "no entity: the tags need service, or host"),
        (orjson.dumps([COLLECTD[1] | {"interval": "soon"}]), "a rate needs interval (seconds)"),
        (orjson.dumps(TELEGRAF)[:-1], "not JSON"),
        (b"cpu,host=a usage=1.2.3", "field 'usage' is '1.2.3'"),
        (b"cpu,host=a usage=1 2 3", "no line protocol"),
        (orjson.dumps([COLLECTD[0] | {"dstypes": ["gauge", "gauge"]}]), "2 dstypes"),
        (orjson.dumps([COLLECTD[0] | {"plugin": "", "type": "", "type_instance": ""}]), "a metric has an empty name"),
        (orjson.dumps([COLLECTD[0] | {"dstypes": [{}]}]), "there are gauge, counter, derive, absolute"),
        (orjson.dumps([COLLECTD[0] | {"dstypes": ["meter"]}]), "'meter'; there are gauge, counter, derive, absolute"),
        (orjson.dumps(VECTOR | {"kind": "incremental", "gauge": {"value": 1}}), "incremental gauge"),
        (orjson.dumps(VECTOR | {"kind": "absolute", "sketch": {}}), "no value that is known here"),
        (orjson.dumps(BEAT | {"metricset": {}, "event": {"module": "x"}}), "there is no object of that name"),
        (b"<34>hello", "no syslog line"),
        (b"<34>Mar  1 12:00:00 web-1 [12.3] x", "no syslog line"),
        (b"<34>Mar  1 12:00:00 connected", "no syslog line"),
        (b"<999>1 2026-03-01T12:00:00Z a b c d - x", "the priority is 999"),
        (b"<34>1 yesterday a b c d - x", "timestamp 'yesterday'"),
        (b"<34>Feb 30 12:00:00 a b: x", "no day of any year"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_that_names_the_field(value: bytes, told: str) -> None:
    assert told in letters([value])[0]


def test_a_record_with_one_event_too_large_is_a_dead_letter_as_a_whole() -> None:
    long = TELEGRAF | {"tags": {"host": "h" * 600}}
    (chunk,) = step([orjson.dumps({"metrics": [TELEGRAF, long]}), TELEGRAF])
    assert [(letter.index, letter.error_class) for letter in chunk.dead] == [(0, "too_large")]
    assert (len(chunk.outputs), chunk.counts["processed"], chunk.counts["events"]) == (1, 1, 1)


def test_more_metrics_of_one_moment_than_an_event_may_hold_are_several_events() -> None:
    found = events(TELEGRAF | {"fields": {f"f{n}": n for n in range(600)}})
    assert [len(event["metrics"]) for event in found] == [256, 256, 88]
    assert {event["timestamp"] for event in found} == {NOON}


def test_formats_are_told_apart_in_one_batch() -> None:
    line = b"cpu,host=a usage=1"
    (chunk,) = step([orjson.dumps(TELEGRAF), orjson.dumps(COLLECTD), line, b"<34>1 - a b - - -", b"\xff\xfe"], intake())
    told = {name: count for name, count in chunk.counts.items() if name.startswith("format_")}
    assert told == {"format_telegraf": 1, "format_collectd": 1, "format_influx": 1, "format_syslog": 1}


def counter(value: float) -> dict[str, Any]:
    return {"value": value, "type": "counter"}


def delta(value: float) -> dict[str, Any]:
    return {"value": value, "type": "delta"}


@pytest.mark.parametrize(
    ("value", "metrics"),
    [
        ({"kind": "incremental", "counter": {"value": 3.0}}, {"app_requests{L}": delta(3.0)}),
        ({"kind": "absolute", "counter": {"value": 3.0}}, {"app_requests{L}": counter(3.0)}),
        ({"kind": "absolute", "gauge": {"value": -1.5}}, {"app_requests{L}": -1.5}),
        ({"kind": "incremental", "set": {"values": ["a", "b"]}}, {"app_requests{L}": 2.0}),
        (
            {
                "kind": "incremental",
                "distribution": {"samples": [{"value": 2.0, "rate": 3}, {"value": 1.0, "rate": 1}]},
            },
            {"app_requests_count{L}": delta(4.0), "app_requests_sum{L}": delta(7.0)},
        ),
        (
            {
                "kind": "absolute",
                "aggregated_histogram": {
                    "buckets": [{"upper_limit": 0.1, "count": 2}, {"upper_limit": 1.0, "count": 3}],
                    "count": 6,
                    "sum": 7.5,
                },
            },
            {
                "app_requests_count{L}": counter(6.0),
                "app_requests_sum{L}": counter(7.5),
            },
        ),
        (
            {
                "kind": "absolute",
                "aggregated_summary": {"quantiles": [{"quantile": 0.5, "value": 0.2}], "count": 6, "sum": 7.5},
            },
            {
                "app_requests_count{L}": counter(6.0),
                "app_requests_sum{L}": counter(7.5),
                "app_requests{L,quantile=0.5}": 0.2,
            },
        ),
    ],
)
@pytest.mark.parametrize("native", [False, True])
def test_vectors_metrics_are_named_and_typed(value: dict[str, Any], metrics: dict[str, Any], native: bool) -> None:
    (event,) = events({"metric": VECTOR | value} if native else VECTOR | value)
    named = {name.replace("L", "many=a\\,b,mode=idle"): found for name, found in metrics.items()}
    assert seen(event) == ("web-1", "metric", 0, {"host": "web-1"}, named)


@pytest.mark.parametrize(
    ("value", "bounds", "counts", "code"),
    [
        (
            {"buckets": [{"upper_limit": 0.1, "count": 2}, {"upper_limit": 1, "count": 3}], "count": 6},
            [0.1, 1],
            [2, 3, 1],
            1,
        ),
        (
            {"buckets": [{"upper_limit": 0.1, "count": 2}, {"upper_limit": "inf", "count": 3}], "count": 5},
            [0.1],
            [2, 3],
            1,
        ),
        (
            {"samples": [{"value": 2.0, "rate": 3}, {"value": 1, "rate": 1}, {"value": 2, "rate": 1}]},
            [1, 2],
            [1, 4, 0],
            0,
        ),
        ({"samples": [{"value": n, "rate": 1} for n in range(2_000)]}, None, [2] * 1_000 + [0], 0),
    ],
)
def test_vectors_histograms_and_samples_are_distributions_beside_their_totals(
    value: dict[str, Any], bounds: list[float] | None, counts: list[int], code: int
) -> None:
    shape = (
        {"kind": "absolute", "aggregated_histogram": value} if code else {"kind": "incremental", "distribution": value}
    )
    (output,) = outputs([VECTOR | shape])
    found, faults = decode_events([output.value])
    assert not faults
    assert found.dist_name.values == ["app_requests{many=a\\,b,mode=idle}"]
    assert found.dist_type.tolist() == [COUNTER if code else DELTA]
    assert (found.counts.tolist(), len(found.bounds)) == (counts, len(counts) - 1)
    assert bounds is None or found.bounds.tolist() == bounds


@pytest.mark.parametrize(
    ("buckets", "told"),
    [
        ([{"upper_limit": 2, "count": 1}, {"upper_limit": 1, "count": 1}], "do not ascend"),
        ([{"upper_limit": {}, "count": 1}], "send a number"),
        ([{"upper_limit": 1, "count": -1}], "a count of 0 or more"),
        ([{"upper_limit": n, "count": 1} for n in range(1_100)], "1,101 buckets"),
    ],
)
def test_buckets_that_make_no_distribution_are_a_dead_letter(buckets: list[Any], told: str) -> None:
    assert told in letters([VECTOR | {"kind": "absolute", "aggregated_histogram": {"buckets": buckets}}])[0]


def test_logs_of_filebeat_and_vector_are_their_hosts_where_they_name_no_service() -> None:
    moment = "2026-03-01T12:00:00.000Z"
    beat = {**BEAT, "service": None, "message": "GET /pay", "log": {"offset": 512, "file": {"path": "/var/log/a.log"}}}
    log = {"host": "web-2", "message": "hello", "timestamp": moment, "source_type": "file", "file": "/var/log/b.log"}
    pod = {"message": "x", "timestamp": moment, "kubernetes": {"container_name": "cart", "pod_namespace": "shop"}}
    found = events(beat, log, {"log": log}, {**BEAT, "service": {"type": "nginx"}}, pod)
    assert [(event["entity"], event["kind"]) for event in found] == [
        ("web-1", "log"),
        ("web-2", "log"),
        ("web-2", "log"),
        ("nginx", "log"),
        ("shop/cart", "log"),
    ]


def test_metrics_that_count_can_be_named_where_the_record_does_not_say_so() -> None:
    one = intake(INTAKE__COUNTERS='["shop_bytes_*"]')
    record = TELEGRAF | {"name": "shop", "fields": {"bytes_sold": 5, "speed": 7}, "tags": {"host": "a"}}
    (output,) = outputs([record], one)
    decoded, _ = decode_events([output.value])
    assert events_to_dicts(decoded)[0]["metrics"] == {"shop_bytes_sold": counter(5.0), "shop_speed": 7.0}


def test_a_tag_that_names_the_machine_in_some_measurements_tells_metrics_apart_in_others() -> None:
    def asked(source: str, name: str) -> dict[str, Any]:
        tags = {"host": "poller", "source": source}
        return TELEGRAF | {"name": name, "fields": {"reply": 1.5}, "tags": tags}

    one, two = events(asked("a", "ping") | {"timestamp": NOON_S + 1}, asked("a", "snmp"))
    assert seen(one) == ("poller", "metric", 1_000_000, {"host": "poller"}, {"ping_reply{source=a}": 1.5})
    assert seen(two) == ("a", "metric", 0, {"host": "a", "agent": "poller"}, {"snmp_reply": 1.5})


def test_what_telegraf_and_snmp_count_is_a_counter_also_where_it_is_no_base_metric() -> None:
    network = TELEGRAF | {
        "name": "net",
        "fields": {"bytes_recv": 5, "speed": 7},
        "tags": {"host": "a", "interface": "lo"},
    }
    port = TELEGRAF | {
        "name": "interface",
        "fields": {"ifHCInMulticastPkts": 5},
        "tags": {"sysName": "r", "ifName": "p1"},
    }
    one, two = events(network, port)
    assert one["metrics"] == {"net_bytes_recv{interface=lo}": counter(5.0), "net_speed{interface=lo}": 7.0}
    assert two["metrics"] == {"interface_ifHCInMulticastPkts{ifName=p1}": counter(5.0)}


EXAMPLES = [
    orjson.dumps(TELEGRAF),
    orjson.dumps(COLLECTD),
    b'disk,host=a,path=/var\\ log used=5u,label="a, b" 1772366400000000000',
    b"<34>1 2026-03-01T12:00:00.003Z web-1 su 312 ID47 - text",
    b"<12>Mar  1 12:00:01 web-1 sshd[99]: Failed",
    orjson.dumps({"specversion": "1.0", "source": "/a", "time": "2026-03-01T12:00:00Z", "data": {"a": 1}}),
]


@settings(max_examples=600, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMATS)),
    example=st.sampled_from(EXAMPLES),
    cuts=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5), st.binary(max_size=4)), max_size=4),
)
def test_damaged_records_are_events_or_faults_and_never_an_error(
    name: str, example: bytes, cuts: list[tuple[int, int, bytes]]
) -> None:
    value = example
    for at, gone, new in cuts:
        value = value[:at] + new + value[at + gone :]
    wire = FORMATS[name]
    wire.claims(value)
    found, faults = wire.decode([value], np.array([ARRIVED]))
    assert not (len(found) and faults)
    assert set(found.record.tolist()) <= {0}
