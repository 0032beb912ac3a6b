"""Tables of events of one batch, of which each has some of its records, to one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from workers.intake.columns import NULL, Dictionary, EventColumns

Column = NDArray[Any]


def merged(parts: Sequence[tuple[NDArray[np.int32], Events]]) -> Events:
    """One table in record order; each part tells where its records stand in the batch."""
    if not parts:
        return EventColumns().events()
    tables = [replace(events, record=at[events.record]) for at, events in parts]
    if len(tables) == 1:
        return tables[0]
    record = np.concatenate([table.record for table in tables])
    order = np.argsort(record, kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    firsts = np.cumsum([0, *(len(table) for table in tables[:-1])])

    def rows(child: Callable[[Events], Column]) -> tuple[Column, Column]:
        """The new rows of entries, ascending, and the order in which entries come to stand."""
        moved = np.concatenate([place[child(table) + first] for table, first in zip(tables, firsts, strict=True)])
        sequence = np.argsort(moved, kind="stable")
        return moved[sequence], sequence

    def joined(column: Callable[[Events], Column], sequence: Column) -> Column:
        return np.concatenate([column(table) for table in tables])[sequence]

    def texts(column: Callable[[Events], Strings], sequence: Column) -> Strings:
        return _texts([column(table) for table in tables]).take(sequence)

    attr_row, attributes = rows(lambda table: table.attr_row)
    metric_row, metrics = rows(lambda table: table.metric_row)
    dist_row, distributions = rows(lambda table: table.dist_row)
    bound_start, bounds = _slices([(table.bound_start, table.bounds) for table in tables], distributions)
    count_start, counts = _slices([(table.count_start, table.counts) for table in tables], distributions)
    return Events(
        record=record[order],
        time=joined(lambda table: table.time, order),
        entity=texts(lambda table: table.entity, order),
        kind=texts(lambda table: table.kind, order),
        weight=joined(lambda table: table.weight, order),
        observed_at=joined(lambda table: table.observed_at, order),
        id=texts(lambda table: table.id, order),
        source=texts(lambda table: table.source, order),
        attr_row=attr_row,
        attr_name=texts(lambda table: table.attr_name, attributes),
        attr_value=texts(lambda table: table.attr_value, attributes),
        metric_row=metric_row,
        metric_name=texts(lambda table: table.metric_name, metrics),
        metric_value=joined(lambda table: table.metric_value, metrics),
        metric_type=joined(lambda table: table.metric_type, metrics),
        dist_row=dist_row,
        dist_name=texts(lambda table: table.dist_name, distributions),
        bound_start=bound_start,
        bounds=bounds,
        count_start=count_start,
        counts=counts,
        dist_type=joined(lambda table: table.dist_type, distributions),
    )


def _texts(columns: Sequence[Strings]) -> Strings:
    """Columns end to end, over one dictionary."""
    dictionary = Dictionary()
    codes = [np.array([*map(dictionary.code, column.values), NULL], np.int32)[column.codes] for column in columns]
    return dictionary.strings(np.concatenate(codes))


def _slices(parts: Sequence[tuple[Column, Column]], order: Column) -> tuple[Column, Column]:
    """Slices of several arrays, in another order: where each begins (and the last one ends), and their entries."""
    pieces = [values[a:b] for starts, values in parts for a, b in pairwise(starts.tolist())]
    chosen = [pieces[i] for i in order.tolist()]
    starts = np.cumsum([0, *map(len, chosen)], dtype=np.int64)
    return starts, np.concatenate(chosen) if chosen else parts[0][1][:0]
