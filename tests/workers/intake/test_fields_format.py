"""Plain JSON becomes events by the mapping, or a fault that names the field and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import COUNTER, DELTA, GAUGE, Events
from workers.intake.formats.fields import FieldsFormat
from workers.intake.mapping import Mapping, load_mapping
from workers.intake.mapping_files import MappingError

ENTITY = "[{env}/][{namespace}/]{service}"
TIME = "2026-03-01T12:00:00Z"
NOON = 1_772_366_400_000_000

Row = tuple[str, int, str, dict[str, str], dict[str, float]]


def rows(events: Events) -> list[Row]:
    """Each event as (entity, time, kind, attributes, metrics)."""
    found: list[Row] = []
    for row in range(len(events)):
        attributes = {
            events.attr_name.at(int(j)) or "": events.attr_value.at(int(j)) or ""
            for j in np.flatnonzero(events.attr_row == row)
        }
        metrics = {
            events.metric_name.at(int(j)) or "": float(events.metric_value[j])
            for j in np.flatnonzero(events.metric_row == row)
        }
        entity, kind = events.entity.at(row), events.kind.at(row)
        assert entity is not None
        assert kind is not None
        found.append((entity, int(events.time[row]), kind, attributes, metrics))
    return found


def read(
    *records: dict[str, Any] | bytes, mapping: Mapping | None = None, entity: str = ENTITY
) -> tuple[list[Row], dict[int, str]]:
    values = [one if isinstance(one, bytes) else orjson.dumps(one) for one in records]
    events, faults = FieldsFormat(mapping or load_mapping(""), entity).decode(values, np.zeros(len(values), np.int64))
    assert events.record.tolist() == sorted(set(range(len(values))) - {fault.record for fault in faults})
    return rows(events), {fault.record: fault.message for fault in faults}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"timestamp": TIME, "service": "checkout", "level": "INFO", "latency_ms": 12.5, "message": "ok"},
            ("checkout", NOON, "api", {"service": "checkout", "level": "INFO"}, {"latency_ms": 12.5}),
        ),
        (
            {"@timestamp": TIME, "service": {"name": "checkout"}, "log": {"level": "error"}, "message": "no"},
            ("checkout", NOON, "log", {"service": "checkout", "level": "error"}, {}),
        ),
        (
            {
                "@timestamp": TIME,
                "service.name": "checkout",
                "event.duration": 2_500_000,
                "http.response.status_code": 503,
            },
            ("checkout", NOON, "api", {"service": "checkout", "status_code": "503"}, {"latency_ms": 2.5}),
        ),
        (
            {
                "time": NOON // 1_000_000,
                "service_name": "checkout",
                "severity": "WARN",
                "duration_s": 0.25,
                "env": "prod",
            },
            (
                "prod/checkout",
                NOON,
                "api",
                {"service": "checkout", "env": "prod", "level": "WARN"},
                {"latency_ms": 250.0},
            ),
        ),
        (
            {"timestamp": TIME, "service": "checkout", "status": 200.0, "error": False, "url": {"path": "/pay"}},
            (
                "checkout",
                NOON,
                "api",
                {"service": "checkout", "status_code": "200", "path": "/pay", "error": "false"},
                {},
            ),
        ),
        (
            {"timestamp": TIME, "service": "checkout", "kind": "span", "response_time": "37"},
            ("checkout", NOON, "span", {"service": "checkout"}, {"latency_ms": 37.0}),
        ),
        (
            {"timestamp": TIME, "service": "checkout", "kind": "Pod", "level": None, "latency_ms": None, "env": ""},
            ("checkout", NOON, "log", {"service": "checkout"}, {}),
        ),
    ],
)
def test_common_records_are_understood_without_a_mapping_of_ones_own(record: dict[str, Any], expected: Row) -> None:
    assert read(record) == ([expected], {})


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"timestamp": NaN}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"[1]", "not a JSON object"),
        ({"service": "x"}, "no timestamp: none of timestamp, @timestamp"),
        ({"timestamp": "soon", "service": "x"}, "timestamp 'soon' is not RFC 3339; write it as in"),
        ({"timestamp": [1], "service": "x"}, "no timestamp"),
        ({"timestamp": 1e300, "service": "x"}, "check the unit"),
        ({"timestamp": TIME}, "no entity: service is missing, which the template"),
        ({"timestamp": TIME, "service": {"id": 1}}, "add one of service, service.name"),
        ({"timestamp": TIME, "service": ""}, "no entity"),
        (
            {"timestamp": TIME, "service": "x", "latency_ms": "fast"},
            "metric latency_ms: 'fast' in the field lat",
        ),
        ({"timestamp": TIME, "service": "x", "duration_s": True}, "in the field duration_s is not a finite number"),
        ({"timestamp": TIME, "service": "x", "latency_ms": 1e308, "duration_s": 1}, ""),
        ({"timestamp": TIME, "service": "x", "duration_s": 1e308}, "not a finite number"),
    ],
)
def test_a_bad_record_is_told_by_field_and_fix_and_its_neighbours_pass(record: Any, said: str) -> None:
    good = {"timestamp": TIME, "service": "good", "latency_ms": 1.0}
    found, faults = read(good, record, good)
    assert [row[0] for row in found if row[0] == "good"] == ["good", "good"]
    if said:
        assert list(faults) == [1]
        assert said in faults[1]
    else:
        assert not faults


def test_records_of_different_shapes_keep_their_order() -> None:
    records = [
        {"timestamp": TIME, "service": f"s{n}", **({"level": "INFO"} if n % 2 else {"latency_ms": float(n)})}
        for n in range(20)
    ]
    found, faults = read(*records)
    assert not faults
    assert [row[0] for row in found] == [f"s{n}" for n in range(20)]
    assert [row[4].get("latency_ms") for row in found] == [None if n % 2 else float(n) for n in range(20)]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(["time", "service", "status", "latency_ms", "duration_s", "kind"]) | st.text(max_size=5)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=8))
def test_whatever_json_comes_every_record_has_one_outcome_the_same_alone_and_in_company(
    records: list[dict[str, Any]],
) -> None:
    together, faults = read(*records)
    alone = [read(record) for record in records]
    assert together == [row for found, _ in alone for row in found]
    assert faults == {place: fault[0] for place, (_, fault) in enumerate(alone) if fault}


def test_ten_thousand_fields_cost_only_the_mapped_ones() -> None:
    wide = {"timestamp": TIME, "service": "x", **{f"label_{n}": n for n in range(10_000)}}
    reader = FieldsFormat(load_mapping(""), ENTITY)
    events, faults = reader.decode([orjson.dumps(wide)], np.zeros(1, np.int64))
    assert not faults
    assert rows(events) == [("x", NOON, "log", {"service": "x"}, {})]


def mapping_file(folder: Path, text: str) -> str:
    path = folder / "mapping.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_mapping_of_ones_own_names_paths_types_scales_patterns_and_the_entity(tmp_path: Path) -> None:
    mapping = load_mapping(
        mapping_file(
            tmp_path,
            """
timestamp: {paths: [meta.at], unit: ms}
entity: "{host}"
kind: {default: host}
attributes: {host: [meta.host]}
metrics:
  - {name: cpu_ratio, paths: [cpu.percent], scale: 0.01}
  - {name: requests, paths: [requests_total], type: counter}
patterns:
  - {match: "*_bytes", type: delta}
  - {match: "q_*", suffix: _count}
""",
        )
    )
    record = {
        "meta": {"at": NOON // 1000, "host": "web-1"},
        "cpu": {"percent": 50},
        "requests_total": 7,
        "sent_bytes": 10,
        "q_depth": 3.5,
        "q_name": "a",
    }
    found, faults = read(record, mapping=mapping)
    assert not faults
    metrics = {"cpu_ratio": 0.5, "requests": 7.0, "sent_bytes": 10.0, "q_depth_count": 3.5}
    assert found == [("web-1", NOON, "host", {"host": "web-1"}, metrics)]
    events, _ = FieldsFormat(mapping, ENTITY).decode([orjson.dumps(record)], np.zeros(1, np.int64))
    types = {events.metric_name.at(j): int(events.metric_type[j]) for j in range(len(events.metric_type))}
    assert types == {"cpu_ratio": GAUGE, "requests": COUNTER, "sent_bytes": DELTA, "q_depth_count": GAUGE}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp: {paths: []}", "timestamp.paths"),
        ("timestamp: {paths: [a], unit: fortnights}", "timestamp.unit"),
        ("timestamp: {paths: [a]}\nmetricks: []", "metricks"),
        ("a: [", "not YAML"),
        ("", "file"),
    ],
)
def test_a_wrong_mapping_is_refused_by_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    path = mapping_file(tmp_path, text)
    with pytest.raises(MappingError, match=said) as refused:
        load_mapping(path)
    assert path in str(refused.value)


def test_a_mapping_that_is_not_there_names_the_setting() -> None:
    with pytest.raises(MappingError, match="FAULTLINE_INTAKE__MAPPING"):
        load_mapping("/nowhere/mapping.yaml")


def test_json_that_a_shipper_parsed_into_an_object_is_read_after_the_record_itself() -> None:
    inner = {
        "level": "error",
        "service": "shop",
        "duration_ms": 12.5,
        "http": {"status_code": 502},
        "time": "2025-01-01T00:00:00Z",
    }
    found, faults = read({"@timestamp": TIME, "host": {"name": "web-1"}, "level": "info", "json": inner})
    attributes = {"service": "shop", "level": "info", "status_code": "502", "host": "web-1"}
    assert (found, faults) == ([("shop", NOON, "api", attributes, {"latency_ms": 12.5})], {})
    (row,), _ = read({"@timestamp": TIME, "host": "web-1", "json": "no object"})
    assert row[0] == "web-1"


def test_an_object_with_the_fields_is_named_by_the_mapping_and_faults_name_the_field_within_it() -> None:
    mapping = load_mapping("").model_copy(update={"below": ("data",)})
    (row,), faults = read({"data": {"ts": TIME, "log.level": "warn", "app": "a"}}, mapping=mapping)
    assert (row, faults) == (("a", NOON, "log", {"service": "a", "level": "warn"}, {}), {})
    _, faults = read({"timestamp": TIME, "app": "a", "data": {"duration_ms": "soon"}}, mapping=mapping)
    assert "data.duration_ms" in faults[0]


@pytest.mark.parametrize(
    ("record", "service", "attributes"),
    [
        (
            {"syslog": {"severity_label": "Error"}, "process": {"program": "cron"}, "hostname": "web-3"},
            "cron",
            {"level": "Error", "host": "web-3"},
        ),
        (
            {"log": {"syslog": {"appname": "su", "hostname": "web-2", "severity": {"code": 2, "name": "Critical"}}}},
            "su",
            {"level": "Critical", "host": "web-2"},
        ),
        (
            {"fields": {"service": "cart", "env": "prod"}, "service": {"type": "system"}},
            "cart",
            {"env": "prod", "host": "beat"},
        ),
        ({"labels": {"service": "cart", "namespace": "pay"}}, "cart", {"namespace": "pay", "host": "beat"}),
        ({"_SYSTEMD_UNIT": "ssh.service", "_HOSTNAME": "web-4"}, "ssh.service", {"host": "beat"}),
    ],
)
def test_what_filebeat_and_the_journal_say_of_where_a_line_is_from(
    record: dict[str, Any], service: str, attributes: dict[str, str]
) -> None:
    """`host.name` is that of the machine on which the shipper runs."""
    ((_, _, _, found, _),), _ = read({"@timestamp": TIME, "host": {"name": "beat"}, **record})
    assert found == {"service": service, **attributes}


@pytest.mark.parametrize(
    ("record", "level"),
    [
        ({"level": 50, "hostname": "p", "pid": 1}, "ERROR"),
        ({"level": 30}, "INFO"),
        ({"version": "1.1", "short_message": "x", "level": 3}, "ERROR"),
        ({"PRIORITY": "2", "SYSLOG_IDENTIFIER": "su"}, "CRITICAL"),
        ({"level": 400, "level_name": "ERROR"}, "ERROR"),
        ({"levelname": "WARNING"}, "WARNING"),
        ({"level": "Informational"}, "INFO"),
        ({"level": "emerg"}, "FATAL"),
        ({"level": "notice"}, "notice"),
    ],
)
def test_levels_that_loggers_write_as_numbers_or_in_words_of_their_own_are_known_ones(
    record: dict[str, Any], level: str
) -> None:
    ((_, _, _, found, _),), faults = read({"time": TIME, "service": "a", **record})
    assert (found["level"], faults) == (level, {})


def test_values_of_an_attribute_are_named_by_the_mapping() -> None:
    mapping = Mapping.model_validate(
        {
            "timestamp": {"paths": ["t"]},
            "attributes": {"service": ["s"], "tier": ["n"]},
            "values": {"tier": {"ONE": "first"}},
        }
    )
    found, _ = read({"t": TIME, "s": "a", "n": "One"}, {"t": TIME, "s": "a", "n": "two"}, mapping=mapping)
    assert [attributes["tier"] for _, _, _, attributes, _ in found] == ["first", "two"]
