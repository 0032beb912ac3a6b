"""Names of metrics that are longer than an event may have: cut, with a digest of all of it, so that they stay apart."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from schemas.columns import Events, Strings

LONGEST = 480
"""Bytes; below the limit of an event's names, because quantiles get an ending."""

_DIGEST = 24
"""Room for what stands in place of the rest."""


def bounded_names(events: Events) -> Events:
    """The events with names of metrics and distributions of at most `LONGEST` bytes.

    For what is as it will be written down: rules of redaction do not see what has been cut.
    """
    return replace(events, metric_name=_bounded(events.metric_name), dist_name=_bounded(events.dist_name))


def bounded(name: str) -> str:
    """The name, or as much of it as there is room for and a digest of all of it."""
    if 4 * len(name) <= LONGEST:
        return name
    encoded = name.encode()
    if len(encoded) <= LONGEST:
        return name
    digest = hashlib.blake2b(encoded, digest_size=8).hexdigest()
    return f"{encoded[: LONGEST - _DIGEST].decode(errors='ignore')}…#{digest}"


def _bounded(column: Strings) -> Strings:
    names = [bounded(name) for name in column.values]
    return column if names == list(column.values) else Strings(column.codes, names)
