"""Canonical events: bytes to columns and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from schemas.columns import Events, Fault
from schemas.framing import Resolver, Writer
from schemas.limits import DEFAULT_LIMITS, Limits


def decode_events(
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    resolver: Resolver | None = None,
) -> tuple[Events, list[Fault]]:
    """The events of a batch, in record order, and a fault for every record that is none."""
    raise NotImplementedError


def encode_events(
    events: Events, framing: Writer | None = None, *, form: Literal["avro", "json"] = "avro"
) -> list[bytes]:
    """One value per event. `framing` names the schema otherwise than by our fingerprint."""
    raise NotImplementedError


def events_from_dicts(events: Sequence[Mapping[str, Any]]) -> Events:
    """Columns of events given as dicts in the shape of the JSON form; integer times are epoch microseconds."""
    raise NotImplementedError


def events_to_dicts(events: Events) -> list[dict[str, Any]]:
    """The inverse of `events_from_dicts`; times are epoch microseconds."""
    raise NotImplementedError
