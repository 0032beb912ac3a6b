"""From raw records to canonical events in the right partition, whatever their wire format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import NULL_TIME, Events
from schemas.events import decode_events, encode_events, events_from_dicts, events_to_dicts
from schemas.limits import DEFAULT_LIMITS
from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
)
from workers.intake.partitioning import partitions_of
from workers.intake.stage import IntakeStage, build
from workers.runtime.records import Chunk, Output, Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import Settings, load_settings

TIME = "2026-03-01T12:00:00Z"
NOON = 1_772_366_400_000_000
ARRIVED = NOON + 5_000_000
EVENTS = "telemetry.events.v1"

PLAIN = {"timestamp": TIME, "service": "checkout", "level": "INFO", "latency_ms": 12.5}
CANONICAL = {
    "timestamp": TIME,
    "entity": "prod/checkout",
    "kind": "api",
    "attributes": {"level": "INFO"},
    "metrics": {"latency_ms": 12.5, "requests": {"value": 7, "type": "counter"}},
}


def raw(values: list[Any], topic: str = "telemetry.raw.v1") -> Records:
    encoded = [orjson.dumps(one) if isinstance(one, (dict, list)) else one for one in values]
    n = len(encoded)
    times = ARRIVED + np.arange(n, dtype=np.int64)
    return Records(topic, 4, np.arange(n, dtype=np.int64) + 50, times, [None] * n, encoded, [None] * n)


def intake(partitions: int = 12, **environ: str) -> IntakeStage:
    return build(load_settings({f"FAULTLINE_{k}": v for k, v in environ.items()}), {EVENTS: partitions})


def step(values: list[Any], one: IntakeStage | None = None, topic: str = "telemetry.raw.v1") -> list[Chunk]:
    one = one or intake()
    return list(one.step(one.start(4, NO_WATERMARK, []), raw(values, topic)))


def outputs(values: list[Any], one: IntakeStage | None = None, topic: str = "telemetry.raw.v1") -> list[Output]:
    return [output for chunk in step(values, one, topic) for output in chunk.outputs]


def letters(values: list[Any], one: IntakeStage | None = None) -> dict[int, str]:
    return {letter.index: letter.message for chunk in step(values, one) for letter in chunk.dead}


def decoded(found: list[Output]) -> list[dict[str, Any]]:
    events, faults = decode_events([o.value for o in found], [o.key for o in found])
    assert not faults
    return events_to_dicts(events)


def canonical(form: str, event: dict[str, Any] | None = None) -> bytes:
    if form == "json":
        return orjson.dumps(event or CANONICAL)
    events, faults = decode_events([orjson.dumps(event or CANONICAL)])
    assert not faults
    return encode_events(events)[0]


@pytest.mark.parametrize("form", ["json", "avro"])
def test_canonical_events_pass_with_the_time_at_which_they_were_observed(form: str) -> None:
    (output,) = outputs([canonical(form)])
    assert (output.topic, output.key, tuple(output.headers)) == (EVENTS, b"prod/checkout", ())
    assert output.partition == partitions_of([b"prod/checkout"], 12)[0]
    (event,) = decoded([output])
    assert (event["entity"], event["kind"], event["timestamp"]) == ("prod/checkout", "api", NOON)
    assert event["observed_at"] == ARRIVED
    assert event["attributes"] == {"level": "INFO"}
    assert event["metrics"]["requests"] == {"value": 7.0, "type": "counter"}, "marked, not yet an increase"


def test_an_observed_at_that_a_record_brings_is_replaced() -> None:
    (event,) = decoded(outputs([canonical("json", {**CANONICAL, "observed_at": "2020-01-01T00:00:00Z"})]))
    assert event["observed_at"] == ARRIVED


def test_plain_json_becomes_a_canonical_event() -> None:
    (event,) = decoded(outputs([PLAIN]))
    assert (event["entity"], event["kind"], event["timestamp"]) == ("checkout", "api", NOON)
    assert event["attributes"] == {"service": "checkout", "level": "INFO"}
    assert event["observed_at"] == ARRIVED


def test_formats_may_be_mixed_and_the_order_of_records_stays() -> None:
    mixed = [PLAIN, canonical("avro"), b"garbage", canonical("json"), {**PLAIN, "service": "last"}, None]
    found = outputs(mixed)
    assert [o.key for o in found] == [b"checkout", b"prod/checkout", b"prod/checkout", b"last"]
    assert [e["observed_at"] - ARRIVED for e in decoded(found)] == [0, 1, 3, 4]
    assert sorted(letters(mixed)) == [2, 5]


def test_a_topic_whose_format_is_set_is_not_guessed_at() -> None:
    one = intake(INTAKE__FORMATS='{"pods": "fields"}')
    pod = {**CANONICAL, "service": "checkout"}
    assert [output.key for output in outputs([pod], one)] == [b"prod/checkout"]
    assert [output.key for output in outputs([pod], one, topic="pods")] == [b"checkout"]
    strict = intake(INTAKE__FORMATS='{"pods": "canonical"}')
    (chunk,) = step([{**PLAIN, "entity": {"id": 7}, "kind": "Pod"}], strict, topic="pods")
    assert len(chunk.dead) == 1, "nor is it offered to another"


BUSINESS: dict[str, dict[str, Any]] = {
    "docker": {"log": "boom\n", "stream": "stderr", "time": TIME, "service": "a"},
    "ecs": {"log": {"level": "error"}, "@timestamp": TIME, "service": {"name": "a"}},
    "ecs with a timestamp": {"log": {"level": "error"}, "timestamp": TIME, "service": {"name": "a"}},
    "cloudevent": {
        "specversion": "1.0",
        "type": "t",
        "source": "/shop/a",
        "id": "1",
        "time": TIME,
        "data": {"entity": "invoice", "metrics": {"n": 1}, "latency_ms": 1},
    },
    "entity": {"timestamp": TIME, "service": "a", "entity": "invoice", "attributes": {"n": 1}},
    "tags and fields": {"timestamp": TIME, "service": "a", "name": "x", "tags": ["t"], "fields": {"n": 1}},
    "kind": {"timestamp": TIME, "service": "a", "name": "x", "kind": "absolute"},
}


@pytest.mark.parametrize("value", BUSINESS.values(), ids=BUSINESS)
def test_what_only_looks_like_another_format_is_read_by_the_one_that_it_is_of(value: dict[str, Any]) -> None:
    (chunk,) = step([PLAIN, value, canonical("json")])
    assert [output.key for output in chunk.outputs] == [b"checkout", b"a", b"prod/checkout"]
    assert (chunk.counts["processed"], chunk.counts["skipped"], chunk.counts["dead"]) == (3, 0, 0)
    assert sum(count for name, count in chunk.counts.items() if name.startswith("format_")) == 3
    assert chunk.counts["format_canonical"] == 1


def test_what_no_format_takes_tells_what_the_first_one_found() -> None:
    wrong = {"entity": "invoice", "attributes": {}, "timestamp": TIME}
    (chunk,) = step([wrong])
    (letter,) = chunk.dead
    assert "kind" in letter.message
    assert {name for name, count in chunk.counts.items() if name.startswith("format_") and count} == {
        "format_canonical"
    }


def test_a_format_that_does_not_exist_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"there are .*canonical, telegraf"):
        intake(INTAKE__FORMATS='{"pods": "xml"}')


def test_every_entity_goes_to_the_partition_of_its_key() -> None:
    found = outputs([{**PLAIN, "service": f"svc-{n}"} for n in range(300)], intake(7))
    keys = [o.key for o in found if o.key is not None]
    assert [o.partition for o in found] == partitions_of(keys, 7).tolist()
    assert {o.partition for o in found} == set(range(7))


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", 0, 4_102_444_800])
def test_times_that_are_unlikely_but_possible_are_passed_on(time: object) -> None:
    (event,) = decoded(outputs([{**PLAIN, "timestamp": time}]))
    assert event["timestamp"] in (0, 4_102_444_800_000_000)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (None, "no value"),
        (b"", "no value"),
        (b"garbage", "unknown wire format"),
        (b"\xff" * 50, "unknown wire format"),
        (b"{", "not JSON"),
        (b"\xc3\x01" + b"\x00" * 20, ""),
        (b"\x00\x00\x00\x00\x01abc", ""),
        (b'{"timestamp": NaN, "service": "x"}', "not JSON"),
        ({**CANONICAL, "entity": ""}, "entity"),
        ({**CANONICAL, "metrics": {"latency_ms": "fast"}}, "latency_ms"),
        ({**CANONICAL, "timestamp": "soon"}, "timestamp"),
        ({**CANONICAL, "attributes": {f"label_{n}": "x" for n in range(10_000)}}, "attributes"),
        ({**CANONICAL, "metrics": {f"metric_{n}": 1 for n in range(10_000)}}, "metrics"),
        ({**PLAIN, "service": "x" * (DEFAULT_LIMITS.entity + 1)}, "entity"),
        ({**PLAIN, "path": "x" * (DEFAULT_LIMITS.text + 1)}, "attribute"),
        ({**PLAIN, "message": "x" * 1_000_000}, "FAULTLINE_INTAKE__MAX_RECORD_BYTES"),
        ({"timestamp": TIME}, "service"),
    ],
)
def test_a_bad_record_is_a_dead_letter_with_the_reason_and_its_neighbours_pass(bad: Any, said: str) -> None:
    found = letters([PLAIN, bad, canonical("avro")])
    assert list(found) == [1]
    assert said in found[1]
    assert len(outputs([PLAIN, bad, canonical("avro")])) == 2


def test_more_metrics_by_pattern_than_an_event_may_have_are_refused(tmp_path: Path) -> None:
    mapping = tmp_path / "wide.yaml"
    mapping.write_text('timestamp: {paths: [t]}\nattributes: {service: [s]}\npatterns: [{match: "*"}]\n')
    one = intake(INTAKE__MAPPING=str(mapping))
    wide = {"t": TIME, "s": "x", **{f"m{n}": n for n in range(DEFAULT_LIMITS.metrics + 1)}}
    assert "257 metrics" in letters([wide], one)[0]


def test_a_storm_of_poison_gives_one_letter_a_record_and_lets_the_rest_through() -> None:
    values: list[Any] = [PLAIN if n % 100 == 0 else b"poison %d" % n for n in range(12_000)]
    done = step(values)
    assert sum(len(chunk.outputs) for chunk in done) == 120
    assert sorted(letter.index for chunk in done for letter in chunk.dead) == [n for n in range(12_000) if n % 100]
    assert sum(chunk.counts["dead"] + chunk.counts["processed"] for chunk in done) == 12_000


def test_the_configuration_hash_covers_mapping_template_and_partitions(tmp_path: Path) -> None:
    mapping = tmp_path / "own.yaml"
    mapping.write_text("timestamp: {paths: [t]}\n")
    hashes = {
        intake().config_hash,
        intake(13).config_hash,
        intake(INTAKE__ENTITY="{service}").config_hash,
        intake(INTAKE__MAPPING=str(mapping)).config_hash,
    }
    assert len(hashes) == 4
    assert intake().config_hash == build(Settings(), {EVENTS: 12}).config_hash


RECORDS = st.lists(
    st.sampled_from([None, b"", b"x", b"{", canonical("json"), canonical("avro")])
    | st.builds(
        lambda service, latency: orjson.dumps({**PLAIN, "service": service, "latency_ms": latency}),
        st.sampled_from(["a", "b", "", "é"]),
        st.floats(0, 1e6) | st.text(max_size=3),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(0, 1000))
def test_the_stage_holds_the_contract(values: list[Any], seed: int) -> None:
    one, records = intake(), raw(values)
    assert_cuts_do_not_matter(one, records, (1, 7, random_cut(len(records), seed)))
    at = seed % (len(values) + 1)
    assert_restore_is_exact(one, records, at)
    assert_rebuild_is_exact(one, records, at)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
CANONICAL_EVENTS = st.fixed_dictionaries(
    {
        "timestamp": st.integers(0, 4_102_444_800_000_000),
        "entity": NAMES,
        "kind": st.sampled_from(["api", "log", "span", "host", "metric"]),
        "attributes": st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=20), max_size=4),
        "metrics": st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CANONICAL_EVENTS, min_size=1, max_size=8))
def test_a_canonical_event_comes_out_as_it_went_in(wanted: list[dict[str, Any]]) -> None:
    events: Events = events_from_dicts(wanted)
    assert (events.observed_at == NULL_TIME).all()
    found = decoded(outputs(list(encode_events(events))))
    without = [{k: v for k, v in event.items() if k != "observed_at"} for event in found]
    expected = [{k: v for k, v in event.items() if k != "observed_at"} for event in events_to_dicts(events)]
    assert without == expected
    assert [event["observed_at"] for event in found] == [ARRIVED + n for n in range(len(wanted))]
