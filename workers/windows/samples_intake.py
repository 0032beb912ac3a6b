"""A batch's events as the sample engine keeps them: to which slot and series each value belongs, and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.knowledge import Knowledge
from schemas.columns import Events
from workers.windows.counters import to_increases
from workers.windows.engine import EnginePolicy, Timeline
from workers.windows.histograms import with_quantiles
from workers.windows.samples_kernel import IN_TIME, LATE, SKEWED, TOO_LATE
from workers.windows.samples_lives import Comers, Lives, assign
from workers.windows.samples_schedule import FROZEN, MEMORY
from workers.windows.samples_state import Entities

LATE_MEMORY = 3_600_000_000
"""How far behind the watermark (microseconds) an event may be to enter windows; also how long a counter is known."""

INTERVAL = "interval_ms"
"""The attribute by which an event declares its entity's cadence."""


@dataclass(frozen=True, slots=True)
class Pile:
    """Events in record order, each with its values: those of event i are start[i]:start[i + 1].

    `record` is the record of the batch, -1 for an event that waited from before.
    """

    record: NDArray[np.int64]
    slot: NDArray[np.int64]
    time: NDArray[np.int64]
    origin: NDArray[np.int64]
    outcome: NDArray[np.int8]
    interval: NDArray[np.int64]
    start: NDArray[np.int64]
    metric: NDArray[np.int64]
    value: NDArray[np.float64]
    value_origin: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.record)

    def take(self, rows: NDArray[np.intp]) -> Pile:
        """These events, with their values."""
        count = self.start[rows + 1] - self.start[rows]
        start = np.concatenate((np.zeros(1, np.int64), np.cumsum(count)))
        at = np.repeat(self.start[rows] - start[:-1], count) + np.arange(start[-1])
        return Pile(
            self.record[rows],
            self.slot[rows],
            self.time[rows],
            self.origin[rows],
            self.outcome[rows],
            self.interval[rows],
            start,
            self.metric[at],
            self.value[at],
            self.value_origin[at],
        )

    def then(self, other: Pile) -> Pile:
        """These events, then the other's."""
        columns = {
            field.name: np.concatenate((getattr(self, field.name), getattr(other, field.name)))
            for field in fields(Pile)
            if field.name != "start"
        }
        return Pile(**columns, start=np.concatenate((self.start, other.start[1:] + self.start[-1])))


def empty_pile() -> Pile:
    """No events."""
    none = np.empty(0, np.int64)
    return Pile(
        none, none, none, none, np.empty(0, np.int8), none, np.zeros(1, np.int64), none, np.empty(0, np.float64), none
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """The new events, what becomes of entities, and for each record how its events were counted."""

    pile: Pile
    lives: Lives
    filled: list[tuple[int, int]]  # record, slot: it has as many metrics as it may from here on
    counts: Mapping[str, NDArray[np.int64]]  # name: records to count, one entry each time


def judge(events: Events, skewed: NDArray[np.bool_], line: Timeline) -> NDArray[np.int8]:
    """What becomes of each event, by its time and the watermark before its record."""
    before = line.before[events.record]
    outcome = np.full(len(events), TOO_LATE, np.int8)
    outcome[events.time > before - LATE_MEMORY] = LATE
    outcome[events.time > before] = IN_TIME
    outcome[skewed] = SKEWED
    return outcome


def take_in(
    entities: Entities,
    events: Events,
    skewed: NDArray[np.bool_],
    line: Timeline,
    policy: EnginePolicy,
    limits: Knowledge,
) -> Batch:
    """Make entities and their metrics known, and turn counters into increases and distributions into quantiles, all in
    record order."""
    quantile_at = np.full(len(events.metric_row), -1, np.int64)
    if not entities.metrics.fixed:
        events, quantile_at = with_quantiles(events)
    outcome = judge(events, skewed, line)
    record = events.record.astype(np.int64)
    lasting = np.isin(outcome, (IN_TIME, LATE))
    comers = Comers(events.entity, record, line.offsets[record], events.time, lasting, line.before[record])
    span = int(line.after[-1]) - max(int(line.before[0]), int(line.after[0]) if line.before[0] < 0 else 0)
    lives = assign(entities, comers, span, policy.max_entities, MEMORY)
    counts = {
        "in_panes": record[lasting],
        "late_in_closed_pane": record[outcome == LATE],
        "dropped_late": record[outcome == TOO_LATE],
        "skewed": record[outcome == SKEWED],
    }
    entry = np.flatnonzero(lasting[events.metric_row])
    row = events.metric_row[entry]
    numbers = _numbers(entities, events, entry)
    filled, refused = _admit(entities, lives.slot[row], numbers, record[row], policy.max_metrics)
    counts["metrics_refused"] = record[row][refused]
    keep = ~refused
    entry, row, numbers = entry[keep], row[keep], numbers[keep]
    value, origin = events.metric_value[entry].astype(np.float64), line.offsets[record[row]].astype(np.int64)
    value[~np.isfinite(value)] = np.nan
    series = find_series(lives.slot[row], numbers, entities.history.first, entities.history.width, entities.metric)
    to_increases(entities.counters, LATE_MEMORY, series, events.metric_type[entry], events.time[row], value, origin)
    entities.histograms.fill(events, quantile_at[entry], lives.slot[row], LATE_MEMORY, value, origin)
    impossible = _impossible(limits, events, row, entry, value)
    counts["values_impossible"] = record[row][impossible]
    value[impossible] = np.nan
    start = np.searchsorted(row, np.arange(len(events) + 1)).astype(np.int64)
    pile = Pile(
        record,
        lives.slot,
        events.time,
        line.offsets[record],
        outcome,
        _intervals(events),
        start,
        numbers,
        value,
        origin,
    )
    return Batch(pile, lives, filled, counts)


def counted(counts: Mapping[str, NDArray[np.int64]], first: int, stop: int) -> Counter[str]:
    """How often each name was counted at the records first:stop."""
    found = {name: int(((at >= first) & (at < stop)).sum()) for name, at in counts.items()}
    return Counter({name: n for name, n in found.items() if n})


@njit(cache=True)
def find_series(
    slot: NDArray[np.int64],
    metric: NDArray[np.int64],
    first: NDArray[np.int64],
    width: NDArray[np.int32],
    held: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The series of each (slot, metric); -1 where the slot has none of it. Runs of one order are found at once."""
    found = np.full(len(slot), -1, np.int64)
    last, place = -1, 0
    for j in range(len(slot)):
        e = slot[j]
        if e < 0 or metric[j] < 0:
            continue
        if e != last:
            last, place = e, 0
        n = width[e]
        for i in range(n):
            at = first[e] + (place + i) % n
            if held[at] == metric[j]:
                found[j] = at
                place = at - first[e] + 1
                break
    return found


def _numbers(entities: Entities, events: Events, entry: NDArray[np.intp]) -> NDArray[np.int64]:
    codes, values = events.metric_name.codes[entry], events.metric_name.values
    table = np.full(len(values) + 1, -1, np.int64)
    for code in np.unique(codes).tolist():
        table[code] = entities.metrics.number(values[code])
    return table[codes]


def _admit(
    entities: Entities,
    slot: NDArray[np.int64],
    numbers: NDArray[np.int64],
    record: NDArray[np.int64],
    most: int,
) -> tuple[list[tuple[int, int]], NDArray[np.bool_]]:
    """Give entities the metrics they show for the first time, while they have room; which entries were refused."""
    series = find_series(slot, numbers, entities.history.first, entities.history.width, entities.metric)
    lacking = np.flatnonzero((series < 0) & (entities.schedule[slot, FROZEN] == 0))
    if entities.metrics.fixed or len(lacking) == 0:
        return [], series < 0
    wanted: dict[int, dict[int, int]] = {}
    for e, number, at in zip(slot[lacking].tolist(), numbers[lacking].tolist(), record[lacking].tolist(), strict=True):
        wanted.setdefault(e, {}).setdefault(number, at)
    filled = []
    for e, new in wanted.items():
        room = most - int(entities.history.width[e])
        come = list(new)[:room] if room > 0 else []
        if not come:
            continue
        if len(come) == room and not entities.schedule[e, FROZEN]:
            entities.schedule[e, FROZEN] = 1
            filled.append((new[come[-1]], e))
        entities.set_metrics(e, [*entities.metric[list(entities.rows(e))].tolist(), *come])
    series = find_series(slot, numbers, entities.history.first, entities.history.width, entities.metric)
    return filled, series < 0


def _impossible(
    limits: Knowledge, events: Events, row: NDArray[np.int32], entry: NDArray[np.intp], value: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which values lie outside of what there can be of their metric."""
    if not limits.rules:
        return np.zeros(len(value), np.bool_)
    metrics, entities = events.metric_name.codes[entry], events.entity.codes[row]
    pairs = np.unique(np.stack((entities, metrics)), axis=1)
    bounds = np.empty((len(pairs[0]), 2))
    for i, (entity, metric) in enumerate(pairs.T.tolist()):
        bounds[i] = limits.limits(events.entity.values[entity], events.metric_name.values[metric]) or (-np.inf, np.inf)
    width = len(events.metric_name.values) + 1
    place = np.searchsorted(pairs[0].astype(np.int64) * width + pairs[1], entities.astype(np.int64) * width + metrics)
    outside: NDArray[np.bool_] = (value < bounds[place, 0]) | (value > bounds[place, 1])
    return outside


def _intervals(events: Events) -> NDArray[np.int64]:
    """Declared cadences in microseconds; 0 where an event declares none, or nonsense."""
    found = np.zeros(len(events), np.int64)
    name = next((i for i, value in enumerate(events.attr_name.values) if value == INTERVAL), -1)
    if name < 0:
        return found
    entry = np.flatnonzero(events.attr_name.codes == name)
    table = np.zeros(len(events.attr_value.values) + 1, np.int64)
    for code in np.unique(events.attr_value.codes[entry]).tolist():
        text = events.attr_value.values[code]
        if text.isascii() and text.isdigit() and len(text) <= 9:
            table[code] = int(text) * 1000
    found[events.attr_row[entry]] = table[events.attr_value.codes[entry]]
    return found
