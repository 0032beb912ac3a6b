"""Counters to increases, against the plain rule applied reading by reading."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import COUNTER, DELTA, GAUGE, RATE
from workers.windows.counters import Counters, empty_counters, to_increases

HOUR = 3_600_000_000
MINUTE = 60_000_000

Reading = tuple[int, int, float]  # series, time, value

readings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 200), st.integers(0, 50).map(float)), min_size=1, max_size=60
)


def increases(given_readings: list[Reading], cuts: tuple[int, ...] = ()) -> tuple[list[float], list[int], Counters]:
    """Increases and origins of readings taken at offsets 0, 1, …, in batches ending at `cuts`."""
    state = empty_counters(3)
    values = np.array([value for _, _, value in given_readings], np.float64)
    origins = np.arange(len(given_readings), dtype=np.int64)
    for first, stop in zip((0, *cuts), (*cuts, len(given_readings)), strict=True):
        part = slice(first, stop)
        series = np.array([s for s, _, _ in given_readings[part]], np.int64)
        times = np.array([t * MINUTE for _, t, _ in given_readings[part]], np.int64)
        kinds = np.full(len(series), COUNTER, np.int8)
        to_increases(state, HOUR, series, kinds, times, values[part], origins[part])
    return values.tolist(), origins.tolist(), state


def plainly(given_readings: list[Reading]) -> list[float]:
    """Of each reading: what came since the newest reading of an earlier time, within the hour."""
    told: list[float] = []
    for i, (series, time, value) in enumerate(given_readings):
        kept: list[tuple[int, float]] = []  # readings by time, the last of each time; forgotten after an hour's gap
        for s, t, v in given_readings[:i]:
            if s != series:
                continue
            if kept and t < kept[-1][0]:
                continue
            if kept and t == kept[-1][0]:
                kept[-1] = (t, v)
            elif kept and (t - kept[-1][0]) * MINUTE > HOUR:
                kept = [(t, v)]
            else:
                kept.append((t, v))
        if kept and time == kept[-1][0]:
            kept.pop()
        elif kept and time < kept[-1][0]:
            kept = []
        if not kept or (time - kept[-1][0]) * MINUTE > HOUR:
            told.append(math.nan)
        else:
            told.append(value - kept[-1][1] if value >= kept[-1][1] else value)
    return told


@settings(max_examples=300, deadline=None)
@given(readings)
def test_an_increase_is_from_the_newest_reading_before(given_readings: list[Reading]) -> None:
    np.testing.assert_array_equal(increases(given_readings)[0], plainly(given_readings))


@settings(max_examples=100, deadline=None)
@given(readings, st.data())
def test_increases_do_not_depend_on_cuts(given_readings: list[Reading], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(given_readings)))
    whole, cut_up = increases(given_readings), increases(given_readings, (cut,))
    np.testing.assert_array_equal(whole[0], cut_up[0])
    assert whole[1] == cut_up[1]


@settings(max_examples=200, deadline=None)
@given(readings, st.data())
def test_an_increase_depends_on_no_record_before_its_origin(given_readings: list[Reading], data: st.DataObject) -> None:
    values, origins, _ = increases(given_readings)
    i = data.draw(st.integers(0, len(given_readings) - 1))
    if not math.isnan(values[i]):
        assert increases(given_readings[origins[i] :])[0][i - origins[i]] == values[i]


def test_a_reset_counts_from_zero() -> None:
    assert increases([(0, 0, 100.0), (0, 1, 130.0), (0, 2, 7.0), (0, 3, 9.0)])[0][1:] == [30.0, 7.0, 2.0]


def test_a_late_reading_is_no_reset_and_loses_nothing() -> None:
    values = increases([(0, 0, 100.0), (0, 2, 130.0), (0, 1, 110.0), (0, 3, 140.0)])[0]
    assert values[1] == 30.0
    assert math.isnan(values[2])
    assert values[3] == 10.0


def test_gauges_and_deltas_are_left_as_they_are_and_negative_counters_are_missing() -> None:
    state = empty_counters(3)
    values = np.array([5.0, 5.0, -1.0])
    zeros = np.zeros(3, np.int64)
    to_increases(state, HOUR, np.arange(3), np.array([GAUGE, DELTA, COUNTER], np.int8), zeros, values, zeros.copy())
    np.testing.assert_array_equal(values, [5.0, 5.0, math.nan])


def test_a_rate_is_the_increase_for_each_second() -> None:
    state = empty_counters(1)
    values, times = np.array([100.0, 130.0, 10.0]), np.array([0, 60, 65]) * 1_000_000
    zeros = np.zeros(3, np.int64)
    to_increases(state, HOUR, zeros, np.full(3, RATE, np.int8), times, values, zeros.copy())
    np.testing.assert_array_equal(values, [math.nan, 0.5, 2.0])
