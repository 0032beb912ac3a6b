"""How large an event may be. What exceeds it is a dead letter that says which bound it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from schemas.faults import INVALID, TOO_LARGE
from schemas.kernels.codes import TOO_MANY, explain
from schemas.limits import DEFAULT_LIMITS, Limits

Refusals = dict[int, tuple[str, str]]
"""Error class and message by row of the events."""

MOST_ITEMS = 1_000_000
"""Numbers of data points, buckets of histograms, spans or log records that one record may hold: a few bytes each once
they are packed, and buckets next to none, but an event each in the worst case."""

MOST_TIMES = 64
"""How many sizes of a record its events may have in attributes: what it says once is said by each of them."""

_NAMELESS = "?"
"""Stands for an empty name in an event that is refused."""


def record_too_large(size: int, most: int) -> str:
    """The message for a record, raw or canonical, of more than `most` bytes."""
    return (
        f"the record is {size:,} bytes long, and at most {most:,} are taken; send smaller events, "
        "or raise FAULTLINE_INTAKE__MAX_RECORD_BYTES together with the topics' max.message.bytes"
    )


def explained(code: int, fields: tuple[str, ...]) -> tuple[str, str]:
    """As `schemas.kernels.codes.explain`, for kernels that answer TOO_MANY where a record has too many items."""
    if code == TOO_MANY:
        return TOO_LARGE, (
            f"the record holds more than {MOST_ITEMS:,} numbers, buckets, spans or log records; send smaller batches"
        )
    return explain(code, fields)


def filled(events: Events) -> tuple[Events, Refusals]:
    """The events as they can be encoded, and those that must not leave: something in them has no name."""
    found: Refusals = {}
    rows = np.arange(len(events), dtype=np.int32)
    changed: dict[str, Any] = {}
    for column, at, what in (
        ("metric_name", events.metric_row, "a metric"),
        ("dist_name", events.dist_row, "a distribution"),
        ("attr_name", events.attr_row, "an attribute"),
        ("entity", rows, "the entity"),
    ):
        texts: Strings = getattr(events, column)
        if "" in texts.values:
            for row in _rows_of([list(texts.values).index("")], texts, at):
                found[row] = INVALID, f"{what} has an empty name; name it, or leave it out"
            changed[column] = Strings(texts.codes, [text or _NAMELESS for text in texts.values])
    return (replace(events, **changed) if changed else events), found


def slimmed(events: Events, sizes: Sequence[int]) -> tuple[Events, Refusals]:
    """The events as they can be encoded without filling the memory, and those that are refused for what they would be.

    `sizes` are those of the records in bytes. Refused are all events of a record whose entities and attributes come
    to more than `MOST_TIMES` as much; they are left without either.
    """
    entity, text = ([len(one) for one in column.values] for column in (events.entity, events.attr_value))
    most = np.array(sizes, np.int64) * MOST_TIMES
    if len(events) * max(entity, default=0) + len(events.attr_row) * max(text, default=0) <= most.min(initial=0):
        return events, {}
    weight = np.array([*entity, 0], np.int64)[events.entity.codes]
    weight += np.bincount(events.attr_row, np.array([*text, 0])[events.attr_value.codes], len(events)).astype(np.int64)
    heavy = np.bincount(events.record, weight, len(sizes)) > most
    rows = np.flatnonzero(heavy[events.record])
    if not len(rows):
        return events, {}
    why = (
        f"the record's events would have more than {MOST_TIMES} times its size in attributes; shorten what it says of "
        "its resource, or send smaller batches"
    )
    codes = events.entity.codes.copy()
    codes[rows] = len(events.entity.values)
    there = ~heavy[events.record][events.attr_row]
    slim = replace(
        events,
        entity=Strings(codes, [*events.entity.values, _NAMELESS]),
        attr_row=events.attr_row[there],
        attr_name=events.attr_name.take(np.flatnonzero(there)),
        attr_value=events.attr_value.take(np.flatnonzero(there)),
    )
    return slim, dict.fromkeys(rows.tolist(), (TOO_LARGE, why))


def refused(events: Events, encoded: Sequence[bytes], most_bytes: int, limits: Limits = DEFAULT_LIMITS) -> Refusals:
    """The events that the next worker would not take, in whichever wire format they came.

    Formats with a decoder in `schemas` have been checked there already; this is the rule for all of them.
    """
    found: Refusals = {}
    rows = np.arange(len(events), dtype=np.int32)
    _too_many(found, len(events), (events.attr_row,), limits.attributes, "attributes")
    _too_many(found, len(events), (events.metric_row, events.dist_row), limits.metrics, "metrics")
    _too_long(found, events.attr_value, events.attr_row, limits.text, "an attribute's value")
    _too_long(found, events.attr_name, events.attr_row, limits.name, "an attribute's name")
    _too_long(found, events.metric_name, events.metric_row, limits.name, "a metric's name")
    _too_long(found, events.entity, rows, limits.entity, "the entity")
    for row, value in enumerate(encoded):
        if len(value) > most_bytes:
            found[row] = TOO_LARGE, record_too_large(len(value), most_bytes)
    return found


def _too_many(found: Refusals, n: int, columns: Sequence[NDArray[np.int32]], limit: int, what: str) -> None:
    counts = sum((np.bincount(column, minlength=n) for column in columns), np.zeros(n, np.intp))
    for row in np.flatnonzero(counts > limit).tolist():
        found[row] = TOO_LARGE, f"the event has {counts[row]:,} {what}, and at most {limit:,} are taken; send fewer"


def _too_long(found: Refusals, texts: Strings, rows: NDArray[np.int32], limit: int, what: str) -> None:
    long = [code for code, t in enumerate(texts.values) if len(t) * 4 > limit and len(t.encode()) > limit]
    for row in _rows_of(long, texts, rows):
        found[row] = TOO_LARGE, f"{what} is longer than {limit:,} bytes; shorten it"


def _rows_of(codes: list[int], texts: Strings, rows: NDArray[np.int32]) -> list[int]:
    return rows[np.isin(texts.codes, codes)].tolist() if codes else []
