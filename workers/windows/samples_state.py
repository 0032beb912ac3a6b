"""The memory of the sample engine: entities and their metrics in plain arrays that grow, each entity in a slot.

The metrics of an entity are a block of series, ascending by name, in one pool; a block moves when metrics come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from models.features.history import ENTITY_FIELDS, SERIES_FIELDS, History, empty_history
from workers.windows.counters import Counters, empty_counters
from workers.windows.histograms import Histograms
from workers.windows.samples_schedule import ACTIVE, BLANK_ROW, EXPIRES, Schedule, empty_schedule

Columns = TypeVar("Columns", History, Counters)


def _grown(old: Columns, blank: Columns, fields: Iterable[str]) -> Columns:
    """`old` with the arrays in `fields` as long as those of `blank`, whose rows fill what is new."""
    grown = {}
    for name in fields:
        array = getattr(blank, name)
        array[: len(getattr(old, name))] = getattr(old, name)
        grown[name] = array
    return old._replace(**grown)


class Metrics:
    """Names of metrics as numbers; `rank` orders them by name. With fixed names there are no others."""

    def __init__(self, fixed: Sequence[str] | None) -> None:
        self.fixed = fixed is not None
        self.names: list[str] = list(fixed or ())
        self._ids = {name: i for i, name in enumerate(self.names)}

    def number(self, name: str) -> int:
        """The number of a name; -1 for one that a fixed profile does not know."""
        known = self._ids.get(name, -1)
        if known < 0 and not self.fixed:
            known = self._ids[name] = len(self.names)
            self.names.append(name)
        return known

    def keep(self, used: NDArray[np.int64]) -> NDArray[np.int64]:
        """Forget all numbers but `used` (distinct); returns the new number of each old one, -1 where forgotten."""
        renumbered = np.full(len(self.names), -1, np.int64)
        renumbered[used] = np.arange(len(used))
        self.names = [self.names[i] for i in used]
        self._ids = {name: i for i, name in enumerate(self.names)}
        return renumbered


class Entities:
    """Slots of entities and blocks of series, with all that is remembered of them."""

    def __init__(self, fixed: Sequence[str] | None) -> None:
        self.metrics = Metrics(fixed)
        self.fixed_width = len(fixed) if fixed is not None else 0
        self.slots: dict[str, int] = {}
        self.names: list[str | None] = []
        self.history: History = empty_history(16, 256)
        self.schedule: Schedule = empty_schedule(16)
        self.counters: Counters = empty_counters(256)
        self.histograms = Histograms()
        self.metric: NDArray[np.int64] = np.full(256, -1, np.int64)
        self.present: NDArray[np.bool_] = np.zeros(256, np.bool_)
        self.on_add: Callable[[str, int], None] | None = None
        self._reshaped: set[int] = set()
        self._free_slots: list[int] = []
        self._free_blocks: dict[int, list[int]] = {}
        self._top = 0

    @property
    def active(self) -> NDArray[np.int64]:
        """By slot, offset of the newest record that entered a window."""
        return self.schedule[:, ACTIVE]

    @property
    def expires(self) -> NDArray[np.int64]:
        """By slot, when even the past day is forgotten."""
        return self.schedule[:, EXPIRES]

    @property
    def used(self) -> int:
        """Slots handed out so far; those of dropped entities are blank."""
        return len(self.names)

    def add(self, name: str) -> int:
        """A blank slot for an entity that has none."""
        if self._free_slots:
            slot = self._free_slots.pop()
            self.names[slot] = name
        else:
            slot = len(self.names)
            self.names.append(name)
            if slot == len(self.schedule):
                self._grow_entities(2 * slot)
        self.slots[name] = slot
        self._reshaped.add(slot)
        if self.fixed_width:
            self._move(slot, np.arange(self.fixed_width))
        if self.on_add is not None:
            self.on_add(name, slot)
        return slot

    def place(self, slot: int, name: str) -> None:
        """Take a certain slot (when a checkpoint is restored); `settle` must follow when all are placed."""
        while len(self.schedule) <= slot:
            self._grow_entities(2 * len(self.schedule))
        self.names.extend([None] * (slot + 1 - len(self.names)))
        self.names[slot] = name
        self.slots[name] = slot

    def settle(self) -> None:
        """Know the slots between placed ones as free."""
        self._free_slots = [slot for slot, name in enumerate(self.names) if name is None]

    def detach(self, slot: int) -> None:
        """Let the entity's name be taken by a new slot, while this one lives on until `drop`."""
        name = self.names[slot]
        if name is not None and self.slots.get(name) == slot:
            del self.slots[name]

    def drop(self, slot: int) -> None:
        """Forget all about a slot and take it back."""
        self.detach(slot)
        self.histograms.drop(slot)
        rows = self.rows(slot)
        self._release(int(self.history.first[slot]), len(rows))
        for name in ENTITY_FIELDS:
            getattr(self.history, name)[slot] = getattr(_BLANK_HISTORY, name)[0]
        self.schedule[slot] = BLANK_ROW
        self.names[slot] = None
        self._free_slots.append(slot)
        self._reshaped.add(slot)

    def reshaped(self) -> NDArray[np.int64]:
        """The slots that came, went or got metrics since this was last asked."""
        slots = np.array(sorted(self._reshaped), np.int64)
        self._reshaped.clear()
        return slots

    def rows(self, slot: int) -> range:
        """The series of a slot."""
        first = int(self.history.first[slot])
        return range(first, first + int(self.history.width[slot]))

    def set_metrics(self, slot: int, numbers: Iterable[int]) -> None:
        """Give an entity those metrics (those it has among them), keeping what is known of them."""
        names = self.metrics.names
        self._move(slot, np.array(sorted(numbers, key=names.__getitem__), np.int64))

    def allot(
        self, slots: NDArray[np.int64], widths: NDArray[np.int64], metrics: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Blank series for placed slots, one block after another; returns their rows."""
        first = self._block(int(widths.sum()))
        self.history.first[slots] = first + np.cumsum(widths) - widths
        self.history.width[slots] = widths
        rows = np.arange(first, first + len(metrics))
        self.metric[rows] = metrics
        return rows

    def compact_metrics(self, also: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """When most names are out of use, number the others anew; `also` are further numbers in use.

        Returns the new number of each old one, or None when nothing changed.
        """
        if self.metrics.fixed or len(self.metrics.names) < 10_000:
            return None
        inside = self.metric[: self._top]
        used = np.unique(np.concatenate((inside[inside >= 0], also[also >= 0])))
        if 4 * len(used) > len(self.metrics.names):
            return None
        renumbered = self.metrics.keep(used)
        held = self.metric >= 0
        self.metric[held] = renumbered[self.metric[held]]
        return renumbered

    def _move(self, slot: int, numbers: NDArray[np.int64]) -> None:
        """Put the slot's series into a new block for the metrics `numbers`, which are in their final order."""
        h = self.history
        old = np.arange(self.rows(slot).start, self.rows(slot).stop)
        first = self._block(len(numbers))
        h = self.history
        self.metric[first : first + len(numbers)] = numbers
        if len(old):
            place = {int(number): first + i for i, number in enumerate(numbers)}
            new = np.array([place[int(number)] for number in self.metric[old]], np.int64)
            for array in self._series_arrays():
                array[new] = array[old]
            self._release(int(h.first[slot]), len(old))
        h.first[slot], h.width[slot] = first, len(numbers)
        self._reshaped.add(slot)

    def _series_arrays(self) -> list[NDArray[np.generic]]:
        history = [getattr(self.history, name) for name in SERIES_FIELDS]
        return [*history, *self.counters, cast("NDArray[np.generic]", self.present)]

    def _block(self, width: int) -> int:
        free = self._free_blocks.get(width)
        if free:
            return free.pop()
        first = self._top
        self._top += width
        if self._top > len(self.metric):
            self._grow_series(max(2 * len(self.metric), self._top))
        return first

    def _release(self, first: int, width: int) -> None:
        if width == 0:
            return
        rows = slice(first, first + width)
        blanks = [getattr(_BLANK_HISTORY, name) for name in SERIES_FIELDS]
        for array, blank in zip(self._series_arrays(), [*blanks, *_BLANK_COUNTERS, np.zeros(1, np.bool_)], strict=True):
            array[rows] = blank[0]
        self.metric[rows] = -1
        self._free_blocks.setdefault(width, []).append(first)

    def _grow_entities(self, size: int) -> None:
        self.history = _grown(self.history, empty_history(size, 0), ENTITY_FIELDS)
        self.schedule = np.concatenate((self.schedule, empty_schedule(size - len(self.schedule))))

    def _grow_series(self, size: int) -> None:
        old = len(self.metric)
        self.history = _grown(self.history, empty_history(0, size), SERIES_FIELDS)
        self.counters = _grown(self.counters, empty_counters(size), Counters._fields)
        self.metric = np.concatenate((self.metric, np.full(size - old, -1, np.int64)))
        self.present = np.concatenate((self.present, np.zeros(size - old, np.bool_)))


_BLANK_HISTORY = empty_history(1, 1)
_BLANK_COUNTERS = empty_counters(1)
