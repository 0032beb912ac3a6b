"""Where rows that were not flagged stand: by all members and by what was just there, never across the boundary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.ranking import CLEAN, HALF_LIFE_MINUTES, REMEMBERED_FROM, placed
from models.thresholds import LEVELS, Expectation, Thresholds, published

START = 1_772_409_600_000_000
MINUTE = 60_000_000

Values = NDArray[np.float64]


def _recalled(mean: Values, minutes: Values | list[int]) -> Values:
    """What one entity's state recalls at each of its rows."""
    columns = Thresholds()
    columns.expect("model", Expectation.of(np.zeros(len(LEVELS)), 0.5 / 288, 288.0))
    n = len(mean)
    time = START + MINUTE * np.asarray(minutes, np.int64)
    return columns.step(np.zeros(n, np.int64), time, mean, mean, np.zeros(n, np.int64), np.ones(n, np.bool_))[1]


@given(st.lists(st.tuples(*[st.floats(0, 10)] * 3), min_size=1, max_size=20), st.floats(0.5, 13))
def test_no_row_comes_to_the_other_side_of_the_boundary_or_of_clean(
    rows: list[tuple[float, float, float]], own: float
) -> None:
    score, mean, recalled = np.array(rows).T
    threshold = np.full(len(score), own)
    before = published(score, threshold)
    after = placed(before, threshold, mean, recalled)
    assert (after[before >= 1.0] == before[before >= 1.0]).all(), "alarms say what they said"
    assert ((after >= 1.0) == (before >= 1.0)).all()
    assert ((after < CLEAN) == (before < CLEAN)).all()
    assert (after >= 0.0).all()


@given(st.lists(st.floats(0, 20), min_size=2, max_size=20))
def test_a_row_of_more_views_or_closer_to_an_event_stands_higher(means: list[float]) -> None:
    mean = np.sort(np.array(means))
    same, half = np.ones(len(mean)), np.full(len(mean), 0.5)
    for one in (placed(half, same, mean, half), placed(half, same, half, mean)):
        assert (np.diff(one) >= 0).all()
    assert placed(half[:1], same[:1], np.array([0.9]), half[:1]) > placed(half[:1], same[:1], half[:1], half[:1])


def test_the_largest_mean_of_late_is_recalled_and_fades_by_half_in_its_half_life() -> None:
    half = int(HALF_LIFE_MINUTES)
    minutes = [0, 1, 1 + half, 1 + 2 * half, 2 + 2 * half, 2 + 3 * half]
    found = _recalled(np.array([0.1, 4.0, 0.1, 0.1, 3.0, 0.1]), minutes)
    assert found == pytest.approx([0.0, 4.0, 2.0, 1.0, 3.0, 1.5])


def test_what_is_smaller_than_what_is_recalled_does_not_replace_it_and_a_late_row_finds_all_of_it() -> None:
    found = _recalled(np.array([4.0, 1.0, 0.1]), [10, 20, 0])
    assert found[1:] == pytest.approx([4.0 * 2 ** (-10 / HALF_LIFE_MINUTES), 4.0])


def test_ordinary_rows_leave_no_trace() -> None:
    columns = Thresholds()
    columns.expect("model", Expectation.of(np.zeros(len(LEVELS)), 0.5 / 288, 288.0))
    zero, learn = np.zeros(1, np.int64), np.ones(1, np.bool_)

    def changes(minute: int, mean: float) -> bool:
        time = np.array([START + MINUTE * minute])
        return bool(columns.step(zero, time, np.zeros(1), np.array([mean]), zero, learn)[2][0])

    assert changes(0, 0.0), "the first row ever"
    assert not any(changes(5 * i, 0.99 * REMEMBERED_FROM) for i in range(1, 12))
    assert changes(60, REMEMBERED_FROM)
