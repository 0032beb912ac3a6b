"""Points of series to columns of events: one event for each owner and time of a record, by array operations alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events, Strings
from schemas.limits import DEFAULT_LIMITS
from schemas.lists import take_lists
from workers.intake.columns import NULL, Dictionary
from workers.intake.prometheus.series import Owner

Integers = NDArray[np.int64]

_KIND = "metric"


_BUCKETS_OF_ONE = 32
"""A distribution takes as much of an event as one metric for so many buckets."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Distributions: the bounds and counts of number i are slices, as in `Events`."""

    bound_start: Integers
    bounds: NDArray[np.float64]
    count_start: Integers
    counts: Integers

    def __len__(self) -> int:
        return len(self.bound_start) - 1

    def taken(self, which: NDArray[np.intp]) -> Buckets:
        return Buckets(
            *take_lists(self.bound_start, self.bounds, which), *take_lists(self.count_start, self.counts, which)
        )


@dataclass(frozen=True, slots=True)
class Points:
    """Points to be taken: m each. `owner` and `name` count into what goes with them.

    Those of the metrics stand in the order of their records; behind them, as many as there are `buckets`, those of the
    distributions, each of a record, owner and time that has a metric, too. They have no value.
    """

    record: NDArray[np.int32]
    time: Integers
    owner: Integers
    name: Integers
    value: NDArray[np.float64]
    type: NDArray[np.int8]
    buckets: Buckets


def events_of(points: Points, owners: list[Owner], names: list[str]) -> Events:
    """Events in the order of their first points; those of more than 256 metrics become several."""
    metrics = len(points.record) - len(points.buckets)
    size = np.ones(len(points.record), np.int64)
    size[metrics:] += np.diff(points.buckets.count_start) // _BUCKETS_OF_ONE
    group, part, first = _groups(points, size)
    parts_of_group = np.zeros(len(first), np.int64)
    np.maximum.at(parts_of_group, group, part + 1)
    row = (np.cumsum(parts_of_group) - parts_of_group)[group] + part
    order = np.argsort(row, kind="stable")
    order, dist = order[order < metrics], order[order >= metrics]
    buckets = points.buckets.taken(dist - metrics)
    point = np.repeat(first, parts_of_group)  # a point of each row
    n = len(point)
    entities, attr_names, attr_values = Dictionary(), Dictionary(), Dictionary()
    entity = np.array([entities.code(owner.entity) for owner in owners], np.int32)
    pairs = [(attr_names.code(name), attr_values.code(text)) for owner in owners for name, text in owner.attributes]
    sizes = np.array([len(owner.attributes) for owner in owners], np.int64)
    attr_row, which = _spread(points.owner[point], sizes)
    codes = np.array(pairs, np.int32).reshape(-1, 2)[which]
    none = Strings(np.full(n, NULL, np.int32), [])
    return Events(
        record=points.record[point],
        time=points.time[point],
        entity=entities.strings(entity[points.owner[point]]),
        kind=Strings(np.zeros(n, np.int32), [_KIND]),
        weight=np.ones(n),
        observed_at=np.full(n, NULL_TIME, np.int64),
        id=none,
        source=none,
        attr_row=attr_row,
        attr_name=attr_names.strings(codes[:, 0].copy()),
        attr_value=attr_values.strings(codes[:, 1].copy()),
        metric_row=row[order].astype(np.int32),
        metric_name=Strings(points.name[order].astype(np.int32), names),
        metric_value=points.value[order],
        metric_type=points.type[order],
        dist_row=row[dist].astype(np.int32),
        dist_name=Strings(points.name[dist].astype(np.int32), names),
        bound_start=buckets.bound_start,
        bounds=buckets.bounds,
        count_start=buckets.count_start,
        counts=buckets.counts,
        dist_type=points.type[dist],
    )


def _groups(points: Points, size: Integers) -> tuple[Integers, Integers, Integers]:
    """Points of one record, owner and time: the group of each, which of its events, and every group's first point.

    Groups are numbered by their first points, so that nothing depends on how owners are numbered.
    """
    m = len(points.record)
    order = np.lexsort((points.time, points.owner, points.record))  # stable: within a group points keep their order
    keys = (points.record[order], points.owner[order], points.time[order])
    new = np.ones(m, np.bool_)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    starts = np.flatnonzero(new)
    number = np.cumsum(new) - 1
    first = order[starts]
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    before = np.cumsum(size[order]) - size[order]
    group, part = np.empty(m, np.int64), np.empty(m, np.int64)
    group[order] = rank[number]
    part[order] = (before - before[starts][number]) // DEFAULT_LIMITS.metrics
    return group, part, np.sort(first)


def _spread(owner: Integers, sizes: Integers) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """The rows of entries, where every row has those of its owner, and which entries they are."""
    counts = sizes[owner]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])[owner]
    rows = np.repeat(np.arange(len(owner), dtype=np.int32), counts)
    before = np.cumsum(counts) - counts
    return rows, np.repeat(starts - before, counts) + np.arange(len(rows))
