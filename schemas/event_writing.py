"""Columns of events to values: Avro or JSON."""

from __future__ import annotations

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.catalog import record
from schemas.columns import COUNTER, DELTA, NULL_TIME, Events, Strings
from schemas.event_columns import dicts
from schemas.event_json import METRIC_TYPES
from schemas.framing import Writer
from schemas.kernels.event_avro_out import write_events
from schemas.texts_out import EncodedTexts, sliced
from schemas.times import MAX_TIME, MIN_TIME, format_times

_ROOM = 96
"""Bytes that an event takes at most beside its header and texts: longs, a double, markers of unions and arrays."""

_LONG = 10


def avro_values(events: Events, framing: Writer | None) -> list[bytes]:
    """Avro datums, each behind what names its schema. Raises `ValueError`; see `events.encode_events`."""
    check(events)
    texts = EncodedTexts(METRIC_TYPES)
    heads = np.stack([texts.codes(c) for c in (events.entity, events.kind, events.id, events.source)], axis=1)
    attributes = np.stack([texts.codes(events.attr_name), texts.codes(events.attr_value)], axis=1)
    metrics = np.stack([texts.codes(events.metric_name), events.metric_type.astype(np.int64)], axis=1)
    distributions = np.stack([texts.codes(events.dist_name), events.dist_type.astype(np.int64)], axis=1)
    header = (framing or record("Event").fingerprint).header
    raw, edges = texts.joined()
    sizes = np.diff(edges)
    room = (
        len(events) * (len(header) + _ROOM)
        + sum(int(sizes[codes[codes >= 0]].sum()) for codes in (heads, attributes, metrics, distributions))
        + 8 * len(events.metric_value)
        + (2 * (_LONG + 1)) * len(distributions)
        + 8 * len(events.bounds)
        + _LONG * len(events.counts)
    )
    numbers = np.arange(len(events) + 1)
    out, starts = write_events(
        room,
        np.frombuffer(header, np.uint8),
        raw,
        edges,
        events.time,
        events.observed_at,
        _bits(events.weight),
        heads,
        np.searchsorted(events.attr_row, numbers),
        attributes,
        np.searchsorted(events.metric_row, numbers),
        metrics,
        _bits(events.metric_value),
        np.searchsorted(events.dist_row, numbers),
        distributions,
        events.bound_start,
        _bits(events.bounds),
        events.count_start,
        events.counts,
    )
    return sliced(out, starts)


def json_values(events: Events) -> list[bytes]:
    """JSON objects; absent fields are absent, a weight of 1 too. Raises `ValueError` as `avro_values` does."""
    check(events)
    documents = dicts(events)
    for event, time in zip(documents, format_times(events.time), strict=True):
        event["timestamp"] = time
    observed = np.flatnonzero(events.observed_at != NULL_TIME)
    for row, time in zip(observed.tolist(), format_times(events.observed_at[observed]), strict=True):
        documents[row]["observed_at"] = time
    return [orjson.dumps(event) for event in documents]


def check(events: Events) -> None:
    """Raises `ValueError` where columns hold what no event can."""
    observed = events.observed_at[events.observed_at != NULL_TIME]
    for name, times in (("time", events.time), ("observed_at", observed)):
        if len(times) and not (times.min() >= MIN_TIME and times.max() <= MAX_TIME):
            raise ValueError(f"events.{name}: outside the years 1 to 9999")
    finite = (("weight", events.weight), ("metric_value", events.metric_value), ("bounds", events.bounds))
    for name, numbers in finite:
        if not np.isfinite(numbers).all():
            raise ValueError(f"events.{name}: not finite in row {int(np.flatnonzero(~np.isfinite(numbers))[0])}")
    if not (events.weight > 0).all():
        raise ValueError("events.weight: must be above 0")
    if not np.isin(events.dist_type, (DELTA, COUNTER)).all():
        raise ValueError("events.dist_type: neither DELTA nor COUNTER")
    if not ((events.metric_type >= 0) & (events.metric_type < len(METRIC_TYPES))).all():
        raise ValueError("events.metric_type: neither GAUGE, COUNTER, DELTA nor RATE")
    for name in ("entity", "kind", "attr_name", "metric_name", "dist_name"):
        _filled(name, getattr(events, name))
    if (events.attr_value.codes < 0).any():
        raise ValueError("events.attr_value: null")


def _filled(name: str, column: Strings) -> None:
    if (column.codes < 0).any():
        raise ValueError(f"events.{name}: null")
    if "" in column.values and (column.codes == list(column.values).index("")).any():
        raise ValueError(f"events.{name}: empty")


def _bits(numbers: NDArray[np.float64]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(numbers).view(np.uint64)
