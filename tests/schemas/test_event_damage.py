"""Damaged records become faults of their own; nobody else notices."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import decode_events
from schemas.faults import ERROR_CLASSES
from tests.schemas.making import avro_value, by_record, events, json_value, thorough

EXAMPLES = int(os.environ.get("FAULTLINE_TEST_EXAMPLES", "300"))


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:
    """A value with bytes changed, cut off, put in or put behind."""
    raw = bytearray(value)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        match draw(st.sampled_from(["flip", "set", "cut", "insert", "extend", "drop"])):
            case "flip" if raw:
                raw[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if raw:
                raw[at] = draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF, *b'"\\{}[],:-.0eE \n']))
            case "cut":
                del raw[at:]
            case "insert":
                raw[at:at] = draw(st.binary(min_size=1, max_size=12))
            case "extend":
                raw += draw(st.binary(min_size=1, max_size=12))
            case "drop":
                del raw[at : at + draw(st.integers(1, 5))]
    return bytes(raw)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[bytes], dict[int, bytes]]:
    """Good values of both forms, and damaged ones for some of their places."""
    write = st.sampled_from([avro_value, json_value])
    good = [draw(write)(event) for event in draw(st.lists(events, min_size=1, max_size=5))]
    places = draw(st.sets(st.integers(0, len(good) - 1), min_size=1))
    return good, {place: draw(damaged(good[place])) for place in sorted(places)}


@given(batches())
@settings(max_examples=EXAMPLES)
def test_neighbours_of_damaged_records_decode_as_if_alone(batch: tuple[list[bytes], dict[int, bytes]]) -> None:
    good, bad = batch
    values = [bad.get(place, value) for place, value in enumerate(good)]
    found = by_record(decode_events(values))
    assert found.keys() == set(range(len(values)))
    for place, value in enumerate(values):
        alone = by_record(decode_events([value]))
        assert found[place] == alone[0]
        if place not in bad:
            assert isinstance(alone[0], dict)
        elif isinstance(alone[0], str):
            assert alone[0] in ERROR_CLASSES


@given(st.data(), events)
@settings(max_examples=EXAMPLES)
def test_compiled_json_says_what_a_real_parser_says(data: st.DataObject, event: dict[str, Any]) -> None:
    value = json_value(event)
    assert by_record(decode_events([value])) == thorough([value])
    hurt = data.draw(damaged(value))
    if hurt.lstrip(b" \t\r\n").startswith(b"{"):
        assert by_record(decode_events([hurt])) == thorough([hurt])


@given(st.lists(st.one_of(st.none(), st.binary(max_size=60)), max_size=8))
@settings(max_examples=EXAMPLES)
def test_garbage_is_faults_and_nothing_else(values: list[bytes | None]) -> None:
    table, faults = decode_events(values, [b"key"] * len(values))
    assert len(table) == 0
    assert [fault.record for fault in faults] == list(range(len(values)))
    assert all(fault.error_class in ERROR_CLASSES and fault.message for fault in faults)


@given(events, st.data())
@settings(max_examples=EXAMPLES)
def test_a_datum_is_read_to_its_end_or_not_at_all(event: dict[str, Any], data: st.DataObject) -> None:
    value = avro_value(event)
    cut = data.draw(st.integers(10, len(value) - 1))
    for wrong in (value[:cut], value + b"\0", value + value[10:]):
        table, faults = decode_events([avro_value(event), wrong, avro_value(event)])
        assert table.record.tolist() == [0, 2]
        assert [fault.error_class for fault in faults] == ["malformed"]
