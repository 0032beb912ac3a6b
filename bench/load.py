"""Seeded service events for benchmarks: so many entities, so many events per second of event time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events, Strings

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
_PATHS = [f"/api/v1/resource/{i}" for i in range(20)]
_STATUS = ["200", "204", "404", "500"]
_LEVELS = ["INFO", "WARN", "ERROR"]


def service_events(
    entities: int, events: int, per_second: int, seed: int = 1, batch: int = 100_000
) -> Iterator[Events]:
    """`api` events of equally busy entities in time order, in tables of `batch` rows."""
    random = np.random.default_rng(seed)
    names = [f"service-{i:06d}" for i in range(entities)]
    for first in range(0, events, batch):
        rows = min(batch, events - first)
        time = START + (np.arange(first, first + rows, dtype=np.int64) * 1_000_000) // per_second
        yield _table(random, time, names)


def _table(random: np.random.Generator, time: NDArray[np.int64], names: list[str]) -> Events:
    rows = len(time)
    each = np.arange(rows, dtype=np.int32)
    none = np.zeros(0, np.int32)
    status = random.choice(4, rows, p=[0.94, 0.03, 0.02, 0.01]).astype(np.int32)
    level = np.where(status == 3, 2, np.where(status == 2, 1, 0)).astype(np.int32)
    path = random.integers(0, len(_PATHS), rows, dtype=np.int32)
    values = [*_PATHS, *_STATUS, *_LEVELS]
    codes = np.stack([path, status + len(_PATHS), level + len(_PATHS) + len(_STATUS)], axis=1).ravel()
    return Events(
        record=each,
        time=time,
        entity=Strings(random.integers(0, len(names), rows, dtype=np.int32), names),
        kind=Strings(np.zeros(rows, np.int32), ["api"]),
        weight=np.ones(rows),
        observed_at=np.full(rows, NULL_TIME),
        id=Strings(np.full(rows, -1, np.int32), []),
        source=Strings(np.full(rows, -1, np.int32), []),
        attr_row=np.repeat(each, 3),
        attr_name=Strings(np.tile(np.arange(3, dtype=np.int32), rows), ["path", "status_code", "level"]),
        attr_value=Strings(codes.astype(np.int32), values),
        metric_row=each,
        metric_name=Strings(np.zeros(rows, np.int32), ["latency_ms"]),
        metric_value=random.lognormal(3.0, 0.6, rows),
        metric_type=np.zeros(rows, np.int8),
        dist_row=none,
        dist_name=Strings(none, []),
        bound_start=np.zeros(1, np.int64),
        bounds=np.zeros(0),
        count_start=np.zeros(1, np.int64),
        counts=np.zeros(0, np.int64),
    )
