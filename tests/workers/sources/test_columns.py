"""Rows of event columns: what is taken, cut, shifted and put together is what a list of objects would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import NULL_TIME, Events, Strings
from schemas.events import events_to_dicts
from workers.sources.canonical import from_arrow, is_canonical, to_arrow
from workers.sources.columns import concat, cut, in_time_order, metric_events, shift, take


@st.composite
def events(draw: st.DrawFn, most: int = 8) -> Events:
    """Events with any number of attributes, metrics and distributions each."""
    count = draw(st.integers(0, most))
    names = ("a", "b", "c")
    sizes = st.lists(st.integers(0, 3), min_size=count, max_size=count)
    rows = [np.repeat(np.arange(count, dtype=np.int32), draw(sizes)) for _ in range(3)]
    attr, metric, dist = rows
    seed = draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)

    def strings(size: int, low: int = 0) -> Strings:
        return Strings(rng.integers(low, len(names), size).astype(np.int32), names)

    bounds, counts = rng.integers(0, 4, len(dist)), rng.integers(0, 4, len(dist))
    observed = rng.integers(0, 10**15, count)
    observed[rng.random(count) < 0.5] = NULL_TIME
    return Events(
        record=np.arange(count, dtype=np.int32),
        time=rng.integers(0, 10**6, count),
        entity=strings(count),
        kind=strings(count),
        weight=rng.integers(1, 3, count).astype(np.float64),
        observed_at=observed,
        id=strings(count, -1),
        source=strings(count, -1),
        attr_row=attr,
        attr_name=Strings(_distinct(attr), names),
        attr_value=strings(len(attr)),
        metric_row=metric,
        metric_name=Strings(_distinct(metric), names),
        metric_value=rng.random(len(metric)),
        metric_type=rng.integers(0, 3, len(metric)).astype(np.int8),
        dist_row=dist,
        dist_name=strings(len(dist)),
        bound_start=np.concatenate([[0], np.cumsum(bounds)]).astype(np.int64),
        bounds=rng.random(int(bounds.sum())),
        count_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        counts=rng.integers(0, 9, int(counts.sum())),
        dist_type=rng.integers(1, 3, len(dist)).astype(np.int8),
    )


def _distinct(owner: np.ndarray[tuple[int], np.dtype[np.int32]]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Name codes that differ within one event, as the keys of a mapping do."""
    starts = np.searchsorted(owner, owner)
    return (np.arange(len(owner)) - starts).astype(np.int32)


@given(events(), st.data())
@settings(max_examples=200, deadline=None)
def test_take_gives_the_chosen_events_in_order(some: Events, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, max(0, len(some) - 1)), max_size=12)) if len(some) else []
    everything = events_to_dicts(some)
    assert events_to_dicts(take(some, np.array(rows, np.intp))) == [everything[row] for row in rows]


@given(st.lists(events(), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_concat_puts_events_end_to_end(parts: list[Events]) -> None:
    assert events_to_dicts(concat(parts)) == [event for part in parts for event in events_to_dicts(part)]


@given(events(), st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_cut_is_a_slice(some: Events, start: int, stop: int) -> None:
    low, high = min(start, stop, len(some)), max(start, stop)
    assert events_to_dicts(cut(some, low, high)) == events_to_dicts(some)[low:high]


@given(events())
@settings(max_examples=200, deadline=None)
def test_arrow_columns_give_the_same_events_back(some: Events) -> None:
    table = to_arrow(some)
    assert is_canonical(table.schema)
    assert events_to_dicts(from_arrow(table)) == events_to_dicts(some)


@given(events())
@settings(max_examples=50, deadline=None)
def test_sorting_by_time_keeps_events_of_one_time_in_their_order(some: Events) -> None:
    ordered = in_time_order(some)
    expected = sorted(events_to_dicts(some), key=lambda event: event["timestamp"])
    assert events_to_dicts(ordered) == expected


def test_shifting_moves_times_and_leaves_the_original_alone() -> None:
    some = metric_events(
        np.array([5, 9]), Strings(np.zeros(2, np.int32), ("e",)), "metric", "t", ["m"], np.ones((2, 1))
    )
    moved = shift(some, 100)
    assert moved.time.tolist() == [105, 109]
    assert some.time.tolist() == [5, 9]


def test_cells_that_are_not_finite_are_left_out() -> None:
    values = np.array([[1.0, np.nan], [np.inf, 2.0]])
    some = metric_events(np.array([1, 2]), Strings(np.zeros(2, np.int32), ("e",)), "metric", "t", ["a", "b"], values)
    assert [event["metrics"] for event in events_to_dicts(some)] == [{"a": 1.0}, {"b": 2.0}]


def test_an_unknown_metric_type_is_named() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {
            "timestamp": pa.array([0], pa.timestamp("us", "UTC")),
            "entity": ["e"],
            "kind": ["metric"],
            "metrics": [[{"name": "m", "value": 1.0, "type": "meter"}]],
        }
    )
    with pytest.raises(ValueError, match="meter"):
        from_arrow(table)
