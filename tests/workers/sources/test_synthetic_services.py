"""Synthetic services keep the numbers they promise: rhythm, error rate, latency, anomalies, order, sameness."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.events import events_to_dicts
from workers.sources.columns import concat
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import MINUTE, Plan
from workers.sources.synthetic.rhythm import local_hours
from workers.sources.synthetic.truth import SERVICE_KINDS, Truth, schedule

WEEK = Plan(days=7, entities=2, seed=11)


@cache
def _truth() -> Truth:
    return schedule(WEEK)


@cache
def _week() -> Events:
    return concat(list(generate(_truth())))


def _cells(events: Events, plan: Plan) -> NDArray[np.int64]:
    """Entity and interval of every event, as one number."""
    return events.entity.codes * plan.intervals + (events.time - plan.start) // plan.interval


def _per_interval(weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Sum per (entity, interval) of the week."""
    cells = _cells(_week(), WEEK)
    sums = np.bincount(cells, weights, minlength=WEEK.entities * WEEK.intervals)
    return sums.reshape(WEEK.entities, WEEK.intervals).astype(np.float64)


def _clock() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return local_hours(WEEK.start + np.arange(WEEK.intervals) * WEEK.interval, "UTC")


def _failed() -> NDArray[np.float64]:
    """1 for every event that is an error by its status code."""
    events = _week()
    status = events.attr_name.codes == list(events.attr_name.values).index("status_code")
    is_error = np.array([value.startswith("5") for value in events.attr_value.values])
    failed: NDArray[np.float64] = is_error[events.attr_value.codes[status]].astype(np.float64)
    return failed


def test_working_hours_bring_about_a_thousand_requests_in_five_minutes() -> None:
    hours, weekdays = _clock()
    busy = (weekdays < 5) & (hours >= 9) & (hours < 17)
    counts = _per_interval()[:, busy][~_truth().anomalous()[:, busy]]
    assert 950 < counts.mean() < 1050
    assert counts.min() > 800
    assert counts.max() < 1200


def test_nights_and_weekends_bring_150_to_300_requests() -> None:
    hours, weekdays = _clock()
    quiet = (weekdays >= 5) | (hours < 8) | (hours >= 18)
    counts = _per_interval()[:, quiet][~_truth().anomalous()[:, quiet]]
    assert counts.min() >= 150
    assert counts.max() <= 300


def test_normal_intervals_fail_between_a_tenth_and_two_per_cent() -> None:
    rates = (_per_interval(_failed()) / _per_interval())[~_truth().anomalous()]
    assert rates.min() >= 0.001
    assert rates.max() <= 0.02


def test_the_99th_percentile_of_normal_latency_lies_between_100_and_150_ms() -> None:
    events, cells = _week(), _cells(_week(), WEEK)
    order = np.lexsort((events.metric_value, cells))
    counts = np.bincount(cells, minlength=WEEK.entities * WEEK.intervals)
    at = np.cumsum(counts) - counts + np.ceil(0.99 * counts).astype(np.int64) - 1
    p99 = events.metric_value[order][at].reshape(WEEK.entities, WEEK.intervals)[~_truth().anomalous()]
    assert ((p99 >= 100) & (p99 <= 150)).mean() > 0.99
    assert 110 < np.median(p99) < 135


@pytest.mark.parametrize("kind", SERVICE_KINDS)
def test_each_kind_of_anomaly_shows_in_the_events(kind: str) -> None:
    truth = _truth()
    count, failed = _per_interval(), _per_interval(_failed())
    latency = _per_interval(_week().metric_value) / count
    normal = ~truth.anomalous()
    for row in np.flatnonzero(truth.kind == SERVICE_KINDS.index(kind)):
        entity, interval = truth.entity[row], truth.first[row]
        # Beside it: the nearest normal intervals of the same service.
        near = np.flatnonzero(normal[entity])
        near = near[np.argsort(np.abs(near - interval))[:4]]
        traffic = count[entity, interval] / count[entity, near].mean()
        slower = latency[entity, interval] / latency[entity, near].mean()
        rate = failed[entity, interval] / count[entity, interval]
        if kind == "error_rate":
            assert 0.05 <= rate <= 0.25
        elif kind == "latency":
            assert 2.7 < slower < 11
        elif kind == "traffic_spike":
            assert 3.5 < traffic < 27
        elif kind == "traffic_drop":
            assert 0.03 < traffic < 0.28
        else:
            assert sum([rate >= 0.04, slower > 2.5, traffic > 3.5 or traffic < 0.28]) >= 2


def test_events_come_in_time_order_and_inside_their_interval() -> None:
    times = _week().time
    assert np.all(np.diff(times) >= 0)
    assert WEEK.start <= times[0]
    assert times[-1] < WEEK.end


def test_the_same_seed_gives_the_same_events_and_another_one_others() -> None:
    plan = Plan(days=0.25, entities=2, seed=3)
    first, again = concat(list(generate(schedule(plan)))), concat(list(generate(schedule(plan))))
    other = concat(list(generate(schedule(Plan(days=0.25, entities=2, seed=4)))))
    assert events_to_dicts(first) == events_to_dicts(again)
    assert len(other) != len(first) or not np.array_equal(other.time, first.time)


def test_services_keep_their_habits_under_another_seed_and_on_other_days() -> None:
    first = Plan(days=2, entities=5, anomaly_rate=0, seed=1)
    other = Plan(days=2, entities=5, anomaly_rate=0, seed=2, start=first.end)

    def usual_latency(plan: Plan) -> NDArray[np.float64]:
        events = concat(list(generate(schedule(plan))))
        sums = np.bincount(events.entity.codes, np.log(events.metric_value))
        return sums / np.bincount(events.entity.codes)

    one, two = usual_latency(first), usual_latency(other)
    assert np.abs(one - two).max() < 0.006
    assert np.ptp(one) > 0.02


def test_a_request_says_how_long_it_took_and_how_it_ended() -> None:
    event = events_to_dicts(next(generate(schedule(Plan(days=0.1)))))[0]
    assert event["kind"] == "api"
    assert set(event["attributes"]) == {"path", "status_code", "level"}
    assert set(event["metrics"]) == {"latency_ms"}


def test_the_level_agrees_with_the_status() -> None:
    for event in events_to_dicts(next(generate(schedule(Plan(days=0.1, anomaly_rate=0.3))))):
        attributes = event["attributes"]
        expected = {"2": "INFO", "4": "WARN", "5": "ERROR"}[attributes["status_code"][0]]
        assert attributes["level"] == expected


def test_log_lines_carry_level_message_and_latency() -> None:
    events = concat(list(generate(schedule(Plan(profile="log", days=0.2, seed=2)))))
    first = events_to_dicts(events)[0]
    assert first["kind"] == "log"
    assert set(first["attributes"]) == {"level", "message"}
    levels = set(events.attr_value.values) & {"INFO", "WARN", "ERROR"}
    assert levels == {"INFO", "WARN", "ERROR"}


def test_a_finer_grid_keeps_the_traffic_per_hour() -> None:
    five = sum(map(len, generate(schedule(Plan(days=1, anomaly_rate=0, seed=1)))))
    one = sum(map(len, generate(schedule(Plan(days=1, anomaly_rate=0, seed=1, interval=MINUTE)))))
    assert one == pytest.approx(five, rel=0.05)


def test_volume_scales_the_number_of_requests() -> None:
    whole = sum(map(len, generate(schedule(Plan(days=1, anomaly_rate=0)))))
    tenth = sum(map(len, generate(schedule(Plan(days=1, anomaly_rate=0, volume=0.1)))))
    assert tenth == pytest.approx(whole / 10, rel=0.05)


def test_working_hours_are_those_of_the_zone() -> None:
    plan = Plan(days=1, anomaly_rate=0, timezone="America/New_York")
    events = concat(list(generate(schedule(plan))))
    per_hour = np.bincount((events.time - plan.start) // (60 * MINUTE), minlength=24)
    assert per_hour[12] < 4_000  # 7 o'clock in New York
    assert per_hour[15] > 10_000  # 10 o'clock
