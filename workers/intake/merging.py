"""Tables of events of one batch, of which each has some of its records, to one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from workers.intake.columns import NULL, Dictionary

_TEXTS = ("entity", "kind", "id", "source", "attr_name", "attr_value", "metric_name", "dist_name")
_ROWS = ("attr_row", "metric_row", "dist_row")
_PLAIN = ("time", "weight", "observed_at", "metric_value", "metric_type", "bounds", "counts", "dist_type")


def merged(parts: Sequence[tuple[NDArray[np.int32], Events]]) -> Events:
    """One table in record order; each part tells where its records stand in the batch, ascending."""
    if len(parts) == 1:
        at, only = parts[0]
        return _renumbered(only, at)
    if not parts:
        return _nothing()
    tables = [_renumbered(events, at) for at, events in parts]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables]) for name in (*_PLAIN, "record")
    }
    joined |= {name: _joined([getattr(table, name) for table in tables]) for name in _TEXTS}
    before = np.cumsum([0] + [len(table) for table in tables])
    for name in _ROWS:
        rows = [getattr(table, name) + before[i] for i, table in enumerate(tables)]
        joined[name] = np.concatenate(rows).astype(np.int32)
    for name, flat in (("bound_start", "bounds"), ("count_start", "counts")):
        ends = np.cumsum([0] + [len(getattr(table, flat)) for table in tables])
        starts = [getattr(table, name)[:-1] + ends[i] for i, table in enumerate(tables)]
        joined[name] = np.append(np.concatenate(starts), ends[-1])
    return in_record_order(Events(**joined))


def in_record_order(events: Events) -> Events:
    """The same rows sorted by record, stably."""
    order = np.argsort(events.record, kind="stable")
    if np.array_equal(order, np.arange(len(order))):
        return events
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    attrs, metrics, dists = (np.argsort(place[getattr(events, name)], kind="stable") for name in _ROWS)
    bound_start, bounds = _slices(events.bound_start, events.bounds, dists)
    count_start, counts = _slices(events.count_start, events.counts, dists)
    return Events(
        record=events.record[order],
        time=events.time[order],
        entity=events.entity.take(order),
        kind=events.kind.take(order),
        weight=events.weight[order],
        observed_at=events.observed_at[order],
        id=events.id.take(order),
        source=events.source.take(order),
        attr_row=place[events.attr_row[attrs]],
        attr_name=events.attr_name.take(attrs),
        attr_value=events.attr_value.take(attrs),
        metric_row=place[events.metric_row[metrics]],
        metric_name=events.metric_name.take(metrics),
        metric_value=events.metric_value[metrics],
        metric_type=events.metric_type[metrics],
        dist_row=place[events.dist_row[dists]],
        dist_name=events.dist_name.take(dists),
        bound_start=bound_start,
        bounds=bounds.astype(np.float64),
        count_start=count_start,
        counts=counts.astype(np.int64),
        dist_type=events.dist_type[dists],
    )


def _renumbered(events: Events, at: NDArray[np.int32]) -> Events:
    events.record[:] = at[events.record]
    return events


def _joined(columns: Sequence[Strings]) -> Strings:
    known = Dictionary()
    codes = [np.array([*map(known.code, column.values), NULL], np.int32)[column.codes] for column in columns]
    return known.strings(np.concatenate(codes))


def _slices(
    edges: NDArray[np.int64], flat: NDArray[np.generic], which: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
    sizes = np.diff(edges)[which]
    ends = np.cumsum(sizes)
    places = np.repeat(edges[:-1][which] - (ends - sizes), sizes) + np.arange(int(ends[-1]) if len(ends) else 0)
    return np.concatenate([np.zeros(1, np.int64), ends]), flat[places]


def _nothing() -> Events:
    from workers.intake.event_rows import EventRows

    return EventRows().events()
