"""OTLP that is cut, garbled or made to harm: dead letters that say why, never a crash, and neighbours unharmed."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import encode_events
from schemas.faults import ERROR_CLASSES
from tests.workers.intake.otlp_making import ENTITY, decoded, metrics_request
from tests.workers.intake.otlp_oracle import logs_requests, metrics_requests, trace_requests
from tests.workers.intake.test_intake_stage import letters, outputs
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.limits import MOST_ITEMS
from workers.intake.otlp.mapping import load_otlp_mapping
from workers.intake.otlp.signals import Signal

SIGNALS: tuple[Signal, ...] = ("metrics", "traces", "logs")
FORMATS = [OtlpFormat(load_otlp_mapping(""), ENTITY, signal) for signal in SIGNALS]


def _length(content: bytes) -> bytes:
    size, out = len(content), bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size]) + content


def _good() -> bytes:
    request, metrics = metrics_request()
    metrics.add(name="a").gauge.data_points.add(time_unix_nano=1, as_int=1)
    return bytes(request.SerializeToString())


GOOD = _good()


def survives(values: list[bytes]) -> None:
    """Every record has one outcome, what comes out can be encoded, and the good ones among them are there."""
    for wire in FORMATS:
        wrapped = [piece for value in values for piece in (GOOD, value)]
        events, faults, _ = decoded(wrapped, wire)
        assert all(fault.error_class in ERROR_CLASSES and fault.message for fault in faults)
        bad = {fault.record for fault in faults}
        assert not bad & set(events.record.tolist())
        assert not bad & set(range(0, len(wrapped), 2))
        encode_events(events)


@settings(max_examples=150, deadline=None)
@given(st.one_of(metrics_requests(), trace_requests(), logs_requests()), st.randoms(use_true_random=False))
def test_damaged_requests_never_break_the_decoder(request: object, chance: random.Random) -> None:
    value = request.SerializeToString()  # type: ignore[attr-defined]
    damaged = [value[: chance.randrange(len(value) + 1)] for _ in range(4)]
    for _ in range(12):
        wrong = bytearray(value)
        for _ in range(chance.randrange(1, 4)):
            if wrong:
                wrong[chance.randrange(len(wrong))] = chance.randrange(256)
        damaged.append(bytes(wrong))
    survives(damaged)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60).map(lambda tail: b"\n" + tail), max_size=8))
def test_garbage_never_breaks_the_decoder(values: list[bytes]) -> None:
    survives(values)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
KEYS = [
    *("resource", "attributes", "key", "value", "stringValue", "intValue", "scopeMetrics", "metrics", "name", "gauge"),
    *("dataPoints", "timeUnixNano", "asInt", "asDouble", "sum", "isMonotonic", "histogram", "bucketCounts"),
    *("explicitBounds", "exponentialHistogram", "positive", "offset", "scale", "kvlistValue", "values", "bytesValue"),
]
shaped = st.recursive(
    st.one_of(json_values),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["resourceMetrics", "resourceSpans", "resourceLogs"]), shaped)
def test_odd_json_never_breaks_the_decoder(key: str, inside: object) -> None:
    try:
        value = orjson.dumps({key: inside})
    except orjson.JSONEncodeError:
        return
    events, faults, _ = decoded([value, GOOD])
    assert {fault.record for fault in faults} <= {0}
    assert 1 in events.record.tolist()
    encode_events(events)


@pytest.mark.parametrize(
    ("value", "error_class", "why"),
    [
        (GOOD[:-3], "malformed", "reaches past the record's end"),
        (b"\n\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "malformed", "reaches past the record's end"),
        (b"\n" + b"\xff" * 11, "malformed", "more than 64 bits"),
        (b"\x0b\x0b\x0b", "malformed", "no field of a message"),
        (b'{"resourceMetrics": [', "malformed", "not JSON"),
        (b'{"resourceMetrics": {}}', "invalid", "resourceMetrics is no list"),
        (b'{"resourceSpans": []}', "invalid", "its topic is set to otlp_metrics"),
        (b'{"what": 1}', "invalid", "does not begin with resourceMetrics"),
    ],
)
def test_what_is_wrong_is_said(value: bytes, error_class: str, why: str) -> None:
    _, faults, _ = decoded([value], FORMATS[0])
    assert [fault.error_class for fault in faults] == [error_class]
    assert why in faults[0].message


def _deep(levels: int) -> bytes:
    """A request with one point, of which an attribute holds lists within lists."""
    deep = b"\n\x01x"
    for _ in range(levels):
        deep = bytes([0x2A]) + _length(b"\n" + _length(deep))
    pair = b"\n\x01k\x12" + _length(deep)
    point = b"\x3a" + _length(pair) + b"\x31" + (1).to_bytes(8, "little")
    metric = b"\n\x01a\x2a" + _length(b"\n" + _length(point))
    return _request(b"\x12" + _length(metric))


def _request(scope: bytes, host: str = "") -> bytes:
    """A request of the service `shop` with one scope."""
    said = b"".join(
        b"\n" + _length(b"\n" + _length(key.encode()) + b"\x12" + _length(b"\n" + _length(text.encode())))
        for key, text in (("service.name", "shop"), ("host.name", host))
    )
    return b"\n" + _length(b"\n" + _length(said) + b"\x12" + _length(scope))


def test_attributes_nested_without_end_are_a_dead_letter() -> None:
    events, faults, _ = decoded([_deep(16)], FORMATS[0])
    assert (len(events), faults) == (1, [])
    for levels in (17, 2_000):
        _, faults, _ = decoded([_deep(levels)], FORMATS[0])
        assert [fault.error_class for fault in faults] == ["invalid"]
        assert "nested more than 16 deep" in faults[0].message


def test_json_nested_without_end_is_a_dead_letter() -> None:
    def record(levels: int) -> bytes:
        body = b'{"arrayValue": {"values": [' * levels + b"{}" + b"]}}" * levels
        log = b'{"timeUnixNano": "1", "body": ' + body + b"}"
        named = b'{"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]}'
        return b'{"resourceLogs": [{"resource": ' + named + b', "scopeLogs": [{"logRecords": [' + log + b"]}]}]}"

    _, faults, _ = decoded([record(15)])
    assert not faults
    for levels in (19, 200):
        _, faults, _ = decoded([record(levels)])
        assert [fault.error_class for fault in faults] == ["invalid"]
        assert "is nested more than 40 deep" in faults[0].message


POINT = b"\n\x09\x31" + b"\0" * 8
ENDLESS: dict[str, tuple[Signal, bytes, bytes]] = {
    "log records": ("logs", b"", b"\x12\x00"),
    "spans": ("traces", b"", b"\x12\x02\x30\x02"),
    "metrics": ("metrics", b"", b"\x12\x00"),
    "points": ("metrics", b"\n\x01a\x2a", POINT),
    "resources of logs": ("logs", b"\n\x00", b""),
    "resources of metrics": ("metrics", b"\n\x00", b""),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_record_of_endless_items_is_a_dead_letter_that_says_so(what: str) -> None:
    signal, head, item = ENDLESS[what]
    if what == "points":
        value = _request(b"\x12" + _length(head + _length(item * (MOST_ITEMS + 1))))
    else:
        value = _request(item * (MOST_ITEMS + 1)) if item else head * (MOST_ITEMS + 1)
    events, faults, _ = decoded([value], FORMATS[SIGNALS.index(signal)])
    assert not len(events)
    assert [fault.error_class for fault in faults] == ["too_large"]
    assert "more than 1,000,000" in faults[0].message


def test_quantiles_that_would_repeat_long_labels_without_end_are_a_dead_letter() -> None:
    request, metrics = metrics_request()
    point = metrics.add(name="s").summary.data_points.add(time_unix_nano=1)
    point.attributes.add(key="k").value.string_value = "x" * 60_000
    point.quantile_values.add(quantile=0.5, value=1)
    _, faults, _ = decoded([request.SerializeToString()], FORMATS[0])
    assert not faults
    point.quantile_values.add(quantile=0.9, value=2)
    _, faults, _ = decoded([request.SerializeToString()], FORMATS[0])
    assert [fault.error_class for fault in faults] == ["too_large"]


def test_what_a_resource_says_at_length_is_not_said_by_endless_events() -> None:
    few, many = (_request(b"\x12\x02\x10\x09" * count, "x" * 5_000) for count in (20, 500))
    found = letters([few, many, GOOD])
    assert list(found) == [1]
    assert "more than 64 times its size" in found[1]
    assert len(outputs([few, many, GOOD])) == 21


def test_the_worker_takes_otlp_beside_other_formats_and_counts_what_rules_leave_out() -> None:
    trace = (
        b'{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[{"spans":[{"kind":1,"parentSpanId":"aa"}]}]}]}'
    )
    values = [GOOD, b'{"service": "x", "timestamp": 1772366400}', trace, b"\n\xff"]
    found = outputs(values)
    assert len(found) == 2
    assert found[0].key == b"shop"
    assert list(letters(values)) == [3]
