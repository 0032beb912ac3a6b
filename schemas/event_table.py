"""What the kernels found in a batch's events, before texts have become strings: tables of spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.layout import (
    BOUND_START,
    COUNT_START,
    ENTITY,
    ID,
    KIND,
    NAME,
    RECORD,
    ROW,
    SOURCE,
    VALUE,
)

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EventTable:
    """Tables as `kernels/layout.py` has them; spans point into one byte string."""

    rows: Integers
    weights: Numbers
    attributes: Integers
    metrics: Integers
    values: Numbers
    distributions: Integers
    bounds: Numbers
    counts: Integers

    def __len__(self) -> int:
        return len(self.rows)

    def shifted(self, by: int) -> EventTable:
        """The same table for a byte string that begins `by` bytes earlier. Changes the spans in place."""
        self.rows[:, [ID, ENTITY, KIND, SOURCE]] += by
        self.attributes[:, [NAME, VALUE]] += by
        self.metrics[:, NAME] += by
        self.distributions[:, NAME] += by
        return self

    def taken(self, order: Integers) -> EventTable:
        """The rows `order` in that order, with what belongs to them."""
        place = np.full(len(self.rows), -1, np.int64)
        place[order] = np.arange(len(order))
        attributes, _ = _moved(self.attributes, place)
        metrics, which = _moved(self.metrics, place)
        distributions, slices = _moved(self.distributions, place)
        bound_starts, bounds = _gathered(self.distributions[:, BOUND_START], len(self.bounds), slices)
        count_starts, counts = _gathered(self.distributions[:, COUNT_START], len(self.counts), slices)
        distributions[:, BOUND_START], distributions[:, COUNT_START] = bound_starts, count_starts
        return EventTable(
            self.rows[order],
            self.weights[order],
            attributes,
            metrics,
            self.values[which],
            distributions,
            self.bounds[bounds],
            self.counts[counts],
        )


def joined(tables: Sequence[EventTable]) -> EventTable:
    """Tables over one byte string as one, in record order."""
    tables = [table for table in tables if len(table)] or list(tables[:1])
    if len(tables) == 1:
        return tables[0]
    rows = np.concatenate([table.rows for table in tables])
    before = np.cumsum([0] + [len(table) for table in tables])
    bounds_before = np.cumsum([0] + [len(table.bounds) for table in tables])
    counts_before = np.cumsum([0] + [len(table.counts) for table in tables])
    for i, table in enumerate(tables):
        for child in (table.attributes, table.metrics, table.distributions):
            child[:, ROW] += before[i]
        table.distributions[:, BOUND_START] += bounds_before[i]
        table.distributions[:, COUNT_START] += counts_before[i]
    whole = EventTable(
        rows,
        np.concatenate([table.weights for table in tables]),
        np.concatenate([table.attributes for table in tables]),
        np.concatenate([table.metrics for table in tables]),
        np.concatenate([table.values for table in tables]),
        np.concatenate([table.distributions for table in tables]),
        np.concatenate([table.bounds for table in tables]),
        np.concatenate([table.counts for table in tables]),
    )
    return whole.taken(np.argsort(rows[:, RECORD], kind="stable"))


def _moved(child: Integers, place: Integers) -> tuple[Integers, Integers]:
    """Entries in the order of their rows' new places, without those whose row is gone; which ones they were."""
    rows = place[child[:, ROW]]
    order = np.argsort(rows, kind="stable")
    order = order[np.searchsorted(rows[order], 0) :]
    moved = child[order]
    moved[:, ROW] = rows[order]
    return moved, order


def _gathered(starts: Integers, end: int, slices: Integers) -> tuple[Integers, Integers]:
    """Of slices that lie end to end: where each chosen one begins in the new order, and the places it is made of."""
    edges = np.append(starts, end)
    sizes = np.diff(edges)[slices]
    ends = np.cumsum(sizes)
    first = ends - sizes
    return first, np.repeat(edges[:-1][slices] - first, sizes) + np.arange(ends[-1] if len(ends) else 0)
