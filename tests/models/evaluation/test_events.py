"""Events found, false alarms and delays, on rows of five minutes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.evaluation.events import EventCount, best_event_f1
from tests.models.evaluation.streams import random_stream, stream

FAR = "." * 7  # more than the tolerance of half an hour


def test_an_event_is_found_by_any_row_in_it_and_the_first_counts_for_the_delay() -> None:
    count = EventCount.of(stream(f"..####{FAR}###", f"....##{FAR}..."))
    assert (count.events, count.found, count.false_alarms) == (2, 1, 0)
    assert count.delays == (10.0,)
    assert count.figures()["event_recall"] == 0.5
    assert count.figures()["found_within_30min"] == 0.5


def test_an_alarm_before_an_event_does_not_find_it() -> None:
    assert EventCount.of(stream("....###", "..##...")).found == 0


@pytest.mark.parametrize(("rows", "alarms"), [(6, 0), (7, 1)])
def test_alarms_within_half_an_hour_of_an_event_count_neither_for_nor_against(rows: int, alarms: int) -> None:
    after = EventCount.of(stream("#" + "." * 10, "." * rows + "#" + "." * (10 - rows)))
    before = EventCount.of(stream("." * 10 + "#", "." * (10 - rows) + "#" + "." * rows))
    assert after.false_alarms == before.false_alarms == alarms


@pytest.mark.parametrize(("rows", "alarms"), [(1, 1), (12, 1), (13, 2), (48, 4)])
def test_an_alarm_that_goes_on_counts_again_every_hour(rows: int, alarms: int) -> None:
    count = EventCount.of(stream("." * 50, "#" * rows + "." * (50 - rows)))
    assert count.false_alarms == alarms
    assert count.figures()["event_precision"] == 0.0
    assert math.isnan(count.figures()["event_recall"])


def test_half_an_hour_is_half_an_hour_at_any_interval() -> None:
    hourly = stream(".#..", "#.#.", minutes=60)
    assert EventCount.of(hourly).false_alarms == 2
    minutely = stream("#" + "." * 60, "." * 30 + "#" * 3 + "." * 28, minutes=1)
    assert EventCount.of(minutely).false_alarms == 1


def test_false_alarms_are_counted_by_entity_days() -> None:
    day = stream("." * 288, "#" + "." * 287)
    count = EventCount.sum([EventCount.of(day), EventCount.of(day), EventCount.of(stream("." * 288, "." * 288))])
    assert count.days == 3.0
    assert count.figures()["false_alarms_per_day"] == pytest.approx(2 / 3)


def test_delays_are_told_by_their_median() -> None:
    one = EventCount(3, (0.0, 5.0, 500.0), 0, 1.0)
    assert one.figures()["delay_minutes"] == 5.0
    assert math.isnan(EventCount(3, (), 0, 1.0).figures()["delay_minutes"])


def test_nothing_to_find_and_nothing_said_is_no_figure() -> None:
    figures = EventCount.of(stream("." * 9, "." * 9)).figures()
    assert {name for name, value in figures.items() if not math.isnan(value)} == {"false_alarms_per_day"}
    single = EventCount.of(stream(".", "#"))
    assert (single.false_alarms, single.days) == (1, 0.0)


def test_the_best_threshold_is_at_least_as_good_as_any_tried() -> None:
    rows = random_stream(3)
    best = best_event_f1(rows)
    for threshold in np.linspace(0.72, 1.4, 20).tolist():
        assert EventCount.of(rows, rows.score > threshold).f1 <= best + 0.05
    assert best_event_f1(stream("..##..", "..##..")) == 1.0
    assert math.isnan(best_event_f1(stream("....", "....")))
