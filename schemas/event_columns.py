"""Tables of spans to columns of strings, and columns to mappings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import DELTA, GAUGE, NULL_TIME, Events, Strings
from schemas.event_json import METRIC_TYPES
from schemas.event_table import EventTable
from schemas.kernels.interning import last_wins
from schemas.kernels.layout import (
    BOUND_START,
    COUNT_START,
    COUNTS_UP,
    ENTITY,
    ID,
    KIND,
    NAME,
    OBSERVED,
    RECORD,
    ROW,
    SOURCE,
    TIME,
    TYPE,
    VALUE,
)
from schemas.strings import strings


def columns(raw: bytes, buf: NDArray[np.uint8], table: EventTable) -> Events:
    """The columns of a table whose spans point into `raw`."""
    rows, distributions = table.rows, table.distributions
    attr_name = strings(raw, buf, table.attributes, NAME)
    attributes, attr_name, _ = _distinct(table.attributes, attr_name)
    metric_name = strings(raw, buf, table.metrics, NAME)
    metrics, metric_name, which = _distinct(table.metrics, metric_name)
    return Events(
        record=rows[:, RECORD].astype(np.int32),
        time=rows[:, TIME].copy(),
        entity=strings(raw, buf, rows, ENTITY),
        kind=strings(raw, buf, rows, KIND),
        weight=table.weights,
        observed_at=rows[:, OBSERVED].copy(),
        id=strings(raw, buf, rows, ID),
        source=strings(raw, buf, rows, SOURCE),
        attr_row=attributes[:, ROW].astype(np.int32),
        attr_name=attr_name,
        attr_value=strings(raw, buf, attributes, VALUE),
        metric_row=metrics[:, ROW].astype(np.int32),
        metric_name=metric_name,
        metric_value=table.values[which],
        metric_type=metrics[:, TYPE].astype(np.int8),
        dist_row=distributions[:, ROW].astype(np.int32),
        dist_name=strings(raw, buf, distributions, NAME),
        bound_start=np.append(distributions[:, BOUND_START], len(table.bounds)),
        bounds=table.bounds.copy(),
        count_start=np.append(distributions[:, COUNT_START], len(table.counts)),
        counts=table.counts.copy(),
        dist_type=distributions[:, COUNTS_UP].astype(np.int8),
    )


def _distinct(table: NDArray[np.int64], names: Strings) -> tuple[NDArray[np.int64], Strings, slice | NDArray[np.int64]]:
    """Entries with distinct names in every row, their names, and which entries' values they have."""
    kept, which = last_wins(np.ascontiguousarray(table[:, ROW]), names.codes, len(names.values))
    if len(kept) == len(table):
        return table, names, slice(None)
    return table[which], names.take(kept), which


def dicts(events: Events) -> list[dict[str, Any]]:
    """One mapping per event, in the shape of the JSON form; times are epoch microseconds."""
    found: list[dict[str, Any]] = []
    texts = [_texts(column) for column in (events.id, events.entity, events.kind, events.source)]
    plain = zip(events.time.tolist(), *texts, events.observed_at.tolist(), events.weight.tolist(), strict=True)
    for time, id_, entity, kind, source, observed_at, weight in plain:
        event: dict[str, Any] = {"timestamp": time, "entity": entity, "kind": kind}
        if id_ is not None:
            event["id"] = id_
        if source is not None:
            event["source"] = source
        if observed_at != NULL_TIME:
            event["observed_at"] = observed_at
        if weight != 1:
            event["weight"] = weight
        event["attributes"] = {}
        event["metrics"] = {}
        found.append(event)
    attributes = zip(events.attr_row.tolist(), _texts(events.attr_name), _texts(events.attr_value), strict=True)
    for row, name, text in attributes:
        found[row]["attributes"][name] = text
    metrics = zip(
        events.metric_row.tolist(),
        _texts(events.metric_name),
        events.metric_value.tolist(),
        events.metric_type.tolist(),
        strict=True,
    )
    for row, name, value, code in metrics:
        found[row]["metrics"][name] = value if code == GAUGE else {"value": value, "type": METRIC_TYPES[code]}
    for j, row in enumerate(events.dist_row.tolist()):
        found[row].setdefault("distributions", []).append(_distribution(events, j))
    return found


def _texts(column: Strings) -> list[str | None]:
    values = [*column.values, None]
    return [values[code] for code in column.codes.tolist()]


def _distribution(events: Events, j: int) -> dict[str, Any]:
    bounds = events.bounds[events.bound_start[j] : events.bound_start[j + 1]]
    counts = events.counts[events.count_start[j] : events.count_start[j + 1]]
    found = {"name": events.dist_name.at(j), "bounds": bounds.tolist(), "counts": counts.tolist()}
    code = int(events.dist_type[j])
    return found if code == DELTA else found | {"type": METRIC_TYPES[code]}
