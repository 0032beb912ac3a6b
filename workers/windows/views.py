"""The readable windows: what others find in Redis for an entity, as JSON (documented in docs/windows.md)."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np
import orjson
from numpy.typing import NDArray

from models.features.service import COUNT, ERRORS, HIGH, LOW, P50, P95, P99, PATHS, SQUARES, SUM, TIMED, WARNINGS
from workers.runtime.records import View
from workers.windows.engine import EnginePolicy
from workers.windows.panes_store import Table
from workers.windows.profiles import Profile, duration_name

_FIELDS = (
    ("count", COUNT),
    ("errors", ERRORS),
    ("warnings", WARNINGS),
    ("latency_count", TIMED),
    ("latency_sum_ms", SUM),
    ("latency_sum_of_squares_ms2", SQUARES),
    ("latency_min_ms", LOW),
    ("latency_max_ms", HIGH),
    ("latency_p50_ms", P50),
    ("latency_p95_ms", P95),
    ("latency_p99_ms", P99),
    ("paths", PATHS),
)

_VIEWS_PER_PANE = 1_000
"""With more entities than this on a partition each is seen less often, so that views never cost more than vectors."""


def view_key(prefix: str, profile: str, partition: int, entity: str) -> str:
    """`<namespace>faultline:window:<profile>:<partition>:<entity>`, the entity percent-encoded."""
    return f"{prefix}faultline:window:{profile}:{partition}:{quote(entity, safe='-._~')}"


def iso(us: int) -> str:
    """Epoch microseconds as RFC 3339, UTC, microseconds."""
    return f"{np.datetime64(us, 'us')}Z"


class WindowViews:
    """Makes one value per entity from its newest closed pane in a buffer of rows."""

    __slots__ = ("_every", "_head", "_keys", "_pane", "_partition", "_policy", "_profile", "_spans")

    _REMEMBER = 200_000

    def __init__(self, profile: Profile, policy: EnginePolicy, partition: int) -> None:
        assert profile.pane is not None
        self._profile, self._policy, self._partition = profile, policy, partition
        self._pane = profile.pane
        self._every = max(1, policy.view_every // profile.pane)
        self._spans = [("pane", profile.pane), *((duration_name(w), w) for w in profile.windows)]
        self._keys: dict[str, str] = {}

    def views(self, rows: Table, names: Sequence[str]) -> list[View]:
        """Views of closing panes (`panes_row.make_rows`); `names` by seat. Of an entity only the newest that is due."""
        due = np.flatnonzero(self._due(rows, names))
        if not len(due):
            return []
        newest = due[::-1][np.unique(rows["seat"][due[::-1]], return_index=True)[1]]
        return [self._view(rows[row], names[rows["seat"][row]]) for row in newest]

    def _due(self, rows: Table, names: Sequence[str]) -> NDArray[np.bool_]:
        """Which rows are to be seen: all, or every so many panes an entity, each entity at a turn of its own."""
        every = np.maximum(self._every, -(-rows["peers"] // _VIEWS_PER_PANE))
        if not len(rows) or every.max() == 1:
            return np.ones(len(rows), np.bool_)
        turns = np.array([zlib.crc32(names[seat].encode()) for seat in rows["seat"].tolist()], np.int64)
        due: NDArray[np.bool_] = ((rows["pane"] + turns) % every == 0) | rows["retired"]
        return due

    def _view(self, row: np.void, entity: str) -> View:
        end = (int(row["pane"]) + 1) * self._pane
        value = {
            "entity": entity,
            "profile": self._profile.name,
            "profile_version": self._profile.version,
            "window_end": iso(end),
            "silent": bool(row["silent"]),
            "retired": bool(row["retired"]),
            "regular": bool(row["regular"]),
            "windows": {
                name: self._window(row["stats"][s], end - span, end) for s, (name, span) in enumerate(self._spans)
            },
        }
        return View(self._key(entity), orjson.dumps(value), end, self._policy.view_ttl_s)

    def _window(self, stats: NDArray[np.float64], start: int, end: int) -> dict[str, object]:
        numbers = stats.tolist()
        window: dict[str, object] = {"start": iso(start), "end": iso(end)}
        for name, column in _FIELDS:
            number = numbers[column]
            window[name] = None if math.isnan(number) else number
        return window

    def _key(self, entity: str) -> str:
        key = self._keys.get(entity)
        if key is None:
            if len(self._keys) >= self._REMEMBER:
                self._keys.clear()
            key = self._keys[entity] = view_key(self._policy.view_prefix, self._profile.name, self._partition, entity)
        return key
