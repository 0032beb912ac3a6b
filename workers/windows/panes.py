"""The pane engine (`service`): fixed panes of event time, rolling windows merged from them, a vector at pane close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from models.features.known import FEATURE_SETS
from models.features.service import reference_stretch, service_features, service_set
from models.features.sets import FeatureSet
from schemas.columns import Events, Vectors
from workers.runtime.records import Output, View
from workers.runtime.stage import NO_WATERMARK, Logged, Part
from workers.windows import coarse, panes_parts, sketch
from workers.windows.engine import Emission, EnginePolicy, Timeline
from workers.windows.extract import Extractor
from workers.windows.panes_row import make_rows, make_scratch
from workers.windows.panes_run import CURSOR, FINISHED, GONE, RINGS, ROW, Buffers, Time, anchor, run
from workers.windows.panes_store import ALIVE, Plan, Table, dissolve_queue, forget_past, held, queue_up, reserve
from workers.windows.panes_update import (
    BORN,
    DROPPED_LATE,
    EVICTED,
    IN_PANES,
    LATE_IN_CLOSED_PANE,
    OUTCOMES,
    RETIRED,
    SKEWED,
)
from workers.windows.profiles import Profile
from workers.windows.state_log import split_key, state_key
from workers.windows.views import WindowViews

_NAMES = {
    IN_PANES: "in_panes",
    LATE_IN_CLOSED_PANE: "late_in_closed_pane",
    DROPPED_LATE: "dropped_late",
    SKEWED: "skewed",
    EVICTED: "entities_evicted",
    BORN: "entities_born",
    RETIRED: "entities_retired",
}
_BUFFER = 4096  # rows, and entries of the log, between two returns to Python
_CELLS = 1 << 18  # fewer where each has many cells
_NEWCOMERS = 4096  # entities that one stretch of records may bring; bounds the seats taken beyond the limit


def make_plan(profile: Profile, policy: EnginePolicy) -> Plan:
    """The engine's constants."""
    assert profile.pane is not None
    windows = np.array([window // profile.pane for window in profile.windows], np.int64)
    ahead = (policy.max_skew + policy.lateness) // profile.pane + 2
    longest = int(windows[-1])
    coarse_panes = -(-coarse.COARSE // profile.pane)
    return Plan(
        windows=windows,
        pane=profile.pane,
        longest=longest,
        ring=max(longest, coarse_panes) + ahead + 2,
        lateness=policy.lateness,
        retire_after=policy.retire_after,
        cadence=profile.cadence or 0,
        max_entities=policy.max_entities,
    )


class PaneEngine:
    """One profile of fixed panes on one partition; see `engine.Engine` for what its verbs promise."""

    def __init__(self, profile: Profile, policy: EnginePolicy, partition: int) -> None:
        if profile.pane is None:
            raise ValueError(f"profile {profile.name} has no panes")
        plan = make_plan(profile, policy)
        self._profile, self._policy = profile, policy
        self._reach = max(plan.longest, -(-coarse.COARSE // profile.pane))
        self._set = self._feature_set(profile)
        self._names = () if self._set.hash in FEATURE_SETS else self._set.names
        self._reference = reference_stretch(profile.windows)
        self._extract = self._extractor()
        self._views = WindowViews(profile, policy, partition)
        rows = min(_BUFFER, max(1, _CELLS // max(1, self._width())))
        self._buffers = Buffers(
            rows=make_rows(rows, plan),
            cells=np.zeros((rows, 1 + len(plan.windows), self._width())),
            rings=np.zeros((rows, 2), np.int32),
            gone=np.zeros((rows, 2), np.int32),
            scratch=make_scratch(),
            outcomes=np.zeros(OUTCOMES, np.int64),
        )
        self._state = panes_parts.empty_state(plan)

    def step(self, events: Events, skewed: NDArray[np.bool_], timeline: Timeline) -> Iterator[Emission]:
        if not len(timeline.offsets):
            return
        state = self._state
        state.serial += 1
        time = Time(timeline.offsets, timeline.before, timeline.after, timeline.watched, state.serial)
        mine = self._extract.events(events, skewed, state.plan.pane)
        names, codes = events.entity.values, events.entity.codes
        seats = np.fromiter(map(state.roster.seat_of.get, names, repeat(-1)), np.int32, len(names))
        cursor = np.zeros(CURSOR, np.int64)
        for first, last, stop in _stretches(events, seats, len(timeline.offsets)):
            self._seat_newcomers(codes[first:last], names, seats)
            mine["seat"][first:last] = seats[codes[first:last]]
            state.memory = reserve(state.memory, last - first, (last - first) * sketch.CHUNKS_PER_EVENT)
            if len(state.roster) > state.plan.max_entities:
                state.memory = queue_up(state.memory, last - first)
            yield from self._run(mine, time, stop, cursor)
            state.memory = dissolve_queue(state.memory)
            self._dismiss(seats, int(timeline.offsets[stop - 1]))
        state.watermark = int(timeline.after[-1])
        panes_parts.drop_recalled(state, int(timeline.offsets[-1]))

    def anchor(self) -> int | None:
        state = self._state
        if state.watermark == NO_WATERMARK:
            return None
        found = anchor(state.plan, state.memory, state.roster.order, state.watermark, self._reach)
        return None if found < 0 else int(found)

    def parts(self) -> Mapping[str, Part]:
        return panes_parts.encode(self._state)

    def restore(self, parts: Mapping[str, bytes]) -> None:
        self._state = panes_parts.decode(self._state.plan, parts)

    def recall(self, logged: list[Logged]) -> None:
        rings = {split_key(entry.key)[0]: coarse.decode_ring(entry.value) for entry in logged}
        panes_parts.recall(self._state, rings)

    def memory(self) -> int:
        """Bytes held for entities and their panes."""
        return held(self._state.memory)

    def __len__(self) -> int:
        """Entities now known."""
        return len(self._state.roster)

    def _run(self, events: Table, time: Time, stop: int, cursor: NDArray[np.int64]) -> Iterator[Emission]:
        state, outcomes = self._state, self._buffers.outcomes
        while True:
            status = run(state.plan, state.memory, state.roster.order, events, time, stop, cursor, self._buffers)
            if cursor[ROW] or cursor[RINGS] or cursor[GONE] or outcomes.any():
                yield self._emission(cursor)
            if status == FINISHED:
                return

    def _emission(self, cursor: NDArray[np.int64]) -> Emission:
        """Take everything out of the buffers."""
        state, outcomes, n = self._state, self._buffers.outcomes, int(cursor[ROW])
        logged = self._tombstones(int(cursor[GONE])) + self._rings(int(cursor[RINGS]))
        moved = outcomes[BORN] or outcomes[EVICTED] or outcomes[RETIRED]
        state.lives += bool(n or logged or moved)
        state.pasts += bool(logged or moved)
        views = self._views_of(self._buffers.rows[:n])
        counts = {name: int(outcomes[cell]) for cell, name in _NAMES.items() if outcomes[cell]}
        tables, order = self._tables(n)
        emission = Emission(tables[0], logged, views, counts, tables[1:], order)
        cursor[ROW] = cursor[RINGS] = cursor[GONE] = 0
        outcomes[:] = 0
        return emission

    def _feature_set(self, profile: Profile) -> FeatureSet:
        assert profile.pane is not None
        return service_set(profile.name, profile.pane, profile.windows)

    def _extractor(self) -> Extractor:
        return Extractor()

    def _width(self) -> int:
        """How many buckets of the sketch are told of one by one."""
        return 0

    def _values(self, n: int) -> NDArray[np.float64]:
        """The features of the buffer's first n rows."""
        rows = self._buffers.rows[:n]
        end = (rows["pane"] + 1) * self._state.plan.pane
        return service_features(rows["stats"], rows["base"], end, self._reference)

    def _views_of(self, rows: Table) -> list[View]:
        return self._views.views(rows, self._state.roster.names)

    def _tables(self, n: int) -> tuple[list[Vectors], NDArray[np.intp] | None]:
        """The buffer's first n rows as an `Emission` has them: tables of one list of names each, and their order."""
        return [self._vectors(n)], None

    def _vectors(self, n: int) -> Vectors:
        rows, pane = self._buffers.rows[:n], self._state.plan.pane
        end = (rows["pane"] + 1) * pane
        names = self._state.roster.names
        return Vectors(
            at=rows["record"].copy(),
            profile=self._profile.name,
            profile_version=self._profile.version,
            feature_set=self._set.hash,
            names=self._names,
            entity=[names[seat] for seat in rows["seat"].tolist()],
            window_start=end - pane,
            window_end=end,
            sequence=np.zeros(n, np.int64),
            values=self._values(n),
            event_count=rows["count"].copy(),
            late_count=rows["late"].copy(),
            skewed_count=rows["skewed"].copy(),
            silent=rows["silent"].copy(),
            retired=rows["retired"].copy(),
            regular=rows["regular"].copy(),
        )

    def _rings(self, n: int) -> list[tuple[int, Output]]:
        """The coarse rings to be logged."""
        logged = []
        for seat, record in self._buffers.rings[:n].tolist():
            of = self._state.memory.seats[seat]
            ring = coarse.Ring(int(of["logged_offset"]), int(of["coarse_newest"]), of["coarse_ring"])
            logged.append((record, self._log(seat, coarse.encode_ring(ring))))
        return logged

    def _tombstones(self, n: int) -> list[tuple[int, Output]]:
        """For what was logged of entities that are gone."""
        return [(record, self._log(seat, None)) for seat, record in self._buffers.gone[:n].tolist()]

    def _log(self, seat: int, value: bytes | None) -> Output:
        key = state_key(self._state.roster.names[seat], self._profile.name)
        return Output(self._policy.state_topic, key, value)

    def _seat_newcomers(self, codes: NDArray[np.int32], names: Sequence[str], seats: NDArray[np.int32]) -> None:
        """Give a seat to every entity of the stretch that has none, before anyone knows whether it will be born."""
        fresh = np.unique(codes[seats[codes] < 0])
        if not len(fresh):
            return
        state = self._state
        if state.roster.free < len(fresh):
            state.add_seats(max(len(fresh), state.roster.seats // 4, 16))
        newcomers = [names[code] for code in fresh]
        seats[fresh] = state.roster.join(newcomers)
        for name, seat in zip(newcomers, seats[fresh].tolist(), strict=True):
            if name in state.recalled:
                self._take_back(name, seat)

    def _take_back(self, name: str, seat: int) -> None:
        of, ring = self._state.memory.seats[seat], self._state.recalled[name]
        of["coarse_ring"] = ring.measures
        of["coarse_newest"] = ring.newest
        of["logged_offset"] = ring.offset
        of["logged"] = True
        of["regular"] = coarse.summarise(of["coarse_ring"], ring.newest, of["base"])

    def _dismiss(self, seats: NDArray[np.int32], offset: int) -> None:
        """Free the seats of those who were not born or are gone by the record at `offset`."""
        state = self._state
        if len(state.roster) == state.memory.ends[ALIVE]:
            return
        gone = state.roster.order[~state.memory.seats["active"][state.roster.order]]
        for name in (state.roster.names[seat] for seat in gone):
            ring = state.recalled.get(name)
            if ring is not None and ring.offset <= offset:
                del state.recalled[name]
        forget_past(state.memory.seats, gone)
        state.roster.dismiss(gone)
        state.lives += 1
        state.pasts += 1
        seats[np.isin(seats, gone)] = -1


def _stretches(events: Events, seats: NDArray[np.int32], records: int) -> Iterator[tuple[int, int, int]]:
    """Rows [first, last) and the record to stop before; one stretch, unless the batch brings very many entities."""
    rows, first = len(events), 0
    size = _NEWCOMERS if int((seats < 0).sum()) > _NEWCOMERS else max(rows, 1)
    while True:
        last = min(rows, first + size)
        yield first, last, int(events.record[last]) if last < rows else records
        if last >= rows:
            return
        first = last
