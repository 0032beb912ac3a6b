"""CloudEvents as producers send them: structured, in batches, and in the binary mode of the Kafka binding."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.workers.intake.test_intake_stage import CANONICAL, NOON, decoded, intake, raw, step
from workers.runtime.records import Chunk, Headers
from workers.runtime.stage import NO_WATERMARK

TIME = "2026-03-01T12:00:00Z"
ENVELOPE: dict[str, Any] = {"specversion": "1.0", "type": "t", "source": "/shop/checkout", "id": "1", "time": TIME}
DATA = {"latency_ms": 5}
HEADERS: Headers = [(f"ce_{name}", text.encode()) for name, text in ENVELOPE.items()]


def binary(values: list[Any], headers: list[Headers | None], formats: str = "{}") -> Chunk:
    one = intake(INTAKE__FORMATS=formats)
    (chunk,) = one.step(one.start(4, NO_WATERMARK, []), replace(raw(values), headers=headers))
    return chunk


def seen(chunk: Chunk) -> list[tuple[str, int, dict[str, Any]]]:
    return [(one["entity"], one["timestamp"] - NOON, one["metrics"]) for one in decoded(chunk.outputs)]


LENT = ("checkout", 0, {"latency_ms": 5.0})


@pytest.mark.parametrize(
    "data",
    [
        {"data": DATA},
        {"data": orjson.dumps(DATA).decode()},
        {"data_base64": b64encode(orjson.dumps(DATA)).decode()},
    ],
)
def test_data_may_be_an_object_its_text_or_its_bytes(data: dict[str, Any]) -> None:
    (chunk,) = step([ENVELOPE | data])
    assert seen(chunk) == [LENT]


@pytest.mark.parametrize("data", [{"data": "no JSON"}, {"data_base64": "?"}, {"data": [1]}, {}])
def test_data_that_are_no_object_are_a_dead_letter(data: dict[str, Any]) -> None:
    (chunk,) = step([ENVELOPE | data])
    assert (len(chunk.dead), chunk.outputs) == (1, [])


SECOND = {"service": "cart", "latency_ms": 7}
TWO = [LENT, ("cart", 0, {"latency_ms": 7.0})]


@pytest.mark.parametrize(
    "data",
    [
        {"data": [DATA, SECOND]},
        {"data": orjson.dumps([DATA, SECOND]).decode()},
        {"data_base64": b64encode(orjson.dumps([DATA, SECOND])).decode()},
    ],
)
def test_a_list_of_objects_is_an_event_each_and_the_envelope_lends_to_all(data: dict[str, Any]) -> None:
    (chunk,) = step([ENVELOPE | data, [ENVELOPE | {"data": DATA}, ENVELOPE | data]])
    assert seen(chunk) == [*TWO, LENT, *TWO]
    assert chunk.counts["processed"] == 2


@pytest.mark.parametrize("data", [[DATA, 7], [DATA, {"latency_ms": "much"}], []])
def test_a_list_with_one_that_is_no_event_is_refused_as_a_whole(data: list[Any]) -> None:
    (chunk,) = step([ENVELOPE | {"data": data}, ENVELOPE | {"data": [SECOND]}])
    assert [letter.index for letter in chunk.dead] == [0]
    assert seen(chunk) == TWO[1:]


def test_a_batch_is_an_event_each_and_refused_as_a_whole() -> None:
    other = ENVELOPE | {"source": "/shop/cart", "data": DATA}
    good, bad = [ENVELOPE | {"data": DATA}, other], [other, {"specversion": "1.0", "source": "x"}]
    (chunk,) = step([good, bad, other])
    assert [entity for entity, _, _ in seen(chunk)] == ["checkout", "cart", "cart"]
    assert [letter.index for letter in chunk.dead] == [1]
    assert chunk.counts["processed"] == 2


def test_the_envelope_of_binary_mode_is_in_the_headers() -> None:
    chunk = binary([DATA, {"timestamp": TIME, "service": "a", **DATA}, DATA], [HEADERS, None, [("x", b"1")]])
    assert seen(chunk) == [LENT, ("a", 0, {"latency_ms": 5.0})]
    assert [letter.index for letter in chunk.dead] == [2]
    assert (chunk.counts["format_cloudevents"], chunk.counts["format_fields"]) == (1, 2)


def test_data_of_binary_mode_may_be_a_list_where_the_topic_says_what_they_are() -> None:
    chunk = binary([[DATA, SECOND]], [HEADERS], '{"telemetry.raw.v1": "cloudevents"}')
    assert seen(chunk) == TWO


def test_what_binary_data_say_themselves_counts() -> None:
    chunk = binary([{"service": "cart", **DATA}, CANONICAL], [HEADERS, HEADERS])
    assert [entity for entity, _, _ in seen(chunk)] == ["cart", "prod/checkout"]


def test_a_topic_of_cloud_events_takes_both_modes() -> None:
    structured = ENVELOPE | {"data": DATA}
    chunk = binary([DATA, structured, structured], [HEADERS, None, HEADERS], '{"telemetry.raw.v1": "cloudevents"}')
    assert seen(chunk) == [LENT] * 3


def test_damaged_binary_data_are_a_dead_letter() -> None:
    assert [letter.error_class for letter in binary([b'{"a":'], [HEADERS]).dead] == ["malformed"]
