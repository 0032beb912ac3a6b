"""Events survive every form, and mean the same to us as to other libraries."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import record
from schemas.columns import COUNTER, GAUGE, NULL_TIME
from schemas.events import decode_events, encode_events, events_from_dicts, events_to_dicts
from schemas.framing import SchemaId, Writer
from schemas.times import format_time
from tests.schemas.making import (
    EVENT,
    TIME,
    avro_value,
    by_record,
    events,
    from_fastavro,
    json_value,
    ordered,
)


@given(st.lists(events, max_size=6))
@settings(max_examples=150)
def test_what_fastavro_writes_we_read(batch: list[dict[str, Any]]) -> None:
    found = by_record(decode_events([avro_value(event) for event in batch]))
    assert found == {number: ordered(event) for number, event in enumerate(batch)}


@given(st.lists(events, max_size=6))
@settings(max_examples=150)
def test_what_we_write_fastavro_reads(batch: list[dict[str, Any]]) -> None:
    values = encode_events(events_from_dicts(batch))
    assert [ordered(from_fastavro(value)) for value in values] == [ordered(event) for event in batch]


@given(st.lists(events, max_size=6))
@settings(max_examples=150)
def test_what_orjson_writes_we_read(batch: list[dict[str, Any]]) -> None:
    found = by_record(decode_events([json_value(event) for event in batch]))
    assert found == {number: ordered(event) for number, event in enumerate(batch)}


@given(st.lists(events, max_size=6))
@settings(max_examples=150)
def test_what_we_write_as_json_orjson_reads(batch: list[dict[str, Any]]) -> None:
    values = encode_events(events_from_dicts(batch), form="json")
    expected = []
    for event in batch:
        times = {key: format_time(event[key]) for key in ("timestamp", "observed_at") if key in event}
        expected.append(ordered(event | times))
    assert [ordered(orjson.loads(value)) for value in values] == expected


@given(st.lists(events, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_forms_may_be_mixed_in_one_batch(batch: list[dict[str, Any]], chance: random.Random) -> None:
    ours = record("Event").schema

    def resolver(writer: Writer) -> Any:
        return ours if writer == SchemaId(7) else None

    table = events_from_dicts(batch)
    forms = [encode_events(table), encode_events(table, form="json"), encode_events(table, SchemaId(7))]
    values = [chance.choice(forms)[number] for number in range(len(batch))]
    keys = [event["entity"].encode() for event in batch]
    found = by_record(decode_events(values, keys, resolver=resolver))
    assert found == {number: ordered(event) for number, event in enumerate(batch)}


def test_columns_are_flat_typed_and_without_unused_texts() -> None:
    second = {"timestamp": TIME + 1, "entity": "db", "kind": "host", "attributes": {}, "metrics": {"cpu_ratio": 0.5}}
    bad = orjson.dumps({"timestamp": 1, "entity": "never seen", "kind": "api", "attributes": {"x": 1}})
    table, faults = decode_events([avro_value(EVENT), bad, json_value(second), None])
    assert [fault.record for fault in faults] == [1, 3]
    assert table.record.tolist() == [0, 2]
    assert table.time.tolist() == [TIME, TIME + 1]
    assert table.observed_at.tolist() == [NULL_TIME, NULL_TIME]
    assert table.weight.tolist() == [1.0, 1.0]
    assert list(table.entity.values) == ["shop/checkout", "db"]
    assert table.entity.codes.tolist() == [0, 1]
    assert (table.id.codes.tolist(), list(table.id.values)) == ([-1, -1], [])
    assert table.attr_row.tolist() == [0, 0, 0]
    assert [table.attr_name.at(j) for j in range(3)] == ["path", "status_code", "level"]
    assert list(table.attr_value.values) == ["/cart", "200", "INFO"]
    assert table.metric_row.tolist() == [0, 0, 1]
    assert table.metric_value.tolist() == [12.5, 7.0, 0.5]
    assert table.metric_type.tolist() == [GAUGE, COUNTER, GAUGE]
    kinds = {
        "record": np.int32,
        "time": np.int64,
        "weight": np.float64,
        "attr_row": np.int32,
        "metric_value": np.float64,
        "metric_type": np.int8,
        "bound_start": np.int64,
        "counts": np.int64,
    }
    assert {name: getattr(table, name).dtype for name in kinds} == kinds


def test_distributions_are_slices_of_flat_columns() -> None:
    first = {**EVENT, "distributions": [{"name": "size", "bounds": [1.0, 2.0], "counts": [1, 2, 3]}]}
    second = {
        **EVENT,
        "distributions": [
            {"name": "wait", "bounds": [], "counts": [4]},
            {"name": "size", "bounds": [0.5], "counts": [0, 9]},
        ],
    }
    for values in ([avro_value(first), json_value(second)], [json_value(first), avro_value(second)]):
        table, faults = decode_events(values)
        assert not faults
        assert table.dist_row.tolist() == [0, 1, 1]
        assert [table.dist_name.at(j) for j in range(3)] == ["size", "wait", "size"]
        assert table.bound_start.tolist() == [0, 2, 2, 3]
        assert table.bounds.tolist() == [1.0, 2.0, 0.5]
        assert table.count_start.tolist() == [0, 3, 4, 6]
        assert table.counts.tolist() == [1, 2, 3, 4, 0, 9]
        assert events_to_dicts(table) == [first, second]


def test_an_empty_batch_is_an_empty_table() -> None:
    table, faults = decode_events([], [])
    assert (len(table), faults) == (0, [])
    assert table.bound_start.tolist() == [0]
    assert encode_events(table) == encode_events(table, form="json") == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("metric_value", [np.nan, 7.0], "metric_value: not finite in row 0"),
        ("weight", [0.0], "weight: must be above 0"),
        ("time", [1 << 62], "time: outside the years"),
        ("metric_type", [0, 4], "metric_type"),
    ],
)
def test_columns_that_nobody_could_read_again_are_not_written(field: str, value: list[float], said: str) -> None:
    table = events_from_dicts([EVENT])
    columns = {name: getattr(table, name) for name in type(table).__slots__}
    columns[field] = np.array(value, columns[field].dtype)
    for form in ("avro", "json"):
        with pytest.raises(ValueError, match=said):
            encode_events(type(table)(**columns), form=form)


def test_a_mapping_that_is_no_event_is_named() -> None:
    with pytest.raises(ValueError, match="event 1: entity: missing"):
        events_from_dicts([EVENT, {"timestamp": TIME, "kind": "api"}])
    with pytest.raises(ValueError, match=r"event 0: metrics: a value: .*NaN"):
        events_from_dicts([{**EVENT, "metrics": {"x": float("nan")}}])


def test_mappings_take_times_in_every_form() -> None:
    from datetime import UTC, datetime

    given = [TIME, format_time(TIME), datetime(2026, 1, 1, tzinfo=UTC)]
    assert events_from_dicts([{**EVENT, "timestamp": time} for time in given]).time.tolist() == [TIME] * 3
