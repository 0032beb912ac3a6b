"""The pane profile once more, slowly and obviously: lists of events, everything looked at again for every vector.

Written from the contract (docs/windows.md), it shares no code with the engine but the constants of the policy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median_high, variance

import numpy as np

from tests.workers.windows.pane_events import Event
from tests.workers.windows.pane_records import Step
from workers.windows.ticks import Tick

Row = dict[str, object]


@dataclass
class Life:
    """An entity from its first event to its retirement or eviction."""

    sign: int = 0
    order: int = 0
    unwatched: int = 0
    late: int = 0
    skewed: int = 0
    panes: dict[int, list[Event]] = field(default_factory=dict)
    active: list[int] = field(default_factory=list)


@dataclass
class Oracle:
    """Takes the same steps as the stage; `rows` are the vectors, as dicts. Times in microseconds."""

    pane: int = 10_000_000
    windows: tuple[int, ...] = (6, 30, 180)
    lateness: int = 10_000_000
    max_skew: int = 300_000_000
    live_within: int = 60_000_000
    unwatched_after: int = 60_000_000
    retire_after: int = 3_600_000_000
    max_entities: int = 200_000
    kinds: tuple[str, ...] = ("api", "log", "span")
    watermark: int | None = None
    read: int = 0
    lives: dict[str, Life] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def take(self, steps: Sequence[Step]) -> list[Row]:
        for step in steps:
            self.read += 1
            if isinstance(step.what, Event):
                self._event(step.what, step.stamp)
            elif isinstance(step.what, Tick) and step.what.as_of == -1 and self.read > 1:
                ahead = 3_600_000_000 if step.what.kind == "end" else 0
                self._reach(min(step.what.time, step.stamp + ahead))
        return self.rows

    def _event(self, event: Event, stamp: int) -> None:
        reference = stamp if event.observed_at is None else min(stamp, event.observed_at)
        life = self.lives.get(event.entity) if event.kind in self.kinds else None
        if event.time > reference + self.max_skew or event.time < 63_072_000_000_000:
            if self.watermark is not None and reference - self._now() <= self.live_within:
                self._reach(reference)
                life = self.lives.get(event.entity) if event.kind in self.kinds else None
            if event.kind in self.kinds:
                self._count("skewed")
            if life is not None:
                life.skewed += 1
                life.unwatched = 0
                self._alive(life, self._now())
            return
        self._reach(min(event.time, reference))
        if event.kind not in self.kinds:
            return
        life, number, closed = self.lives.get(event.entity), event.time // self.pane, self._closed()
        if number <= closed - self.windows[-1]:
            self._count("dropped_late")
            if life is not None:
                life.late += 1
                life.unwatched = 0
                self._alive(life, self._now())
            return
        if life is None:
            if len(self.lives) >= self.max_entities:
                oldest = min(self.lives, key=lambda name: self.lives[name].order)
                del self.lives[oldest]
                self._count("entities_evicted")
            life = self.lives[event.entity] = Life()
        self._count("in_panes")
        life.panes.setdefault(number, []).append(event)
        if number <= closed:
            self._count("late_in_closed_pane")
            life.late += 1
            life.unwatched = 0
        self._alive(life, self._now() if number <= closed else event.time)

    def _alive(self, life: Life, time: int) -> None:
        life.sign, life.order = max(life.sign, time), self.read

    def _now(self) -> int:
        assert self.watermark is not None
        return self.watermark + self.lateness

    def _closed(self) -> int:
        assert self.watermark is not None
        return self.watermark // self.pane - 1

    def _reach(self, time: int) -> None:
        if self.watermark is None:
            self.watermark = time - self.lateness
            self.watched = time
            return
        if time <= self._now():
            return
        seen_until, first = self._now(), self._closed() + 1
        broke = time - seen_until > self.unwatched_after
        if broke:
            self.watched = time
        self.watermark = time - self.lateness
        excused = False
        for number in self._worth_closing(first, broke, seen_until):
            start = number * self.pane
            if broke and start > seen_until and not excused:
                self._excuse(seen_until, time)
                excused = True
            self._close(number, start + self.pane > self.watched or (broke and start <= seen_until))
        if broke and not excused:
            self._excuse(seen_until, time)

    def _worth_closing(self, first: int, broke: bool, seen_until: int) -> list[int]:
        """All panes up to the watermark; behind a break only a few of them can give a vector."""
        numbers = range(first, self._closed() + 1)
        if not broke:
            return list(numbers)
        near = set(numbers[: 400 + self.retire_after // self.pane])
        return sorted(near)

    def _excuse(self, first: int, last: int) -> None:
        for life in self.lives.values():
            cadence, stretch = self._cadence(life), max(0, last - max(first, life.sign))
            life.unwatched += stretch if cadence is None else max(0, stretch - cadence)

    def _cadence(self, life: Life) -> int | None:
        gaps = [b - a for a, b in pairwise(life.active[-10:])]
        return median_high(sorted(gaps)) * self.pane if gaps else None

    def _may_be_chance(self, life: Life, number: int, missed: int) -> bool:
        """Docs: "Silence". Panes of the last day by the ten minutes that they begin in; only whole ones tell."""
        per, last = 600_000_000 // self.pane, life.active[-1]
        tens, here = Counter(pane // per for pane in life.active), last // per
        closed = [ten for ten in sorted(tens) if ten < number // per]
        held = [ten for ten in closed if ten > max(closed, default=0) - 144]
        gaps = [b - a for a, b in pairwise(life.active[-10:])]
        cadence = median_high(sorted(gaps))
        if sum(abs(gap - cadence) > max(1, cadence // 8) for gap in gaps) <= 1:
            counts = [tens[ten] for ten in held if ten < here][1:]
            alike = len(counts) < 2 or variance(counts) <= 0.3 * fmean(counts) * (1 - fmean(counts) / per) + 1e-9
            spread = variance(gaps) if len(gaps) > 1 else 0
            even = len(counts) >= 18 or spread <= 0.3 * fmean(gaps) * (fmean(gaps) - 1) + 1e-9
            if cadence >= 6 or (alike and even):
                return False
        hour = [ten for ten in held if here - 7 <= ten < here][1:]
        active, seen = len(life.active[-10:]), last + 1 - life.active[-10:][0]
        if hour:
            active = sum(tens[ten] for ten in hour) + tens[here]
            seen = len(hour) * per + last + 1 - here * per
        if _chance(active, seen, missed) >= 1e-6:
            return True
        half_hour = [ten for ten in held if here - 143 <= ten <= here - 140][1:]
        return len(half_hour) == 3 and _chance(sum(tens[ten] for ten in half_hour), 3 * per, missed) >= 1e-6

    def _close(self, number: int, watched: bool) -> None:
        end = (number + 1) * self.pane
        for name in sorted(self.lives, key=lambda n: n.encode()):
            life = self.lives[name]
            due, events = end - life.sign >= self.retire_after, life.panes.get(number, [])
            unborn = not life.active and not events and life.sign >= end
            if unborn or not (watched or events or due):
                continue
            if events:
                life.active.append(number)
                life.unwatched = 0 if watched else life.unwatched
            cadence = self._cadence(life)
            heard = life.sign // self.pane
            if heard > number and life.active and not (life.late or life.skewed):
                heard = life.active[-1]
            quiet = (number - heard) * self.pane - life.unwatched
            silent = watched and not events and cadence is not None and quiet >= 3 * cadence
            silent = silent and not self._may_be_chance(life, number, quiet // self.pane)
            self.rows.append(self._row(name, life, number, silent, due and not events))
            life.late = life.skewed = 0
            if due and not events:
                del self.lives[name]
                self._count("entities_retired")

    def _row(self, name: str, life: Life, number: int, silent: bool, retired: bool) -> Row:
        row: Row = {
            "entity": name,
            "window_end": (number + 1) * self.pane,
            "silent": silent,
            "retired": retired,
            "late": life.late,
            "skewed": life.skewed,
        }
        for suffix, length in zip(("", "_1m", "_5m", "_30m"), (1, *self.windows), strict=True):
            held = range(number - length + 1, number + 1)
            events = [e for n in held for e in life.panes.get(n, [])]
            row |= {f"{key}{suffix}": value for key, value in _facts(events).items()}
        return row

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


def _chance(active: int, seen: int, missed: int) -> float:
    """Of missing so many panes in a row, after `active` of `seen` had events."""
    return math.prod((seen - active + i) / (seen + i) for i in range(missed))


def _facts(events: list[Event]) -> dict[str, float]:
    weights = np.array([e.weight for e in events])
    timed = [e for e in events if e.latency is not None]
    latencies = np.array([e.latency for e in timed], float)
    share = np.array([e.weight for e in timed])
    count = float(weights.sum())
    facts = {
        "events_count": count,
        "errors_ratio": sum(e.weight for e in events if _is_error(e)) / count if count else math.nan,
        "warnings_ratio": sum(e.weight for e in events if e.attributes.get("level") == "WARN") / count
        if count
        else math.nan,
        "paths_count": float(len({e.attributes["path"] for e in events if "path" in e.attributes})),
        "latency_mean_ms": math.nan,
        "latency_std_ms": math.nan,
        "latency_max_ms": math.nan,
        **{f"latency_p{q}_ms": math.nan for q in (50, 95, 99)},
    }
    if len(timed):
        mean = float((latencies * share).sum() / share.sum())
        facts["latency_mean_ms"] = mean
        facts["latency_std_ms"] = math.sqrt(float((share * (latencies - mean) ** 2).sum() / share.sum()))
        facts["latency_max_ms"] = float(latencies.max())
        for q in (50, 95, 99):
            facts[f"latency_p{q}_ms"] = _quantile(latencies, share, q / 100)
    return facts


def _quantile(values: np.ndarray, weights: np.ndarray, q: float) -> float:
    """The value at rank q · (n − 1), each value counting as often as its weight (a whole number) says."""
    repeated = np.sort(np.repeat(values, weights.astype(int)))
    return float(repeated[math.floor(q * (len(repeated) - 1))])


def _is_error(event: Event) -> bool:
    status = event.attributes.get("status_code", "0")
    return event.attributes.get("level") in ("ERROR", "FATAL") or int(status) >= 500
