"""Which profile gets which events: rows of a table of events by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.lists import take_lists


def rows_of_kinds(events: Events, kinds: Sequence[str]) -> NDArray[np.intp]:
    """The rows whose kind is one of `kinds`."""
    wanted = np.array([value in kinds for value in events.kind.values] + [False])
    return np.flatnonzero(wanted[events.kind.codes])


def take_events(events: Events, rows: NDArray[np.intp]) -> Events:
    """The given rows (ascending) as a table of their own; `record` still names the records of the batch."""
    if len(rows) == len(events):
        return events
    renumbered = np.full(len(events), -1, np.int32)
    renumbered[rows] = np.arange(len(rows), dtype=np.int32)
    attrs = np.flatnonzero(renumbered[events.attr_row] >= 0)
    metrics = np.flatnonzero(renumbered[events.metric_row] >= 0)
    dists = np.flatnonzero(renumbered[events.dist_row] >= 0)
    bound_start, bounds = take_lists(events.bound_start, events.bounds, dists)
    count_start, counts = take_lists(events.count_start, events.counts, dists)
    return Events(
        record=events.record[rows],
        time=events.time[rows],
        entity=events.entity.take(rows),
        kind=events.kind.take(rows),
        weight=events.weight[rows],
        observed_at=events.observed_at[rows],
        id=events.id.take(rows),
        source=events.source.take(rows),
        attr_row=renumbered[events.attr_row[attrs]],
        attr_name=events.attr_name.take(attrs),
        attr_value=events.attr_value.take(attrs),
        metric_row=renumbered[events.metric_row[metrics]],
        metric_name=events.metric_name.take(metrics),
        metric_value=events.metric_value[metrics],
        metric_type=events.metric_type[metrics],
        dist_row=renumbered[events.dist_row[dists]],
        dist_name=events.dist_name.take(dists),
        bound_start=bound_start,
        bounds=bounds,
        count_start=count_start,
        counts=counts,
        dist_type=events.dist_type[dists],
    )
