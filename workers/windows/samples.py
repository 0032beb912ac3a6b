"""The engine of sample profiles (`host`, `generic`): a vector for every sample, and for every sample that is missed.

A *sample* is all that an entity's events of one timestamp say. It is released, in event-time order, at the first
record whose watermark reaches it; until then its events wait. See `samples_kernel` for what happens in which order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.features.history import HOUR_PANES, NO_ORIGIN, PANE_US
from models.features.host import BASE
from models.features.series import WINDOWS
from models.knowledge import Knowledge
from schemas.columns import Events
from workers.runtime.records import Output
from workers.runtime.stage import NO_WATERMARK, Logged, Part
from workers.windows.engine import Emission, EnginePolicy, Timeline
from workers.windows.profiles import Profile, ProfileError
from workers.windows.samples_emit import Layouts, closed_panes, emission, settle_layouts
from workers.windows.samples_intake import LATE_MEMORY, Batch, Pile, counted, empty_pile, find_series, take_in
from workers.windows.samples_kernel import Arrivals, Result, Rules, Stretch, empty_result, run
from workers.windows.samples_log import Past, farewell, metrics_output
from workers.windows.samples_parts import Clock, Versions, parts_of, restore_parts
from workers.windows.samples_schedule import (
    BLANK,
    CADENCE,
    CADENCE_ORIGIN,
    COUNT_ORIGIN,
    DUE,
    EXPIRES,
    FAR,
    FROZEN,
    MEMORY,
    NEXT_TIME,
    QUIET_FROM,
    QUIET_ORIGIN,
    STATE,
)
from workers.windows.samples_state import Entities

MAX_ROWS = 8192
"""Vectors in one emission, about."""

_BREAK_MEMORY = 2 * MEMORY


class SampleEngine:
    """An `Engine` (see there) for one profile with `emit: sample` on one partition."""

    def __init__(self, profile: Profile, policy: EnginePolicy, partition: int) -> None:
        if profile.features not in ("host", "generic") or tuple(profile.samples) != WINDOWS:
            raise ProfileError(
                f"profile {profile.name}: features of samples are `host` or `generic`, over samples {list(WINDOWS)}"
            )
        host = profile.features == "host"
        self._profile, self._policy = profile, policy
        self._rules = Rules(policy.lateness, policy.retire_after, profile.cadence or 0, host)
        self._entities = Entities([feature.name for feature in BASE] if host else None)
        self._layouts = Layouts(host)
        self._waiting = empty_pile()
        self._past = Past([])
        self._versions = Versions()
        self._limits = Knowledge(policy.limits)
        self._clock = Clock(NO_WATERMARK, np.empty(0, np.int64), np.empty(0, np.int64))

    def step(self, events: Events, skewed: NDArray[np.bool_], timeline: Timeline) -> Iterator[Emission]:
        """See `Engine.step`. Counts as well `metrics_refused`, values that the profile or the cap leaves out,
        `values_impossible`, those that by what is known of their metric are no measurement, and
        `evicted_waiting`, events (of those in panes) that waited when their entity had to make room for another.
        """
        if len(timeline.after) == 0:
            return
        self._past.begin(self._entities, int(timeline.offsets[0]), int(timeline.before[0]))
        batch = take_in(self._entities, events, skewed, timeline, self._policy, self._limits)
        self._past.pass_over(batch.pile, events.entity)
        self._watch(timeline)
        work = _Work(self._waiting, batch, self._entities)
        held: list[tuple[int, Output]] = []
        for lo, hi, end, last in self._stretches(work, timeline):
            out = self._run(work, timeline, lo, hi, end)
            settle_layouts(self._entities, self._layouts, out)
            held += closed_panes(
                self._entities, out, self._policy.state_topic, self._profile.name, timeline.offsets, lo
            )
            if last:
                held += self._notices(batch, lo, hi)
            logged = sorted(held, key=lambda one: (one[0], one[1].key or b"")) if last else []
            held = [] if last else held
            counts = counted(batch.counts, lo, hi) + work.lost(lo, hi) if last else {}
            name = (self._profile.name, self._profile.version)
            yield emission(self._entities, self._layouts, name, out, lo, logged, counts)
        self._finish(work, np.unique(batch.lives.slot[batch.lives.slot >= 0]))

    def anchor(self) -> int | None:
        """First offset that any retained state depends on; None when nothing is retained."""
        h, q = self._entities.history, self._entities.schedule
        used = self._entities.used
        live = np.flatnonzero(q[:used, STATE] != BLANK)
        found = [
            self._waiting.origin,
            self._waiting.value_origin,
            *(q[live, column] for column in (QUIET_ORIGIN, CADENCE_ORIGIN, COUNT_ORIGIN)),
        ]
        inside = np.arange(h.origin.shape[1]) < h.held[live, None]
        found.append(h.origin[live][inside])
        newest = np.where(h.held[live] > 0, h.time[live, np.maximum(h.held[live] - 1, 0)], 0) // PANE_US
        found.append(h.pane_origin[live][h.pane[live] > newest[:, None] - HOUR_PANES])
        known = self._entities.counters.time > self._clock.watermark - 2 * LATE_MEMORY
        found += [self._entities.counters.origin[known], self._entities.counters.base_origin[known]]
        found.append(self._entities.histograms.origins(self._clock.watermark - 2 * LATE_MEMORY))
        first = min((int(column.min()) for column in found if len(column)), default=NO_ORIGIN)
        return None if first == NO_ORIGIN else first

    def parts(self) -> Mapping[str, Part]:
        return parts_of(self._entities, self._waiting, self._versions, self._clock)

    def restore(self, parts: Mapping[str, bytes]) -> None:
        self._waiting, self._clock = restore_parts(self._entities, self._layouts, self._versions, parts)

    def recall(self, logged: list[Logged]) -> None:
        self._past = Past(logged)

    def _watch(self, timeline: Timeline) -> None:
        """Note the breaks in which nobody watched, and let go of those that can matter to nobody any more."""
        start = timeline.before + self._policy.lateness
        stop = np.minimum(timeline.watched, timeline.after + self._policy.lateness)
        rows = np.flatnonzero((stop > start) & (timeline.before > NO_WATERMARK))
        keep = self._clock.stop > timeline.before[0] - _BREAK_MEMORY
        self._clock = Clock(
            int(timeline.after[-1]),
            np.concatenate((self._clock.start[keep], start[rows])),
            np.concatenate((self._clock.stop[keep], stop[rows])),
        )
        self._versions.clock += 1

    def _stretches(self, work: _Work, timeline: Timeline) -> Iterator[tuple[int, int, int, bool]]:
        """Runs of records [lo, hi) with a bounded number of vectors, each up to a watermark.

        A record that moves time so far that it alone gives too many takes several turns; only the last one says so.
        """
        lo, n = 0, len(timeline.after)
        while lo < n:
            hi = min(n, max(lo + 1, work.record_of_event(lo, MAX_ROWS)))
            while hi > lo + 1 and self._missed(int(timeline.after[hi - 1])) > MAX_ROWS:
                hi = lo + (hi - lo) // 2
            end = int(timeline.after[hi - 1])
            if hi == lo + 1:
                yield from ((lo, hi, until, False) for until in self._turns(int(timeline.before[lo]), end))
            yield lo, hi, end, True
            lo = hi

    def _turns(self, start: int, end: int) -> Iterator[int]:
        while self._missed(end) > MAX_ROWS:
            low, high = max(start, int(self._entities.schedule[: self._entities.used, NEXT_TIME].min())), end
            while high - low > 1_000 and self._missed(high) > MAX_ROWS:
                high = low + (high - low) // 2
            if high >= end:
                return
            yield high
            start = high

    def _missed(self, end: int) -> int:
        """About how many vectors of missed samples come before the watermark is at `end`."""
        q, used = self._entities.schedule, self._entities.used
        rows = np.flatnonzero(q[:used, DUE] <= end)
        last = np.minimum(end, q[rows, QUIET_FROM] + np.maximum(self._policy.retire_after, 6 * q[rows, CADENCE]))
        return int(np.maximum(0, (last - q[rows, DUE]) // np.maximum(q[rows, CADENCE], 1) + 1).sum())

    def _run(self, work: _Work, timeline: Timeline, lo: int, hi: int, end: int) -> Result:
        entities, q = self._entities, self._entities.schedule
        line = Stretch(
            timeline.before[lo:hi], timeline.after[lo:hi], timeline.offsets[lo:hi], self._clock.start, self._clock.stop
        )
        rows = work.due(lo, hi, end)
        slots = np.union1d(work.pile.slot[rows], np.flatnonzero(q[: entities.used, NEXT_TIME] <= end))
        first = np.searchsorted(work.pile.slot[rows], np.append(slots, FAR))
        ends = np.full(len(slots), end, np.int64)
        for slot, record in work.ended.items():
            ends[slots == slot] = min(end, int(timeline.before[record]))
        if len(slots) == 0:
            return empty_result(0, 0)
        waits = np.zeros(len(rows), np.bool_)
        width = int(entities.history.width[slots].max(initial=1)) * 23 + 16
        result = run(
            entities.history,
            q,
            entities.present,
            self._rules,
            line,
            work.arrivals(rows, lo),
            slots,
            first,
            ends,
            waits,
            empty_result(len(rows) + 64, (len(rows) + 1) * width),
        )
        work.done(rows, waits)
        self._versions.touch(slots)
        if len(result.closed):
            self._versions.touch(result.closed[: result.used[2], 1], day=True)
        return result

    def _notices(self, batch: Batch, lo: int, hi: int) -> list[tuple[int, Output]]:
        """State topic: entities that have all the metrics they may, and those that had to make room for others."""
        topic, profile, entities = self._policy.state_topic, self._profile.name, self._entities
        notices = []
        for record, slot in batch.filled:
            if lo <= record < hi:
                names = [entities.metrics.names[m] for m in entities.metric[list(entities.rows(slot))]]
                notices.append((record, metrics_output(topic, entities.names[slot] or "", profile, names)))
        for slot, record in batch.lives.ended.items():
            if lo <= record < hi:
                days = entities.history.day[slot].tolist() if slot in batch.lives.evicted else []
                frozen = bool(entities.schedule[slot, FROZEN])
                gone = farewell(topic, entities.names[slot] or "", profile, days, frozen)
                notices += [(record, output) for output in gone]
        return notices

    def _finish(self, work: _Work, new: NDArray[np.int64]) -> None:
        """Keep what waits, mark who sent something (`new`), and forget entities that ended or stayed away too long."""
        entities, q = self._entities, self._entities.schedule
        self._waiting = work.left()
        used = np.array(sorted(entities.slots.values()), np.int64)
        expired = q[used, EXPIRES] <= self._clock.watermark
        over = used[expired & (q[used, STATE] == BLANK) & (q[used, FROZEN] == 0)]
        over = np.setdiff1d(over, self._waiting.slot)
        gone = np.concatenate((np.array(sorted(work.ended), np.int64), over))
        for slot in gone.tolist():
            entities.drop(slot)
        self._versions.touch(new)
        self._versions.touch(entities.reshaped(), day=True)
        renumbered = entities.compact_metrics(self._waiting.metric)
        if renumbered is not None:
            metric = self._waiting.metric
            self._waiting = replace(self._waiting, metric=np.where(metric < 0, -1, renumbered[metric]))


class _Work:
    """The events of one batch, those that waited first, sorted by slot, until they have been taken."""

    def __init__(self, waiting: Pile, batch: Batch, entities: Entities) -> None:
        new = np.flatnonzero(batch.lives.slot >= 0)
        everything = waiting.then(batch.pile.take(new))
        self.pile = everything.take(np.argsort(everything.slot, kind="stable"))
        self.ended = batch.lives.ended
        self._record = self.pile.record.copy()
        self._taken = np.zeros(len(self.pile), np.bool_)
        self._event_records = batch.pile.record
        owner = np.repeat(self.pile.slot, np.diff(self.pile.start))
        h = entities.history
        self._series = find_series(owner, self.pile.metric, h.first, h.width, entities.metric)

    def record_of_event(self, lo: int, events: int) -> int:
        """The record of the event that many after those before record `lo`; one behind all where there is none."""
        at = int(np.searchsorted(self._event_records, lo)) + events
        return int(self._event_records[at]) if at < len(self._event_records) else 1 << 60

    def due(self, lo: int, hi: int, end: int) -> NDArray[np.intp]:
        """Events of the records [lo, hi), and those from before whose time has come at the watermark `end`."""
        old = (self._record < 0) & (self.pile.time <= end)
        new = (self._record >= lo) & (self._record < hi)
        return np.flatnonzero((old | new) & ~self._taken)

    def arrivals(self, rows: NDArray[np.intp], lo: int) -> Arrivals:
        """These events for the core; records count from `lo`."""
        pile, record = self.pile, self._record[rows]
        return Arrivals(
            np.where(record < 0, -1, record - lo),
            pile.time[rows],
            pile.origin[rows],
            pile.outcome[rows],
            pile.interval[rows],
            pile.start[rows],
            pile.start[rows + 1],
            self._series,
            pile.value,
            pile.value_origin,
        )

    def done(self, rows: NDArray[np.intp], waits: NDArray[np.bool_]) -> None:
        """These have been taken; those marked go on waiting."""
        self._taken[rows[~waits]] = True
        self._record[rows[waits]] = -1

    def lost(self, lo: int, hi: int) -> Counter[str]:
        """What waits in vain: events whose entity's life ended at the records [lo, hi), once these are done."""
        slots = [slot for slot, record in self.ended.items() if lo <= record < hi]
        return Counter(evicted_waiting=int((~self._taken & np.isin(self.pile.slot, slots)).sum()))

    def left(self) -> Pile:
        """What goes on waiting after the batch."""
        rows = np.flatnonzero(~self._taken & ~np.isin(self.pile.slot, list(self.ended)))
        left = self.pile.take(rows)
        return replace(left, record=np.full(len(left), -1, np.int64))
