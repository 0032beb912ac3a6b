"""Events and records for the tests of the windows worker, made by hand and without any codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.columns import GAUGE, NULL_TIME, Events, Strings


@dataclass(frozen=True)
class Event:
    """One canonical event; `time` in microseconds."""

    time: int
    entity: str
    kind: str = "api"
    latency: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    observed_at: int | None = None


def strings(values: Sequence[str | None]) -> Strings:
    known = {value: code for code, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    return Strings(np.array([-1 if v is None else known[v] for v in values], np.int32), list(known))


def table(events: Sequence[Event], records: Sequence[int] | None = None) -> Events:
    """Columns of events; `records` says which record of the batch each is (default: its place)."""
    n = len(events)
    attributes = [(row, name, value) for row, e in enumerate(events) for name, value in e.attributes.items()]
    metrics = [(row, e.latency) for row, e in enumerate(events) if e.latency is not None]
    return Events(
        record=np.array(range(n) if records is None else records, np.int32),
        time=np.array([e.time for e in events], np.int64),
        entity=strings([e.entity for e in events]),
        kind=strings([e.kind for e in events]),
        weight=np.array([e.weight for e in events], np.float64),
        observed_at=np.array([NULL_TIME if e.observed_at is None else e.observed_at for e in events], np.int64),
        id=strings([None] * n),
        source=strings([None] * n),
        attr_row=np.array([a[0] for a in attributes], np.int32),
        attr_name=strings([a[1] for a in attributes]),
        attr_value=strings([a[2] for a in attributes]),
        metric_row=np.array([m[0] for m in metrics], np.int32),
        metric_name=strings(["latency_ms"] * len(metrics)),
        metric_value=np.array([m[1] for m in metrics], np.float64),
        metric_type=np.full(len(metrics), GAUGE, np.int8),
        dist_row=np.empty(0, np.int32),
        dist_name=strings([]),
        bound_start=np.zeros(1, np.int64),
        bounds=np.empty(0, np.float64),
        count_start=np.zeros(1, np.int64),
        counts=np.empty(0, np.int64),
    )
