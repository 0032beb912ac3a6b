"""Streams of events for engine tests: written as plain tuples, given to an engine in batches, read back as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, DELTA, GAUGE, NULL_TIME, RATE, Events, Strings, Vectors
from workers.runtime.records import Chunk, Output, Records
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import Emission, Engine, Timeline

S = 1_000_000
TYPES = {"gauge": GAUGE, "counter": COUNTER, "delta": DELTA, "rate": RATE}


@dataclass(frozen=True)
class Sent:
    """One record: an event, or (without an entity) a tick. Times in microseconds; `reference` None: the event's own."""

    time: int
    entity: str | None = None
    metrics: Mapping[str, float | tuple[float, str]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    reference: int | None = None
    skewed: bool = False
    kind: str = "metric"
    distributions: Mapping[str, tuple[Sequence[float], Sequence[int], str]] = field(default_factory=dict)
    """By name: bounds, counts and type."""

    @property
    def moves_to(self) -> int:
        return self.time if self.reference is None else min(self.time, self.reference)


def _strings(values: Sequence[str | None]) -> Strings:
    known: dict[str, int] = {}
    codes = [-1 if value is None else known.setdefault(value, len(known)) for value in values]
    return Strings(np.array(codes, np.int32), list(known))


def events_of(sent: Sequence[Sent]) -> tuple[Events, NDArray[np.bool_]]:
    """The events among these records, as the codec gives them, and which are skewed."""
    rows = [(i, one) for i, one in enumerate(sent) if one.entity is not None]
    attributes = [(r, k, v) for r, (_, one) in enumerate(rows) for k, v in one.attributes.items()]
    metrics = [
        (r, name, *(given if isinstance(given, tuple) else (given, "gauge")))
        for r, (_, one) in enumerate(rows)
        for name, given in one.metrics.items()
    ]
    dists = [(r, name, *given) for r, (_, one) in enumerate(rows) for name, given in one.distributions.items()]
    n = len(rows)
    events = Events(
        record=np.array([i for i, _ in rows], np.int32),
        time=np.array([one.time for _, one in rows], np.int64),
        entity=_strings([one.entity for _, one in rows]),
        kind=_strings([one.kind for _, one in rows]),
        weight=np.ones(n),
        observed_at=np.full(n, NULL_TIME),
        id=_strings([None] * n),
        source=_strings([None] * n),
        attr_row=np.array([r for r, _, _ in attributes], np.int32),
        attr_name=_strings([k for _, k, _ in attributes]),
        attr_value=_strings([v for _, _, v in attributes]),
        metric_row=np.array([m[0] for m in metrics], np.int32),
        metric_name=_strings([m[1] for m in metrics]),
        metric_value=np.array([m[2] for m in metrics], np.float64),
        metric_type=np.array([TYPES[m[3]] for m in metrics], np.int8),
        dist_row=np.array([d[0] for d in dists], np.int32),
        dist_name=_strings([d[1] for d in dists]),
        bound_start=np.cumsum([0, *(len(d[2]) for d in dists)]),
        bounds=np.array([bound for d in dists for bound in d[2]], np.float64),
        count_start=np.cumsum([0, *(len(d[3]) for d in dists)]),
        counts=np.array([count for d in dists for count in d[3]], np.int64),
        dist_type=np.array([TYPES[d[4]] for d in dists], np.int8),
    )
    return events, np.array([one.skewed for _, one in rows], np.bool_)


@dataclass
class TimeKeeper:
    """Watermarks and watching, record by record, as the windows stage would tell them."""

    lateness: int = 10 * S
    gap: int = 30 * S
    watermark: int = NO_WATERMARK
    watched: int = NO_WATERMARK

    def timeline(self, sent: Sequence[Sent], first_offset: int) -> Timeline:
        before, after, watched = [], [], []
        for one in sent:
            before.append(self.watermark)
            if not one.skewed:
                newest = self.watermark + self.lateness
                if self.watermark == NO_WATERMARK or one.moves_to > newest + self.gap:
                    self.watched = one.moves_to
                self.watermark = max(self.watermark, one.moves_to - self.lateness)
            after.append(self.watermark)
            watched.append(self.watched)
        columns = (np.array(column, np.int64) for column in (before, after, watched))
        return Timeline(np.arange(first_offset, first_offset + len(sent)), *columns)


@dataclass
class Row:
    """One vector, its values by name."""

    at: int
    entity: str
    start: int
    end: int
    values: dict[str, float]
    events: int
    late: int
    skewed: int
    silent: bool
    retired: bool
    regular: bool
    sequence: int = 0


def tables_in_order(emission: Emission) -> Iterator[tuple[Vectors, int]]:
    """Every row of an emission, in the order the stage gives them: its table and its place in it."""
    places = [(table, i) for table in (emission.vectors, *emission.more) for i in range(len(table))]
    for p in range(len(places)) if emission.order is None else emission.order:
        yield places[p]


def rows_of(emission: Emission, names: Sequence[str] = ()) -> list[Row]:
    """The vectors of an emission in order; `names` where the profile's are fixed."""
    return [
        Row(
            int(table.at[i]),
            table.entity[i],
            int(table.window_start[i]),
            int(table.window_end[i]),
            dict(zip(table.names or names, table.values[i].tolist(), strict=True)),
            int(table.event_count[i]),
            int(table.late_count[i]),
            int(table.skewed_count[i]),
            bool(table.silent[i]),
            bool(table.retired[i]),
            bool(table.regular[i]),
            int(table.sequence[i]),
        )
        for table, i in tables_in_order(emission)
    ]


@dataclass
class Seen:
    """What an engine gave over a stream."""

    rows: list[Row] = field(default_factory=list)
    logged: list[Output] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, entity: str) -> list[Row]:
        return [row for row in self.rows if row.entity == entity]


def play(engine: Engine, sent: Sequence[Sent], cut: int | None = None, names: Sequence[str] = (), **time: int) -> Seen:
    """Give a stream to an engine in batches of `cut` records."""
    seen, keeper = Seen(), TimeKeeper(**time)
    size = cut or max(1, len(sent))
    for first in range(0, len(sent), size):
        batch = sent[first : first + size]
        events, skewed = events_of(batch)
        for emission in engine.step(events, skewed, keeper.timeline(batch, first)):
            fresh = rows_of(emission, names)
            for row in fresh:
                row.at += first
            seen.rows += fresh
            seen.logged += [output for _, output in emission.logged]
            seen.counts.update(emission.counts)
    return seen


class EngineStage:
    """One engine as a whole stage over `Sent` records, for the contract suite: outputs tell all of a vector's bytes."""

    name = "windows"
    config_hash = "test"
    state_topic: str | None = "state"

    def __init__(self, make: Any, sent: Sequence[Sent], **time: int) -> None:
        self._make, self._sent, self._time = make, list(sent), time

    def records(self) -> Records:
        n = len(self._sent)
        empty: list[bytes | None] = [None] * n
        return Records("events", 0, np.arange(n), np.zeros(n, np.int64), empty, empty, [None] * n)

    def start(self, partition: int, watermark: int, logged: list[Any]) -> dict[str, Any]:
        engine = self._make()
        engine.recall(logged)
        keeper = TimeKeeper(**self._time, watermark=watermark, watched=watermark)
        return {"engine": engine, "keeper": keeper, "marks": {}}

    def step(self, state: dict[str, Any], records: Records) -> Iterator[Chunk]:
        first, n = int(records.offsets[0]) if len(records) else 0, len(records)
        batch = self._sent[first : first + n]
        events, skewed = events_of(batch)
        line = state["keeper"].timeline(batch, first)
        state["marks"].update(zip(line.offsets.tolist(), line.before.tolist(), strict=True))
        outputs: list[tuple[int, int, Output]] = []
        counts: Counter[str] = Counter()
        for emission in state["engine"].step(events, skewed, line):
            for table, i in tables_in_order(emission):
                told = (
                    table.feature_set,
                    table.names,
                    table.window_start[i],
                    table.window_end[i],
                    table.sequence[i],
                    table.event_count[i],
                    table.late_count[i],
                    table.skewed_count[i],
                    table.silent[i],
                    table.retired[i],
                    table.regular[i],
                )
                value = repr(told).encode() + table.values[i].tobytes()
                outputs.append((int(table.at[i]), 0, Output("features", table.entity[i].encode(), value)))
            outputs += [(at, 1, output) for at, output in emission.logged]
            counts.update(emission.counts)
        outputs.sort(key=lambda one: one[:2])
        yield Chunk(done=n, outputs=[output for _, _, output in outputs], counts=counts)

    def watermark(self, state: dict[str, Any]) -> int:
        return int(state["keeper"].watermark)

    def rebuild_point(self, state: dict[str, Any]) -> Any:
        from workers.runtime.stage import RebuildPoint

        anchor = state["engine"].anchor()
        return None if anchor is None else RebuildPoint(anchor, state["marks"][anchor])

    def parts(self, state: dict[str, Any]) -> Any:
        from workers.runtime.stage import Part

        keeper = state["keeper"]
        told = repr((keeper.watermark, keeper.watched, sorted(state["marks"].items()))).encode()
        return {"keeper": Part(len(state["marks"]), lambda: told), **state["engine"].parts()}

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> dict[str, Any]:
        engine = self._make()
        engine.restore({name: blob for name, blob in parts.items() if name != "keeper"})
        watermark, watched, marks = eval(parts["keeper"].decode())
        keeper = TimeKeeper(**self._time, watermark=watermark, watched=watched)
        return {"engine": engine, "keeper": keeper, "marks": dict(marks)}
