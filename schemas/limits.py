"""How large an event may be before it is a dead letter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one event may hold; lengths in UTF-8 bytes.

    `name` bounds the names of attributes, metrics and distributions, and `id`, `kind` and `source`; `text` the values
    of attributes; `metrics` metrics and distributions together; `buckets` the counts of one distribution.
    """

    entity: int = 512
    name: int = 512
    text: int = 32_768
    attributes: int = 256
    metrics: int = 256
    buckets: int = 1_024


DEFAULT_LIMITS = Limits()
