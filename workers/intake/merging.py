"""Events that several decoders found in one batch, as one table in the order of their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from workers.intake.columns import Dictionary

Column = NDArray[Any]


def of_records(events: Events, records: Sequence[int]) -> NDArray[np.int32]:
    """The column `record` of events that were decoded from a choice of a batch's records."""
    return np.array(records, np.int32)[events.record]


def merged(tables: Sequence[Events]) -> Events:
    """All rows, by record; `record` already counts the whole batch in every table."""
    if len(tables) == 1:
        return tables[0]
    record = np.concatenate([table.record for table in tables])
    order = np.argsort(record, kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    firsts = np.cumsum([0, *(len(table) for table in tables)])

    def rows(child: Callable[[Events], Column]) -> tuple[Column, Column]:
        """The new rows of entries, ascending, and the order in which entries come to stand."""
        moved = np.concatenate([place[child(table) + first] for table, first in zip(tables, firsts, strict=False)])
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
    )


def _texts(columns: Sequence[Strings]) -> Strings:
    """Columns end to end, over one dictionary."""
    dictionary = Dictionary()
    codes = []
    for column in columns:
        new = np.array([*map(dictionary.code, column.values), -1], np.int32)  # the last one is that of null
        codes.append(new[column.codes])
    return dictionary.strings(np.concatenate(codes))


def _slices(parts: Sequence[tuple[Column, Column]], order: Column) -> tuple[Column, Column]:
    """Slices of several arrays, in another order: where each begins (and the last one ends), and their entries."""
    pieces = [values[a:b] for starts, values in parts for a, b in pairwise(starts.tolist())]
    chosen = [pieces[i] for i in order.tolist()]
    starts = np.cumsum([0, *map(len, chosen)], dtype=np.int64)
    return starts, np.concatenate(chosen) if chosen else parts[0][1][:0]
