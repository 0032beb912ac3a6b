"""The engine of log messages: panes and windows as a service has them, with the lines of each kind of message in them.

What time, silence, lateness and limits mean is the pane engine's; a kind of message is a bucket of its sketches. So
counts are exact in eighths, and a window is its panes' sum. Beside that only the texts of new kinds are remembered, of
each entity the last one in each slot of new kinds: a vector carries the texts of what its windows count as new.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

import numpy as np
import orjson
from numpy.typing import NDArray

from models.features.logs import log_features, log_set
from models.features.sets import FeatureSet
from models.logs.matching import NEW_SLOTS, Matcher
from models.logs.names import SAID
from models.logs.templates import Templates
from schemas.columns import Events, Vectors
from workers.runtime.records import View
from workers.runtime.stage import Part
from workers.windows.demux import take_events
from workers.windows.engine import Emission, EnginePolicy, Timeline
from workers.windows.extract import Extractor
from workers.windows.logs_extract import LogExtractor, Saying, rows_with_messages
from workers.windows.panes import PaneEngine
from workers.windows.panes_store import Table
from workers.windows.profiles import Profile

TOLD = 3
"""New kinds that a vector names: those of the most lines in its second window (the only one, where there is one)."""

_SAID = "said/"
_BUCKETS = 64


@dataclass(slots=True)
class Said:
    """By entity and slot of new kinds: the text that was last read, and the newest pane in which one was.

    Entities lie in buckets, each a part of the checkpoint; `versions` counts what changed in each.
    """

    buckets: dict[int, dict[str, dict[int, tuple[str, int]]]] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)

    def of(self, entity: str) -> Mapping[int, tuple[str, int]]:
        """What an entity said, by slot."""
        return self.buckets.get(_bucket(entity), {}).get(entity, {})

    def take(self, said: Saying) -> None:
        bucket = _bucket(said.entity)
        of = self.buckets.setdefault(bucket, {}).setdefault(said.entity, {})
        before = of.get(said.slot)
        now = (said.text, max(said.pane, before[1] if before else said.pane))
        if now != before:
            of[said.slot] = now
            self._changed(bucket)

    def forget(self, before: int) -> None:
        """Drop what no window can count any more: texts of panes before that one."""
        for bucket, entities in list(self.buckets.items()):
            left = {
                entity: kept
                for entity, of in entities.items()
                if (kept := {slot: one for slot, one in of.items() if one[1] >= before})
            }
            if left != entities:
                self._changed(bucket)
                self.buckets[bucket] = left
            if not left:
                del self.buckets[bucket]

    def encode(self, bucket: int) -> bytes:
        return orjson.dumps([[entity, sorted(of.items())] for entity, of in sorted(self.buckets[bucket].items())])

    def restore(self, blob: bytes) -> None:
        for entity, of in orjson.loads(blob):
            bucket = _bucket(entity)
            self.buckets.setdefault(bucket, {})[entity] = {slot: (text, pane) for slot, (text, pane) in of}
            self._changed(bucket)

    def _changed(self, bucket: int) -> None:
        self.versions[bucket] = self.versions.get(bucket, 0) + 1


def _bucket(entity: str) -> int:
    return zlib.crc32(entity.encode()) % _BUCKETS


class LogEngine(PaneEngine):
    """One profile with `features: logs` on one partition; see `engine.Engine` for what its verbs promise."""

    def __init__(self, profile: Profile, policy: EnginePolicy, partition: int, templates: Templates) -> None:
        self._templates, self._matcher = templates, Matcher(templates)
        self._said, self._coming = Said(), list[Saying]()
        self._forgotten = 0
        super().__init__(profile, policy, partition)

    def step(self, events: Events, skewed: NDArray[np.bool_], timeline: Timeline) -> Iterator[Emission]:
        """As of panes; events without a message are left out, and counted as `without_message`."""
        rows = rows_with_messages(events)
        without = len(events) - len(rows)
        for emission in super().step(take_events(events, rows), skewed[rows], timeline):
            yield emission if not without else replace(emission, counts={**emission.counts, "without_message": without})
            without = 0
        if without:
            yield Emission(self._vectors(0), [], [], {"without_message": without})
        self._tell(len(timeline.offsets))
        self._forget()

    def parts(self) -> Mapping[str, Part]:
        said = self._said
        texts = {f"{_SAID}{n}": Part(said.versions[n], partial(said.encode, n)) for n in sorted(said.buckets)}
        return {**super().parts(), **texts}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        self._said = Said()
        for name, part in parts.items():
            if name.startswith(_SAID):
                self._said.restore(part)
        super().restore({name: part for name, part in parts.items() if not name.startswith(_SAID)})

    def _feature_set(self, profile: Profile) -> FeatureSet:
        assert profile.pane is not None
        templates = self._templates
        return log_set(templates.metrics, templates.hash, profile.name, profile.pane, profile.windows)

    def _extractor(self) -> Extractor:
        return LogExtractor(self._matcher, self._coming)

    def _width(self) -> int:
        return self._matcher.cells

    def _values(self, n: int) -> NDArray[np.float64]:
        rows = self._buffers.rows[:n]
        end = (rows["pane"] + 1) * self._state.plan.pane
        cells = self._buffers.cells[:n]
        return log_features(rows["stats"], cells, rows["base"], end, self._reference, self._templates.counted)

    def _views_of(self, rows: Table) -> list[View]:
        """None: the readable windows are about latencies."""
        return []

    def _tables(self, n: int) -> tuple[list[Vectors], NDArray[np.intp] | None]:
        whole = self._vectors(n)
        told = self._told(whole)
        if not told:
            return [whole], None
        plain = np.setdiff1d(np.arange(n), list(told))
        tables, places = [_take(whole, plain)], [plain]
        by_names = sorted(told, key=lambda row: (tuple(told[row]), row))
        for _, group in groupby(by_names, key=lambda row: tuple(told[row])):
            rows = np.array(list(group), np.intp)
            tables.append(_with(_take(whole, rows), [told[row] for row in rows.tolist()]))
            places.append(rows)
        return tables, np.argsort(np.concatenate(places), kind="stable")

    def _told(self, vectors: Vectors) -> dict[int, dict[str, float]]:
        """For the rows that count new kinds: names and lines of the largest. Takes what was said before each row."""
        cells = self._buffers.cells[: len(vectors), min(2, self._buffers.cells.shape[1] - 1)]
        new = cells[:, self._matcher.counted + 1 :]
        found: dict[int, dict[str, float]] = {}
        for row in np.flatnonzero(new.any(axis=1)).tolist():
            self._tell(int(vectors.at[row]))
            texts = self._said.of(vectors.entity[row])
            lines = new[row].tolist()
            slots = sorted((slot for slot in range(NEW_SLOTS) if lines[slot] > 0.0), key=lambda s: (-lines[s], s))
            told: dict[str, float] = {}
            for slot in slots:
                name = SAID + texts[slot][0]
                told[name] = told.get(name, 0.0) + lines[slot]
                if len(told) == TOLD:
                    break
            found[row] = dict(sorted(told.items()))
        return found

    def _forget(self) -> None:
        """Drop texts that are over, now and then: nothing shows whether they are there."""
        before = self._state.watermark // self._state.plan.pane - self._reach
        if before >= self._forgotten + self._reach // 4 and self._said.buckets:
            self._said.forget(before)
            self._forgotten = before

    def _tell(self, record: int) -> None:
        """Take what was said before a record of the batch."""
        done = 0
        for said in self._coming:
            if said.record >= record:
                break
            self._said.take(said)
            done += 1
        del self._coming[:done]


def _take(vectors: Vectors, rows: NDArray[np.intp]) -> Vectors:
    entity = [vectors.entity[row] for row in rows.tolist()]
    taken = {name: getattr(vectors, name)[rows] for name in _COLUMNS}
    return replace(vectors, entity=entity, **taken)


def _with(vectors: Vectors, told: list[dict[str, float]]) -> Vectors:
    """The vectors with more values behind the others; all of these rows have the same names."""
    more = np.array([list(one.values()) for one in told])
    return replace(vectors, names=(*vectors.names, *told[0]), values=np.hstack((vectors.values, more)))


_COLUMNS = (
    "at",
    "window_start",
    "window_end",
    "sequence",
    "values",
    "event_count",
    "late_count",
    "skewed_count",
    "silent",
    "retired",
    "regular",
)
