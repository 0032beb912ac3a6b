"""Distributions to metrics: quantiles of every one, of cumulative ones of what came since the reading before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.features.history import NO_ORIGIN
from schemas.columns import COUNTER, GAUGE, Events, Strings
from workers.windows.quantiles import Bounds, Counts, increase, quantile

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
"""Endings of the metrics, and the fraction that each stands for."""

Integers = NDArray[np.int64]


def quantile_name(distribution: str, ending: str) -> str:
    """`took_seconds{route=/x}` and `p99` give `took_seconds_p99{route=/x}`."""
    name, brace, labels = distribution.partition("{")
    return f"{name}_{ending}{brace}{labels}"


def with_quantiles(events: Events) -> tuple[Events, Integers]:
    """The events with metrics for the quantiles of their distributions, whose values are NaN so far.

    Also, by metric, its place among these (distribution · 3 + quantile); -1 for what was a metric before.
    """
    d = len(events.dist_row)
    if not d:
        return events, np.full(len(events.metric_row), -1, np.int64)
    k = len(QUANTILES)
    # A name may be there already; distinct metrics of one event are what the last one says, as everywhere.
    names = {name: code for code, name in enumerate(events.metric_name.values)}
    used = [
        [names.setdefault(quantile_name(name, ending), len(names)) for ending, _ in QUANTILES]
        for name in events.dist_name.values
    ]
    codes = np.array(used, np.int32).reshape(-1, k)[events.dist_name.codes].reshape(-1)
    rows = np.concatenate([events.metric_row, np.repeat(events.dist_row, k)])
    order = np.argsort(rows, kind="stable")
    added = d * k
    place = np.concatenate([np.full(len(events.metric_row), -1, np.int64), np.arange(added)])
    return replace(
        events,
        metric_row=rows[order],
        metric_name=Strings(np.concatenate([events.metric_name.codes, codes])[order], list(names)),
        metric_value=np.concatenate([events.metric_value, np.full(added, np.nan)])[order],
        metric_type=np.concatenate([events.metric_type, np.full(added, GAUGE, np.int8)])[order],
    ), place[order]


@dataclass(slots=True)
class Reading:
    """A cumulative distribution: its newest reading, and the one before it (of another time), if there was one.

    `origin` and `base_origin` are the offsets of the records they came from.
    """

    time: int
    origin: int
    bounds: Bounds
    counts: Counts
    base_origin: int = NO_ORIGIN
    base_bounds: Bounds | None = None
    base_counts: Counts | None = None


class Histograms:
    """The cumulative distributions of all entities, by slot and name."""

    def __init__(self) -> None:
        self.readings: dict[int, dict[str, Reading]] = {}

    def fill(
        self,
        events: Events,
        place: Integers,
        slots: Integers,
        memory: int,
        values: NDArray[np.float64],
        origins: Integers,
    ) -> None:
        """Put in the values of entries that are quantiles (`place` as `with_quantiles` has it), in record order.

        A cumulative distribution's first reading has none (NaN), nor has the first one more than `memory` after the
        last, nor one out of order, as with counters. `origins[j]` is lowered to that of the reading it builds on.
        """
        filled = np.flatnonzero(place >= 0)
        known: dict[int, tuple[list[float], int]] = {}
        for j, at, slot in zip(filled.tolist(), place[filled].tolist(), slots[filled].tolist(), strict=True):
            which, part = divmod(at, len(QUANTILES))
            if which not in known:
                known[which] = self._quantiles(events, which, slot, memory, int(origins[j]))
            numbers, origin = known[which]
            values[j] = numbers[part]
            origins[j] = min(int(origins[j]), origin)

    def drop(self, slot: int) -> None:
        """Forget an entity's."""
        self.readings.pop(slot, None)

    def origins(self, after: int) -> Integers:
        """First offsets that readings newer than `after` depend on."""
        known = [one for held in self.readings.values() for one in held.values() if one.time > after]
        return np.array([min(one.origin, one.base_origin) for one in known], np.int64)

    def _quantiles(self, events: Events, which: int, slot: int, memory: int, origin: int) -> tuple[list[float], int]:
        bounds = events.bounds[events.bound_start[which] : events.bound_start[which + 1]]
        counts = events.counts[events.count_start[which] : events.count_start[which + 1]]
        since = origin
        if events.dist_type[which] == COUNTER:
            name = events.dist_name.values[events.dist_name.codes[which]]
            time = int(events.time[events.dist_row[which]])
            found = self._increase(slot, name, time, memory, origin, bounds, counts)
            if found is None:
                return [np.nan] * len(QUANTILES), origin
            counts, since = found
        return [quantile(bounds, counts, fraction) for _, fraction in QUANTILES], since

    def _increase(
        self, slot: int, name: str, time: int, memory: int, origin: int, bounds: Bounds, counts: Counts
    ) -> tuple[Counts, int] | None:
        held = self.readings.setdefault(slot, {})
        known = held.get(name)
        if known is None or time - known.time > memory:
            held[name] = Reading(time, origin, bounds.copy(), counts.copy())
            return None
        if time < known.time:
            return None
        if time > known.time:
            known.base_origin, known.base_bounds, known.base_counts = known.origin, known.bounds, known.counts
            known.time = time
        known.origin, known.bounds, known.counts = origin, bounds.copy(), counts.copy()
        if known.base_bounds is None or known.base_counts is None:
            return None
        return increase(known.base_bounds, known.base_counts, bounds, counts), known.base_origin

    def packed(self, slots: Iterable[int]) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
        """The readings of these slots as columns, and their names."""
        rows = [(slot, name, one) for slot in slots for name, one in sorted(self.readings.get(slot, {}).items())]
        ones = [one for _, _, one in rows]
        none_bounds, none_counts = np.empty(0), np.empty(0, np.int64)
        columns: dict[str, NDArray[np.generic]] = {
            "slot": np.array([slot for slot, _, _ in rows], np.int64),
            "time": np.array([one.time for one in ones], np.int64),
            "origin": np.array([one.origin for one in ones], np.int64),
            "base_origin": np.array([one.base_origin for one in ones], np.int64),
            "size": np.array([len(one.counts) for one in ones], np.int64),
            "base_size": np.array([0 if one.base_counts is None else len(one.base_counts) for one in ones], np.int64),
            "bounds": np.concatenate([none_bounds, *(one.bounds for one in ones)]),
            "counts": np.concatenate([none_counts, *(one.counts for one in ones)]),
            "base_bounds": np.concatenate([none_bounds, *(b for one in ones if (b := one.base_bounds) is not None)]),
            "base_counts": np.concatenate([none_counts, *(c for one in ones if (c := one.base_counts) is not None)]),
        }
        return columns, [name for _, name, _ in rows]

    def unpack(self, columns: dict[str, NDArray[np.generic]], names: list[str]) -> None:
        """Take in what `packed` gave."""
        whole = ("slot", "time", "origin", "base_origin", "size", "base_size")
        rows = zip(*(columns[name].astype(np.int64).tolist() for name in whole), names, strict=True)
        b = c = base_b = base_c = 0
        for slot, time, origin, base_origin, size, base_size, name in rows:
            bounds = columns["bounds"][b : b + size - 1].astype(np.float64)
            counts = columns["counts"][c : c + size].astype(np.int64)
            one = Reading(time, origin, bounds, counts, base_origin)
            if base_size:
                one.base_bounds = columns["base_bounds"][base_b : base_b + base_size - 1].astype(np.float64)
                one.base_counts = columns["base_counts"][base_c : base_c + base_size].astype(np.int64)
                base_b, base_c = base_b + base_size - 1, base_c + base_size
            b, c = b + size - 1, c + size
            self.readings.setdefault(slot, {})[name] = one
