"""What the sample engine's core wrote, as vectors and as records for the state topic."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.generic import GENERIC, generic_names
from models.features.history import NEVER
from models.features.host import HOST
from schemas.columns import Vectors
from workers.runtime.records import Output
from workers.windows.engine import Emission
from workers.windows.samples_kernel import (
    AT,
    CLOSED,
    EVENTS,
    FLAGS,
    IS_RETIRED,
    LATES,
    LAYOUT,
    LAYOUT_COUNT,
    LAYOUTS,
    RECORD,
    REGULAR,
    ROWS,
    SILENT,
    SKEWS,
    SLOT,
    START,
    TIME,
    Result,
)
from workers.windows.samples_log import forgotten_output, pane_output
from workers.windows.samples_schedule import SHOWN
from workers.windows.samples_state import Entities


class Layouts:
    """The name lists that vectors of a profile have, numbered as they appear; host vectors have the one fixed list."""

    def __init__(self, host: bool) -> None:
        self.feature_set = (HOST if host else GENERIC).hash
        self._width = len(HOST.features)
        self._host = host
        self._names: list[tuple[str, ...]] = [()] if host else []
        self._numbers: dict[tuple[str, ...], int] = {}

    def number(self, metrics: tuple[str, ...]) -> int:
        """The number of the layout that shows these metrics, ascending by name."""
        known = self._numbers.get(metrics)
        if known is None:
            known = self._numbers[metrics] = len(self._names)
            self._names.append(generic_names(metrics))
        return known

    def names(self, layout: int) -> tuple[str, ...]:
        """The names that a vector carries; none where they are fixed."""
        return self._names[layout]

    def width(self, layout: int) -> int:
        return self._width if self._host else len(self._names[layout])


def settle_layouts(entities: Entities, layouts: Layouts, out: Result) -> None:
    """Number the layouts that the core found, in its rows and in the entities' memory."""
    count = int(out.used[LAYOUT_COUNT])
    if count == 0:
        return
    numbers = np.empty(count, np.int64)
    at, held = 0, out.layouts[: out.used[LAYOUTS]]
    names = entities.metrics.names
    slots = np.empty(count, np.int64)
    for i in range(count):
        slots[i], n = held[at], held[at + 1]
        series = held[at + 2 : at + 2 + n]
        numbers[i] = layouts.number(tuple(names[number] for number in entities.metric[series]))
        at += 2 + int(n)
    rows = out.rows[: out.used[ROWS], LAYOUT]
    fresh = rows < -1
    rows[fresh] = numbers[-2 - rows[fresh]]
    entities.schedule[slots, SHOWN] = numbers  # a slot's last one is its present one


def emission(
    entities: Entities,
    layouts: Layouts,
    profile: tuple[str, int],
    out: Result,
    lo: int,
    logged: list[tuple[int, Output]],
    counts: Mapping[str, int],
) -> Emission:
    """The rows as vectors in (record, time, entity) order; records count from `lo`."""
    rows = out.rows[: out.used[ROWS]]
    order = _order(entities, rows)
    shown = np.unique(rows[:, LAYOUT]).tolist() or [0]
    tables, places = [], []
    for layout in shown:
        mine = order[rows[order, LAYOUT] == layout]
        tables.append(_table(entities, layouts, profile, rows[mine], layout, out.values, lo))
        places.append(mine)
    if len(tables) == 1:
        return Emission(tables[0], logged, [], counts)
    position = np.empty(len(rows), np.intp)
    position[order] = np.arange(len(rows))
    return Emission(tables[0], logged, [], counts, tables[1:], np.argsort(position[np.concatenate(places)]))


def closed_panes(
    entities: Entities, out: Result, topic: str, profile: str, offsets: NDArray[np.int64], lo: int
) -> list[tuple[int, Output]]:
    """Records for the state topic, with the records of the batch that caused them: one per closed pane, and one for
    every entity whose samples were forgotten."""
    logged = []
    names = entities.metrics.names
    for record, slot, pane, at, newest, offset in out.closed[: out.used[CLOSED]].tolist():
        entity = entities.names[slot]
        assert entity is not None
        if pane == NEVER:
            logged.append((lo + record, forgotten_output(topic, entity, profile, int(offsets[lo + record]), newest)))
            continue
        rows = entities.rows(slot)
        means = out.values[at : at + len(rows)].tolist()
        known = {
            names[m]: x for m, x in zip(entities.metric[rows.start : rows.stop].tolist(), means, strict=True) if x == x
        }
        logged.append((lo + record, pane_output(topic, entity, profile, pane, newest, offset, known)))
    return logged


def _order(entities: Entities, rows: NDArray[np.int64]) -> NDArray[np.intp]:
    slots, back = np.unique(rows[:, SLOT], return_inverse=True)
    rank = np.empty(len(slots), np.int64)
    rank[sorted(range(len(slots)), key=lambda i: entities.names[slots[i]] or "")] = np.arange(len(slots))
    return np.lexsort((rank[back], rows[:, TIME], rows[:, RECORD]))


@njit(cache=True)
def _copy(values: NDArray[np.float64], at: NDArray[np.int64], table: NDArray[np.float64]) -> None:
    """Fill row i of `table` from values[at[i]:], unless that is below 0."""
    for i in range(len(at)):
        if at[i] >= 0:
            for j in range(table.shape[1]):
                table[i, j] = values[at[i] + j]


def _table(
    entities: Entities,
    layouts: Layouts,
    profile: tuple[str, int],
    rows: NDArray[np.int64],
    layout: int,
    values: NDArray[np.float64],
    lo: int,
) -> Vectors:
    width = layouts.width(layout) if len(rows) else 0
    table = np.full((len(rows), width), np.nan)
    _copy(values, np.ascontiguousarray(rows[:, AT]), table)
    flags = rows[:, FLAGS]
    names = entities.names
    return Vectors(
        at=(lo + rows[:, RECORD]).astype(np.int32),
        profile=profile[0],
        profile_version=profile[1],
        feature_set=layouts.feature_set,
        names=layouts.names(layout) if len(rows) else (),
        entity=[names[slot] or "" for slot in rows[:, SLOT].tolist()],
        window_start=rows[:, START].copy(),
        window_end=rows[:, TIME].copy(),
        sequence=np.zeros(len(rows), np.int64),
        values=table,
        event_count=rows[:, EVENTS].copy(),
        late_count=rows[:, LATES].copy(),
        skewed_count=rows[:, SKEWS].copy(),
        silent=(flags & SILENT) > 0,
        retired=(flags & IS_RETIRED) > 0,
        regular=(flags & REGULAR) > 0,
    )
