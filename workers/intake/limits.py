"""How large an event may be. What exceeds it is a dead letter that says which bound, and how to raise it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events

MOST_ENTITY_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Limits:
    """`record_bytes` bounds the raw record and the canonical one; the others count per event."""

    record_bytes: int
    attributes: int
    metrics: int

    def too_large(self, size: int) -> str:
        return (
            f"the record is {size:,} bytes long, and at most {self.record_bytes:,} are taken; send smaller events, "
            "or raise FAULTLINE_INTAKE__MAX_RECORD_BYTES together with the topic's max.message.bytes"
        )


def exceeded(events: Events, encoded: Sequence[bytes], limits: Limits) -> dict[int, tuple[str, str]]:
    """Error class and message of each event (by row) that is beyond a limit."""
    found: dict[int, tuple[str, str]] = {}
    for row in _above(_per_row(events, events.attr_row), limits.attributes):
        count = np.count_nonzero(events.attr_row == row)
        found[row] = "too_many_attributes", _too_many(count, limits.attributes, "attributes", "MAX_ATTRIBUTES")
    metrics = _per_row(events, events.metric_row) + _per_row(events, events.dist_row)
    for row in _above(metrics, limits.metrics):
        found[row] = "too_many_metrics", _too_many(int(metrics[row]), limits.metrics, "metrics", "MAX_METRICS")
    for row, value in enumerate(encoded):
        if len(value) > limits.record_bytes:
            found[row] = "too_large", limits.too_large(len(value))
    return found | _entities(events)


def _entities(events: Events) -> dict[int, tuple[str, str]]:
    found = {}
    for code, entity in enumerate(events.entity.values):
        size = len(entity.encode())
        if size == 0 or size > MOST_ENTITY_BYTES:
            message = (
                "the entity is empty; name the service, host or device that the event is about"
                if size == 0
                else f"the entity is {size:,} bytes long, and at most {MOST_ENTITY_BYTES:,} are taken; shorten it"
            )
            for row in np.flatnonzero(events.entity.codes == code).tolist():
                found[row] = "bad_entity", message
    return found


def _per_row(events: Events, rows: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.bincount(rows, minlength=len(events)).astype(np.int64, copy=False)


def _above(counts: NDArray[np.int64], limit: int) -> list[int]:
    return np.flatnonzero(counts > limit).tolist()


def _too_many(count: int, limit: int, what: str, setting: str) -> str:
    return (
        f"the event has {count:,} {what}, and at most {limit:,} are taken; send fewer, "
        f"or raise FAULTLINE_INTAKE__{setting}"
    )
