"""Alarms and agreement of two models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.comparison import QUIET, Agreement, episodes, unshared

MINUTE = 60_000_000


def test_flagged_rows_an_hour_apart_are_one_alarm_and_further_apart_two() -> None:
    time = np.array([0, 60, 121, 122]) * MINUTE
    assert episodes(time, np.ones(4, np.bool_)).tolist() == [[0, 1], [2, 3]]
    assert episodes(time, np.zeros(4, np.bool_)).tolist() == []


def test_an_alarm_is_shared_where_the_other_flags_a_row_in_its_course() -> None:
    alarms = np.array([[0, 2], [4, 4], [6, 9]])
    other = np.isin(np.arange(10), [1, 5, 9])
    assert unshared(alarms, other).tolist() == [[4, 4]]


def test_agreement_says_what_many_normal_rows_would_hide() -> None:
    first, second = np.arange(100) < 2, (np.arange(100) > 0) & (np.arange(100) < 3)
    agreement = Agreement.of(first, second)
    assert agreement == Agreement(both=1, first_only=1, second_only=1, neither=97)
    assert agreement.same == 0.98
    assert agreement.shared == pytest.approx(1 / 3)


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.booleans()), max_size=60))
def test_alarms_hold_every_flagged_row_once_and_lie_apart(rows: list[tuple[int, bool, bool]]) -> None:
    ordered = sorted(rows, key=lambda row: row[0])
    time = np.array([minute for minute, _, _ in ordered], np.int64) * MINUTE
    flagged, other = (np.array([row[i] for row in ordered], np.bool_) for i in (1, 2))
    alarms = episodes(time, flagged)
    inside = [row for first, last in alarms.tolist() for row in range(first, last + 1) if flagged[row]]
    assert inside == np.flatnonzero(flagged).tolist()
    assert (time[alarms[1:, 0]] - time[alarms[:-1, 1]] > QUIET).all()
    alone = [alarm for alarm in alarms.tolist() if not other[alarm[0] : alarm[1] + 1].any()]
    assert unshared(alarms, other).tolist() == alone
