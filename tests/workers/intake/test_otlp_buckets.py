"""OTLP's histograms at the ends of what doubles and counts can say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from schemas.events import events_to_dicts
from tests.workers.intake.otlp_making import NOON_US, decoded, metrics_request

MOST = 1 << 62


def exponential(scale: int = 0, **fields: Any) -> bytes:
    """A request of one exponential histogram: `positive` and `negative` as (offset, counts)."""
    request, metrics = metrics_request()
    data = metrics.add(name="e").exponential_histogram
    data.aggregation_temporality = 2
    point = data.data_points.add(time_unix_nano=NOON_US * 1000, count=3, sum=1.5, scale=scale)
    for side in ("positive", "negative"):
        offset, counts = fields.pop(side, (0, ()))
        getattr(point, side).offset = offset
        getattr(point, side).bucket_counts.extend(counts)
    for name, value in fields.items():
        setattr(point, name, value)
    return bytes(request.SerializeToString())


def explicit(bounds: list[float], counts: list[int]) -> bytes:
    request, metrics = metrics_request()
    data = metrics.add(name="h").histogram
    data.aggregation_temporality = 2
    point = data.data_points.add(time_unix_nano=NOON_US * 1000, count=3, sum=1.5)
    point.explicit_bounds.extend(bounds)
    point.bucket_counts.extend(counts)
    return bytes(request.SerializeToString())


def buckets(value: bytes) -> tuple[list[float], list[int]]:
    events, faults, counts = decoded([value])
    assert (faults, counts) == ([], {"points": 1})
    (event,) = events_to_dicts(events)
    (found,) = event["distributions"]
    return found["bounds"], found["counts"]


def left_out(value: bytes) -> bool:
    """Whether count and sum alone are taken, and that is counted."""
    events, faults, counts = decoded([value])
    assert not faults
    (event,) = events_to_dicts(events)
    assert {name[1:] for name in event["metrics"]} == {"_count", "_sum"}
    assert ("distributions" in event) == ("points_without_buckets" not in counts)
    return counts.get("points_without_buckets") == 1


def test_the_bucket_of_the_largest_numbers_has_no_upper_bound() -> None:
    value = exponential(positive=(1022, [2, 1]))
    assert buckets(value) == ([2.0**1022, 2.0**1023], [0, 2, 1])
    value = exponential(negative=(1022, [2, 1]))
    assert buckets(value) == ([-(2.0**1023), -(2.0**1022), 0.0], [1, 2, 0, 0])


@pytest.mark.parametrize("scale", [-10, -11, -20])
def test_buckets_as_wide_as_all_numbers_hold_what_is_in_them(scale: int) -> None:
    value = exponential(scale, positive=(-1, [2, 1]), zero_count=5)
    bounds, counts = buckets(value)
    assert bounds == ([0.0, 2.0**-1024, 1.0] if scale == -10 else [0.0, 1.0])
    assert counts == ([5, 0, 2, 1] if scale == -10 else [5, 2, 1])


def test_buckets_narrower_than_the_smallest_numbers_are_one() -> None:
    value = exponential(1, positive=(-2148, [1, 1, 1, 1]))
    bounds, counts = buckets(value)
    assert bounds == sorted(set(bounds))
    assert sum(counts) == 4


def test_a_zero_bucket_wider_than_others_keeps_what_is_in_it() -> None:
    value = exponential(positive=(0, [1, 1, 1]), zero_count=5, zero_threshold=3.0)
    assert buckets(value) == ([3.0, 4.0, 8.0], [6, 1, 1, 0])


@pytest.mark.parametrize("side", ["positive", "negative"])
@pytest.mark.parametrize("offset", [1024, -1077, (1 << 31) - 1, -(1 << 31)])
def test_a_bucket_in_which_no_number_is_is_a_dead_letter_that_says_so(side: str, offset: int) -> None:
    fields: dict[str, Any] = {side: (offset, [1])}
    value = exponential(**fields)
    events, faults, _ = decoded([value])
    assert not len(events)
    assert [(fault.error_class, "no double" in fault.message) for fault in faults] == [("invalid", True)]


def test_empty_buckets_where_no_number_is_are_passed_over() -> None:
    value = exponential(positive=(-1080, [0, 0, 0, 0, 0, 0, 0, 3]))
    bounds, counts = buckets(value)
    assert (bounds[-1], sum(counts)) == (2.0**-1072, 3)


@pytest.mark.parametrize("counted", [[MOST, 1], [MOST - 1, MOST - 1, MOST - 1, MOST - 1], [MOST - 1] * 3_000])
def test_more_observations_than_can_be_counted_leave_count_and_sum(counted: list[int]) -> None:
    assert left_out(exponential(10, positive=(0, counted)))
    assert left_out(exponential(10, negative=(0, counted)))
    if len(counted) < 100:
        assert left_out(explicit([float(i) for i in range(len(counted) - 1)], counted))


def test_as_many_observations_as_can_be_counted_are_all_there() -> None:
    value = exponential(positive=(0, [MOST - 2, 1]), zero_count=1)
    assert sum(buckets(value)[1]) == MOST
    assert sum(buckets(explicit([1.0], [MOST - 1, 1]))[1]) == MOST
    assert left_out(exponential(positive=(0, [MOST - 2, 1]), zero_count=2))


def test_merged_buckets_hold_the_sum_of_theirs() -> None:
    value = exponential(8, positive=(0, [1 << 50] * 3_000))
    bounds, counts = buckets(value)
    assert sum(counts) == 3_000 << 50
    assert min(counts) >= 0
    assert math.isfinite(bounds[-1])


def test_a_record_of_more_than_a_million_buckets_is_a_dead_letter_and_its_neighbours_are_not() -> None:
    values = []
    for times in (1, 1_001):
        request, metrics = metrics_request()
        points = metrics.add(name="e").exponential_histogram.data_points
        for n in range(times):
            points.add(time_unix_nano=(NOON_US + n) * 1000).positive.bucket_counts.extend([1] * 1_000)
        values.append(bytes(request.SerializeToString()))
    events, faults, _ = decoded([values[0], values[1], values[0]])
    assert [(fault.record, fault.error_class) for fault in faults] == [(1, "too_large")]
    assert "1,000,000 numbers, buckets" in faults[0].message
    assert events.record.tolist() == [0, 2]
