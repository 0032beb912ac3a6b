"""Events, vectors and their bytes for the codec's tests, made by other libraries where that is the point."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import numpy as np
import orjson
from hypothesis import strategies as st

from schemas.catalog import record
from schemas.columns import Events, Fault, Vectors
from schemas.event_columns import columns
from schemas.event_json import datum_of_json
from schemas.event_reading import table_of
from schemas.events import decode_events, events_to_dicts
from schemas.faults import Unreadable
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.times import MAX_TIME, MIN_TIME, format_time

TIME = 1_767_225_600_000_000
TYPES = ("gauge", "counter", "delta", "rate")

EVENT: dict[str, Any] = {
    "timestamp": TIME,
    "entity": "shop/checkout",
    "kind": "api",
    "attributes": {"path": "/cart", "status_code": "200", "level": "INFO"},
    "metrics": {"latency_ms": 12.5, "requests_total": {"value": 7.0, "type": "counter"}},
}

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(MIN_TIME, MAX_TIME)
metrics = st.one_of(
    numbers, st.fixed_dictionaries({"value": numbers, "type": st.sampled_from(["counter", "delta", "rate"])})
)


@st.composite
def distributions(draw: st.DrawFn) -> dict[str, Any]:
    bounds = sorted(draw(st.lists(numbers.map(lambda x: x + 0.0), unique=True, max_size=5)))
    counts = draw(st.lists(st.integers(0, (1 << 63) - 1), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    found = {"name": draw(names), "bounds": bounds, "counts": counts}
    return found | ({"type": "counter"} if draw(st.booleans()) else {})


events = st.fixed_dictionaries(
    {
        "timestamp": times,
        "entity": names,
        "kind": st.one_of(st.sampled_from(["api", "log", "span", "host", "metric"]), names),
        "attributes": st.dictionaries(names, texts, max_size=5),
        "metrics": st.dictionaries(names, metrics, max_size=5),
    },
    optional={
        "id": texts,
        "source": texts,
        "observed_at": times,
        "weight": st.floats(min_value=5e-324, allow_infinity=False).filter(lambda weight: weight != 1),
        "distributions": st.lists(distributions(), min_size=1, max_size=3),
    },
)
"""Mappings as `events_to_dicts` gives them."""


def avro_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as fastavro writes it."""
    attributes = [{"name": name, "value": value} for name, value in event["attributes"].items()]
    typed = [
        {"name": name, **(value if isinstance(value, Mapping) else {"value": value, "type": "gauge"})}
        for name, value in event["metrics"].items()
    ]
    return {**event, "attributes": attributes, "metrics": typed}


def avro_datum(event: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, dict(record("Event").raw), avro_fields(event))
    return out.getvalue()


def avro_value(event: Mapping[str, Any]) -> bytes:
    return record("Event").fingerprint.header + avro_datum(event)


def json_value(event: Mapping[str, Any]) -> bytes:
    shown = {**event, "timestamp": format_time(event["timestamp"])}
    if "observed_at" in event:
        shown["observed_at"] = format_time(event["observed_at"])
    return orjson.dumps(shown)


def from_fastavro(value: bytes) -> dict[str, Any]:
    """A single-object event as fastavro reads it, in the shape of `events_to_dicts`."""
    source = io.BytesIO(value[10:])
    read: Any = fastavro.schemaless_reader(source, dict(record("Event").raw), None)
    assert source.tell() == len(value) - 10
    read["attributes"] = {entry["name"]: entry["value"] for entry in read["attributes"]}
    read["metrics"] = {
        entry["name"]: entry["value"] if entry["type"] == "gauge" else {"value": entry["value"], "type": entry["type"]}
        for entry in read["metrics"]
    }
    for entry in read["distributions"] or ():
        if entry["type"] == "delta":
            del entry["type"]
    return {key: entry for key, entry in read.items() if entry is not None}


def exact(value: Any) -> Any:
    """The same with every float as its bits, so that -0.0 and 0.0 differ."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, Mapping):
        return {key: exact(entry) for key, entry in value.items()}
    return [exact(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def by_record(found: tuple[Events, list[Fault]]) -> dict[int, Any]:
    """What became of every record: its event with exact numbers and ordered maps, or its fault's class."""
    table, faults = found
    rows = dict(zip(table.record.tolist(), map(ordered, events_to_dicts(table)), strict=True))
    bad = {fault.record: fault.error_class for fault in faults}
    assert len(bad) == len(faults)
    assert not rows.keys() & bad.keys()
    return {**rows, **bad}


def ordered(event: Mapping[str, Any]) -> Any:
    """An event whose maps compare with their order."""
    maps = {key: list(exact(event[key]).items()) for key in ("attributes", "metrics")}
    return {**exact(event), **maps}


def thorough(values: Sequence[bytes], limits: Limits = DEFAULT_LIMITS) -> dict[int, Any]:
    """What becomes of JSON values on the path that knows nothing of compiled JSON."""
    found: dict[int, Any] = {}
    for number, value in enumerate(values):
        try:
            table, faults = table_of([datum_of_json(value)], limits)
        except Unreadable as error:
            found[number] = error.error_class
        else:
            found[number] = faults[0].error_class if faults else ordered(events_to_dicts(columns(*table))[0])
    return found


def one(value: bytes, **given: Any) -> Any:
    """The event of a value, or its fault."""
    table, faults = decode_events([value], **given)
    return faults[0] if faults else events_to_dicts(table)[0]


def vectors_of(rows: int, width: int, *, seed: int = 0, **given: Any) -> Vectors:
    """A block of random vectors, one in ten values missing."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, width))
    values[random.random(values.shape) < 0.1] = np.nan
    start = TIME + np.arange(rows, dtype=np.int64) * 10_000_000
    fields: dict[str, Any] = {
        "at": np.arange(rows, dtype=np.int32),
        "profile": "service",
        "profile_version": 3,
        "feature_set": "0123456789abcdef0123456789abcdef",
        "names": (),
        "entity": [f"shop/service-{i % 7}" for i in range(rows)],
        "window_start": start,
        "window_end": start + 10_000_000,
        "sequence": np.zeros(rows, np.int64),
        "values": values,
        "event_count": random.integers(0, 1 << 40, rows),
        "late_count": random.integers(0, 5, rows),
        "skewed_count": random.integers(0, 5, rows),
        "silent": random.random(rows) < 0.5,
        "retired": random.random(rows) < 0.5,
        "regular": random.random(rows) < 0.5,
    }
    return Vectors(**{**fields, **given})


def assert_same_vectors(one: Vectors, other: Vectors) -> None:
    """Every column, with NaN equal to NaN."""
    for name in Vectors.__slots__:
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=name)
            assert left.dtype == right.dtype, name
        else:
            assert left == right, name
