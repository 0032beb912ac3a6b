"""Canonical events: bytes to columns and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from schemas.columns import Events, Fault
from schemas.event_columns import columns, dicts
from schemas.event_json import MICROSECONDS, datum
from schemas.event_reading import read, table_of
from schemas.event_writing import avro_values, json_values
from schemas.faults import Unreadable
from schemas.framing import Resolver, Writer
from schemas.limits import DEFAULT_LIMITS, Limits


def decode_events(
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    resolver: Resolver | None = None,
) -> tuple[Events, list[Fault]]:
    """The events of a batch, in record order, and a fault for every record that is none (`faults.ERROR_CLASSES`).

    JSON, Avro single-object encoding and Confluent framing may be mixed. A record's fault never touches its
    neighbours. Where `keys` are given, a key that is not the event's entity is a fault. Where an attribute or metric
    occurs twice in an event, its last value counts. `resolver` looks up schemas of other writers; without one, records
    of theirs are faults, and so are Confluent-framed ones.
    """
    found, faults = read(values, keys, limits, resolver)
    return columns(*found), faults


def encode_events(
    events: Events, framing: Writer | None = None, *, form: Literal["avro", "json"] = "avro"
) -> list[bytes]:
    """One value per event, in order. `framing` names the Avro schema otherwise than by our fingerprint.

    Raises `ValueError` for what `decode_events` would refuse: numbers that are not finite, times outside the years 1
    to 9999, an entity, kind or name that is null or empty, a weight that is not above 0.
    """
    return json_values(events) if form == "json" else avro_values(events, framing)


def events_from_dicts(events: Sequence[Mapping[str, Any]]) -> Events:
    """Columns of events given as mappings in the shape of the JSON form (for sources, tools and tests).

    Times are epoch microseconds, RFC 3339 texts or aware datetimes. `record` counts the mappings. Raises `ValueError`
    for one that is no event, saying which and why.
    """
    found, faults = table_of([_datum(number, event) for number, event in enumerate(events)], _UNLIMITED)
    for fault in faults:
        raise ValueError(f"event {fault.record}: {fault.message}")
    return columns(*found)


def events_to_dicts(events: Events) -> list[dict[str, Any]]:
    """One mapping per event, shaped as the JSON form; times are epoch microseconds, absent fields are absent."""
    return dicts(events)


_UNLIMITED = Limits(*[1 << 30] * 6)


def _datum(number: int, event: Mapping[str, Any]) -> bytes:
    try:
        return datum(event, MICROSECONDS)
    except Unreadable as error:
        raise ValueError(f"event {number}: {error.message}") from None
