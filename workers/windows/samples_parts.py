"""Checkpoints of the sample engine: sixteen entities a part, what changes with every sample apart from the past day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features.history import NEVER
from workers.runtime.stage import Part
from workers.windows.counters import Counters
from workers.windows.packing import pack, unpack
from workers.windows.samples_emit import Layouts
from workers.windows.samples_intake import Pile, empty_pile
from workers.windows.samples_schedule import LAST_OFFSET, SHOWN
from workers.windows.samples_state import Entities

BUCKET = 16
"""Entities a part; with 256 metrics each it stays below 4 MB."""

_RING = ("held", "time", "origin", "pane", "pane_origin")
_SERIES = ("value", "seen", "stats")
_WAITING = ("slot", "time", "origin", "outcome", "interval", "metric", "value", "value_origin")


class Versions:
    """Which parts changed: a number a bucket, raised by what touches one of its entities."""

    def __init__(self) -> None:
        self._count = 0
        self.hot: dict[int, int] = {}
        self.day: dict[int, int] = {}
        self.clock = 0

    def touch(self, slots: NDArray[np.int64], day: bool = False) -> None:
        """The entities in these slots changed; with `day`, their past day did as well."""
        self._count += 1
        for bucket in np.unique(slots // BUCKET).tolist():
            self.hot[bucket] = self._count
            if day:
                self.day[bucket] = self._count


@dataclass(frozen=True, slots=True)
class Clock:
    """The watermark, and the breaks [start, stop) in which nobody watched."""

    watermark: int
    start: NDArray[np.int64]
    stop: NDArray[np.int64]


def parts_of(entities: Entities, waiting: Pile, versions: Versions, clock: Clock) -> Mapping[str, Part]:
    """The whole state. A bucket without entities has no part."""
    used = {slot // BUCKET for slot in entities.slots.values()}
    found: dict[str, Part] = {}
    for bucket in sorted(used):
        found[f"{bucket}.samples"] = Part(versions.hot[bucket], _Bucket(entities, waiting, bucket).hot)
        found[f"{bucket}.day"] = Part(versions.day[bucket], _Bucket(entities, waiting, bucket).day)
    columns = {"watermark": np.array([clock.watermark]), "start": clock.start, "stop": clock.stop}
    found["clock"] = Part(versions.clock, lambda: pack(columns))
    return found


class _Bucket:
    """The encoding of one bucket, when it is asked for."""

    def __init__(self, entities: Entities, waiting: Pile, bucket: int) -> None:
        self._entities, self._waiting, self._bucket = entities, waiting, bucket

    def _slots(self) -> NDArray[np.int64]:
        names = self._entities.names
        first = self._bucket * BUCKET
        return np.array([s for s in range(first, min(first + BUCKET, len(names))) if names[s] is not None], np.int64)

    def hot(self) -> bytes:
        entities, slots = self._entities, self._slots()
        h, rows = entities.history, self._rows(slots)
        metrics, number = self._by_name(entities.metric[rows])
        columns: dict[str, NDArray[np.generic]] = {"slots": slots, "width": h.width[slots], "metrics": number}
        columns |= {name: getattr(h, name)[slots] for name in _RING}
        columns["schedule"] = np.delete(entities.schedule[slots], SHOWN, axis=1)
        columns |= {name: getattr(h, name)[rows] for name in _SERIES}
        columns |= {f"counter_{name}": getattr(entities.counters, name)[rows] for name in Counters._fields}
        columns["present"] = entities.present[rows]
        mine = self._waiting.take(np.flatnonzero(self._waiting.slot // BUCKET == self._bucket))
        waiting_metrics, number = self._by_name(mine.metric)
        columns |= {f"waiting_{name}": getattr(mine, name) for name in _WAITING}
        columns |= {"waiting_metric": number, "waiting_start": mine.start}
        histograms, named = entities.histograms.packed(slots.tolist())
        columns |= {f"histogram_{name}": column for name, column in histograms.items()}
        strings = [entities.names[slot] or "" for slot in slots] + metrics + waiting_metrics + named
        columns["counts"] = np.array([len(slots), len(metrics), len(waiting_metrics)])
        return pack(columns, strings)

    def day(self) -> bytes:
        slots = self._slots()
        h = self._entities.history
        return pack({"slots": slots, "day": h.day[slots], "mean": h.day_mean[self._rows(slots)]})

    def _by_name(self, metric: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
        """The names of these metrics, ascending, and the place of each metric's name among them."""
        used, inverse = np.unique(metric, return_inverse=True)
        names = [self._entities.metrics.names[m] for m in used]
        order = sorted(range(len(names)), key=names.__getitem__)
        place = np.empty(len(names), np.int64)
        place[order] = np.arange(len(names))
        return [names[i] for i in order], place[inverse]

    def _rows(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = [np.arange(r.start, r.stop) for r in map(self._entities.rows, slots.tolist())]
        return np.concatenate([np.empty(0, np.int64), *rows])


def restore_parts(
    entities: Entities, layouts: Layouts, versions: Versions, parts: Mapping[str, bytes]
) -> tuple[Pile, Clock]:
    """Fill an empty memory from its parts; returns what waits, and the clock."""
    piles = [empty_pile()]
    columns, _ = unpack(parts["clock"])
    clock = Clock(int(columns["watermark"][0]), columns["start"].astype(np.int64), columns["stop"].astype(np.int64))
    for name, blob in parts.items():
        if name.endswith(".samples"):
            piles.append(_restore_hot(entities, layouts, *unpack(blob)))
    for name, blob in parts.items():
        if name.endswith(".day"):
            columns, _ = unpack(blob)
            slots = columns["slots"].astype(np.int64)
            entities.history.day[slots] = columns["day"]
            rows = [np.arange(r.start, r.stop) for r in map(entities.rows, slots.tolist())]
            entities.history.day_mean[np.concatenate(rows)] = columns["mean"]
    entities.settle()
    waiting = piles[0]
    for pile in piles[1:]:
        waiting = waiting.then(pile)
    # Between entities the order is free; within one it is record order, which the parts kept.
    versions.touch(np.array(list(entities.slots.values()), np.int64), day=True)
    entities.reshaped()
    return waiting, clock


def _restore_hot(
    entities: Entities, layouts: Layouts, columns: dict[str, NDArray[np.generic]], strings: list[str]
) -> Pile:
    n, metrics, waiting_metrics = columns["counts"].astype(np.int64).tolist()
    slots = columns["slots"].astype(np.int64)
    for slot, name in zip(slots.tolist(), strings[:n], strict=True):
        entities.place(slot, name)
    waits_to = n + metrics + waiting_metrics
    number = np.array([entities.metrics.number(name) for name in strings[n:waits_to]], np.int64)
    prefix = "histogram_"
    histograms = {name.removeprefix(prefix): column for name, column in columns.items() if name.startswith(prefix)}
    entities.histograms.unpack(histograms, strings[waits_to:])
    held = number[:metrics][columns["metrics"].astype(np.int64)] if metrics else np.empty(0, np.int64)
    rows = entities.allot(slots, columns["width"].astype(np.int64), held)
    for name in _RING:
        getattr(entities.history, name)[slots] = columns[name]
    entities.schedule[slots] = np.insert(columns["schedule"].astype(np.int64), SHOWN, -1, axis=1)
    for name in _SERIES:
        getattr(entities.history, name)[rows] = columns[name]
    for name in Counters._fields:
        getattr(entities.counters, name)[rows] = columns[f"counter_{name}"]
    entities.present[rows] = columns["present"]
    _restore_layouts(entities, layouts, slots)
    waiting = {name: columns[f"waiting_{name}"] for name in _WAITING}
    waits = number[metrics:][columns["waiting_metric"].astype(np.int64)] if len(number) > metrics else number[:0]
    return Pile(
        record=np.full(len(waiting["slot"]), -1, np.int64),
        start=columns["waiting_start"].astype(np.int64),
        **{**waiting, "metric": waits},  # type: ignore[arg-type]
    )


def _restore_layouts(entities: Entities, layouts: Layouts, slots: NDArray[np.int64]) -> None:
    names = entities.metrics.names
    for slot in slots.tolist():
        if entities.metrics.fixed:
            entities.schedule[slot, SHOWN] = 0
        elif entities.schedule[slot, LAST_OFFSET] != NEVER:
            shown = [row for row in entities.rows(slot) if entities.present[row]]
            entities.schedule[slot, SHOWN] = layouts.number(tuple(names[entities.metric[row]] for row in shown))
