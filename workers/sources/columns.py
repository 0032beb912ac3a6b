"""Rows of event columns: slices, choices and concatenations, without an object per event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.columns import GAUGE, NULL_TIME, Events, Strings

Rows = NDArray[np.intp]


def metric_events(
    time: NDArray[np.int64],
    entity: Strings,
    kind: str,
    source: str,
    names: Sequence[str],
    values: NDArray[np.float64],
    types: NDArray[np.int8] | None = None,
) -> Events:
    """One event per row of a matrix (n, k): column j is metric `names[j]`; cells that are not finite are left out.

    `types` (k,) holds the metrics' type codes, gauges if None.
    """
    row, column = np.nonzero(np.isfinite(values))
    count = len(time)
    zeros = np.zeros(count, np.int32)
    code = column.astype(np.int32)
    type_of = np.full(len(names), GAUGE, np.int8) if types is None else types
    empty = np.empty(0, np.int32)
    return Events(
        record=np.arange(count, dtype=np.int32),
        time=time,
        entity=entity,
        kind=Strings(zeros, (kind,)),
        weight=np.ones(count),
        observed_at=np.full(count, NULL_TIME),
        id=Strings(np.full(count, -1, np.int32), ()),
        source=Strings(zeros, (source,)),
        attr_row=empty,
        attr_name=Strings(empty, ()),
        attr_value=Strings(empty, ()),
        metric_row=row.astype(np.int32),
        metric_name=Strings(code, tuple(names)),
        metric_value=np.ascontiguousarray(values[row, column]),
        metric_type=type_of[column],
        dist_row=empty,
        dist_name=Strings(empty, ()),
        bound_start=np.zeros(1, np.int64),
        bounds=np.empty(0),
        count_start=np.zeros(1, np.int64),
        counts=np.empty(0, np.int64),
    )


def take(events: Events, rows: Rows) -> Events:
    """The chosen rows in the given order, renumbered from 0."""
    attr, attr_row = _nested(events.attr_row, len(events), rows)
    metric, metric_row = _nested(events.metric_row, len(events), rows)
    dist, dist_row = _nested(events.dist_row, len(events), rows)
    bounds, bound_start = _ragged(events.bound_start, dist)
    counts, count_start = _ragged(events.count_start, dist)
    return Events(
        record=np.arange(len(rows), dtype=np.int32),
        time=events.time[rows],
        entity=events.entity.take(rows),
        kind=events.kind.take(rows),
        weight=events.weight[rows],
        observed_at=events.observed_at[rows],
        id=events.id.take(rows),
        source=events.source.take(rows),
        attr_row=attr_row,
        attr_name=events.attr_name.take(attr),
        attr_value=events.attr_value.take(attr),
        metric_row=metric_row,
        metric_name=events.metric_name.take(metric),
        metric_value=events.metric_value[metric],
        metric_type=events.metric_type[metric],
        dist_row=dist_row,
        dist_name=events.dist_name.take(dist),
        bound_start=bound_start,
        bounds=events.bounds[bounds],
        count_start=count_start,
        counts=events.counts[counts],
        dist_type=events.dist_type[dist],
    )


def cut(events: Events, start: int, stop: int) -> Events:
    """The rows [start, stop)."""
    if start == 0 and stop >= len(events):
        return events
    return take(events, np.arange(start, min(stop, len(events))))


def shift(events: Events, microseconds: int) -> Events:
    """The same events at other times; `observed_at` moves along where it is given."""
    if microseconds == 0:
        return events
    moved = take(events, np.arange(len(events)))
    moved.time[:] += microseconds
    known = moved.observed_at != NULL_TIME
    moved.observed_at[known] += microseconds
    return moved


def in_time_order(events: Events) -> Events:
    """Sorted by time; rows of one time stay in their order."""
    if bool(np.all(events.time[1:] >= events.time[:-1])):
        return events
    return take(events, np.argsort(events.time, kind="stable"))


def concat(parts: Sequence[Events]) -> Events:
    """All rows of all parts, in order. At least one part is needed."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    return Events(
        record=np.arange(starts[-1], dtype=np.int32),
        time=np.concatenate([part.time for part in parts]),
        entity=join_strings([part.entity for part in parts]),
        kind=join_strings([part.kind for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        observed_at=np.concatenate([part.observed_at for part in parts]),
        id=join_strings([part.id for part in parts]),
        source=join_strings([part.source for part in parts]),
        attr_row=_renumbered([part.attr_row for part in parts], starts),
        attr_name=join_strings([part.attr_name for part in parts]),
        attr_value=join_strings([part.attr_value for part in parts]),
        metric_row=_renumbered([part.metric_row for part in parts], starts),
        metric_name=join_strings([part.metric_name for part in parts]),
        metric_value=np.concatenate([part.metric_value for part in parts]),
        metric_type=np.concatenate([part.metric_type for part in parts]),
        dist_row=_renumbered([part.dist_row for part in parts], starts),
        dist_name=join_strings([part.dist_name for part in parts]),
        bound_start=_joined_starts([part.bound_start for part in parts]),
        bounds=np.concatenate([part.bounds for part in parts]),
        count_start=_joined_starts([part.count_start for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        dist_type=np.concatenate([part.dist_type for part in parts]),
    )


def join_strings(columns: Sequence[Strings]) -> Strings:
    """One column of several, with one dictionary."""
    numbers: dict[str, int] = {}
    codes = []
    for column in columns:
        renumber = np.array([numbers.setdefault(value, len(numbers)) for value in column.values] + [-1], np.int32)
        codes.append(renumber[column.codes])  # code -1 picks the last entry, which is -1
    return Strings(np.concatenate(codes) if codes else np.empty(0, np.int32), tuple(numbers))


def _nested(owner: NDArray[np.int32], count: int, rows: Rows) -> tuple[Rows, NDArray[np.int32]]:
    """Which nested entries the chosen rows own, and the row numbers these entries get."""
    starts = np.searchsorted(owner, np.arange(count + 1))
    sizes = np.diff(starts)[rows]
    return _runs(starts[rows], sizes), np.repeat(np.arange(len(rows), dtype=np.int32), sizes)


def _ragged(starts: NDArray[np.int64], chosen: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Where the chosen slices of a ragged column lie, and where each begins once they are put together."""
    sizes = np.diff(starts)[chosen]
    return _runs(starts[chosen], sizes), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _runs(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Rows:
    """The numbers starts[i] … starts[i] + sizes[i] − 1 of all i, one after another."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def _renumbered(owners: Sequence[NDArray[np.int32]], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.concatenate([owner + start for owner, start in zip(owners, starts[:-1], strict=True)]).astype(np.int32)


def _joined_starts(starts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Starts of ragged columns put end to end."""
    ends = np.cumsum([0, *(int(part[-1]) for part in starts)])
    moved = [part[1:] + end for part, end in zip(starts, ends[:-1], strict=True)]
    return np.concatenate([[0], *moved]).astype(np.int64)
