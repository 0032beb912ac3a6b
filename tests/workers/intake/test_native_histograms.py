"""Native histograms of remote-write: every bucket is in the distribution, as what it is, or the reason is told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.prometheus_proto import WriteRequest
from tests.support.write_requests import labels, message, request, series
from tests.workers.intake.native_oracle import CUSTOM, GAUGE, NOON_MS, buckets_of, histogram, histograms, put_buckets
from tests.workers.intake.test_intake_stage import decoded, intake, step
from tests.workers.intake.test_remote_write import JOB, STALE, read, real
from workers.windows.quantiles import increase, quantile

STAGE = intake()


def sent(*some: Any, name: str = "took_seconds", job: str = "shop") -> bytes:
    """A request of one series with these histograms."""
    found = WriteRequest()
    one = found.timeseries.add()
    for label, text in (("__name__", name), ("job", job), ("path", "/x")):
        one.labels.add(name=label, value=text)
    one.histograms.extend(some)
    return request([found.SerializeToString()])


def distribution(one: Any) -> dict[str, Any]:
    """The only distribution of the only event that comes out of the intake stage."""
    (chunk,) = step([sent(one)], STAGE)
    assert [(letter.error_class, letter.message) for letter in chunk.dead] == []
    (event,) = decoded(chunk.outputs)
    (found,) = event["distributions"]
    assert found["name"] == "took_seconds{path=/x}"
    return {"type": "delta", **found}


def told(one: Any) -> str:
    (chunk,) = step([sent(one)], STAGE)
    (letter,) = chunk.dead
    return f"{letter.error_class}: {letter.message}"


def test_the_buckets_of_an_integer_histogram_are_a_cumulative_distribution() -> None:
    one = histogram(count_int=10, sum=4.5, schema=0, zero_threshold=0.001, zero_count_int=1)
    put_buckets(one, "positive", {-2: 2, -1: 3, 2: 4})
    assert distribution(one) == {
        "name": "took_seconds{path=/x}",
        "type": "counter",
        "bounds": [0.001, 0.125, 0.25, 0.5, 2.0, 4.0],
        "counts": [1, 0, 2, 3, 0, 4, 0],
    }


def test_buckets_below_zero_and_the_zero_bucket_between_are_kept() -> None:
    one = histogram(count_int=9, sum=0.0, schema=1, zero_threshold=0.25, zero_count_int=4)
    put_buckets(one, "negative", {2: 2, 4: 1})
    put_buckets(one, "positive", {2: 2})
    found = distribution(one)
    assert found["bounds"] == [-4.0, -(2.0**1.5), -2.0, -(2.0**0.5), -0.25, 0.25, 2.0**0.5, 2.0]
    assert found["counts"] == [0, 1, 0, 2, 0, 4, 0, 2, 0]


def test_observations_in_a_zero_bucket_wider_than_the_others_are_all_there() -> None:
    one = histogram(count_int=12, sum=0.0, schema=0, zero_threshold=3.0, zero_count_int=5)
    put_buckets(one, "negative", {0: 1, 3: 1})
    put_buckets(one, "positive", {1: 2, 2: 3})
    found = distribution(one)
    assert (found["bounds"], found["counts"]) == ([-8.0, -4.0, -1.0, -0.5, 3.0, 4.0], [0, 1, 0, 1, 7, 3, 0])


def test_custom_buckets_are_between_the_bounds_that_are_sent() -> None:
    one = histogram(count_int=10, sum=4.5, schema=CUSTOM, custom_values=[-1.0, 0.1, 0.5, 2.5])
    put_buckets(one, "positive", {0: 1, 1: 2, 4: 7})
    found = distribution(one)
    assert (found["bounds"], found["counts"]) == ([-1.0, 0.1, 2.5], [1, 2, 0, 7])


def test_a_gauge_histogram_says_what_is_in_its_buckets_now() -> None:
    one = histogram(count_int=3, sum=4.5, schema=0, reset_hint=GAUGE)
    put_buckets(one, "positive", {1: 3})
    assert distribution(one)["type"] == "delta"


def test_parts_of_observations_keep_their_share_in_a_gauge_and_are_rounded_in_a_counter() -> None:
    one = histogram(count_float=0.08, sum=0.1, schema=0, reset_hint=GAUGE)
    put_buckets(one, "positive", {0: 0.02, 1: 0.06}, is_float=True)
    found = distribution(one)
    assert found["bounds"] == [0.5, 1.0, 2.0]
    assert found["counts"][2] / found["counts"][1] == pytest.approx(3.0, rel=1e-9)
    one.reset_hint = 0
    one.positive_counts[:] = [7.6, 2.4]
    assert distribution(one)["counts"] == [0, 8, 2, 0]


def test_a_histogram_without_observations_is_where_the_next_one_begins() -> None:
    found = distribution(histogram(count_int=0, sum=0.0, schema=3))
    assert (found["bounds"], found["counts"]) == ([], [0])


@settings(max_examples=150, deadline=None)
@given(histograms())
def test_every_bucket_that_prometheus_means_is_one_bucket_of_the_distribution(one: Any) -> None:
    found = distribution(one)
    bounds, counts = found["bounds"], found["counts"]
    assert found["type"] == ("delta" if one.reset_hint == GAUGE else "counter")
    edges = [-math.inf, *bounds, math.inf]
    left = list(counts)
    for low, high, count in buckets_of(one):
        left[next(i for i in range(len(counts)) if edges[i] <= low and high <= edges[i + 1])] -= count
    assert left == [0] * len(counts)
    assert len(bounds) == len(counts) - 1


@pytest.mark.parametrize("schema", [8, 20, 30])
def test_more_buckets_than_an_event_may_carry_are_merged_pair_by_pair(schema: int) -> None:
    buckets = {place * 3: 1 + place % 5 for place in range(-2_000, 2_000)}
    one = histogram(count_int=sum(buckets.values()), sum=1.0, schema=schema)
    put_buckets(one, "positive", buckets)
    put_buckets(one, "negative", buckets)
    found = distribution(one)
    assert 200 < len(found["counts"]) <= 1_024
    edges = [-math.inf, *found["bounds"], math.inf]
    left = list(found["counts"])
    for low, high, count in buckets_of(one):
        left[next(i for i in range(len(left)) if edges[i] <= low and high <= edges[i + 1])] -= count
    assert left == [0] * len(left)


def test_buckets_as_far_apart_as_can_be_take_no_memory_between_them() -> None:
    one = histogram(count_int=3, sum=1.0, schema=8)
    put_buckets(one, "positive", {-(1 << 30): 1, 0: 1, (1 << 31) - 1: 1})
    found = distribution(one)
    assert (found["bounds"], found["counts"]) == ([0.0, 2.0**-0.00390625, 1.0], [1, 0, 1, 1])


def test_what_came_between_two_readings_is_found_by_windows_though_buckets_were_added_between() -> None:
    first = histogram(count_int=9, sum=1.0, schema=2, zero_threshold=2.0**-128, zero_count_int=1)
    put_buckets(first, "positive", {-8: 3, 8: 5})
    second = histogram(count_int=19, sum=1.0, schema=2, zero_threshold=2.0**-128, zero_count_int=2)
    put_buckets(second, "positive", {-8: 3, -7: 1, 0: 4, 8: 9})
    old, new = ({k: np.array(d[k]) for k in ("bounds", "counts")} for d in map(distribution, (first, second)))
    came = increase(old["bounds"].astype(float), old["counts"], new["bounds"].astype(float), new["counts"])
    assert came.sum() == 10
    assert quantile(new["bounds"].astype(float), came, 0.5) == pytest.approx(2.0**-0.25 + 0.75 * (1 - 2.0**-0.25))


def test_of_a_hundred_histograms_of_one_moment_no_event_is_too_large() -> None:
    found = WriteRequest()
    for n in range(100):
        one = found.timeseries.add()
        for label, text in (("__name__", f"h{n}"), *JOB.items()):
            one.labels.add(name=label, value=text)
        made = histogram(count_int=500, sum=1.0, schema=8)
        put_buckets(made, "positive", dict.fromkeys(range(0, 1_000, 2), 1))
        one.histograms.append(made)
    (chunk,) = step([request([found.SerializeToString()])], STAGE)
    events = decoded(chunk.outputs)
    assert not chunk.dead
    assert sum(len(event["distributions"]) for event in events) == 100
    assert sum(len(event["metrics"]) for event in events) == 200
    assert len(events) > 10


def test_what_prometheus_sent_of_a_native_histogram_is_its_distribution() -> None:
    (event,), _, _ = read(real("native"))
    (found,) = event["distributions"]
    assert (found["name"], found["type"], sum(found["counts"])) == ("request_seconds", "counter", 19)
    (event,), _, _ = read(real("native_stale"))
    assert "distributions" not in event


def test_a_stale_marker_has_no_buckets_and_a_sum_that_is_no_number_takes_none_away() -> None:
    marker = histogram(schema=0)
    marker.sum = STALE
    (chunk,) = step([sent(marker)], STAGE)
    assert (chunk.counts["skipped"], chunk.counts["remote_write_stale"]) == (1, 2)
    one = histogram(count_int=3, sum=math.nan, schema=0)
    put_buckets(one, "positive", {1: 3})
    assert distribution(one)["counts"] == [0, 3, 0]
    floats = histogram(count_float=math.nan, sum=math.nan, schema=0)
    put_buckets(floats, "positive", {1: 3.0}, is_float=True)
    _, faults, counts = read(sent(floats))
    assert (faults, counts["remote_write_without_buckets"]) == ([], 1)


@pytest.mark.parametrize("schema", [-54, -52, -10, 53, 1 << 30])
def test_a_schema_of_which_nobody_knows_leaves_count_and_sum(schema: int) -> None:
    one = histogram(count_int=3, sum=1.5, schema=schema)
    put_buckets(one, "positive", {1: 3})
    (event,), faults, counts = read(sent(one))
    assert (faults, counts) == ([], {"remote_write_points": 2, "remote_write_without_buckets": 1})
    assert set(event["metrics"]) == {"took_seconds_count{path=/x}", "took_seconds_sum{path=/x}"}


def _wrong(**fields: Any) -> Any:
    one = histogram(**{"count_int": 3, "sum": 1.5, "schema": 0, **fields})
    if "positive_deltas" not in fields and "positive_counts" not in fields:
        put_buckets(one, "positive", {1: 3})
    return one


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"positive_deltas": [1]}, "spans that do not fit"),
        ({"positive_spans": [{"length": 2}], "positive_deltas": [1]}, "spans that do not fit"),
        ({"positive_spans": [{"length": 1}], "positive_deltas": [1, 1]}, "spans that do not fit"),
        ({"positive_spans": [{"length": (1 << 32) - 1}], "positive_deltas": [1]}, "spans that do not fit"),
        ({"positive_spans": [{"length": 2}], "positive_deltas": [1, -2]}, "must not be negative"),
        ({"positive_spans": [{"length": 2}], "positive_deltas": [(1 << 63) - 1, 1]}, "must not be negative"),
        ({"positive_spans": [{"length": 1}, {"offset": -1, "length": 1}], "positive_deltas": [1, 0]}, "must ascend"),
        ({"positive_spans": [{"length": 1}], "positive_counts": [-1.0], "count_float": 1.0}, "must not be negative"),
        ({"positive_spans": [{"length": 1}], "positive_counts": [math.nan], "count_float": 1.0}, "a finite number"),
        ({"zero_threshold": -1.0}, "no double can bound"),
        ({"zero_threshold": math.inf}, "no double can bound"),
        ({"schema": CUSTOM, "custom_values": []}, "spans that do not fit"),
        ({"schema": CUSTOM, "custom_values": [2.0, 1.0]}, "must ascend"),
        ({"schema": CUSTOM, "custom_values": [1.0, math.inf]}, "a finite number"),
    ],
)
def test_a_histogram_that_cannot_be_is_a_dead_letter_with_the_reason(fields: dict[str, Any], said: str) -> None:
    if "count_float" in fields:
        fields = {"count_int": None, **fields}
    why = told(_wrong(**fields))
    assert why.startswith("invalid: a histogram: ")
    assert said in why


def test_a_dead_letter_takes_its_neighbours_buckets_with_it_and_no_others() -> None:
    good = histogram(count_int=3, sum=1.5, schema=0)
    put_buckets(good, "positive", {1: 3})
    bad = histogram(count_int=3, sum=1.5, schema=0, positive_deltas=[1])
    found, faults, _ = read(sent(good, job="a"), sent(good, bad, job="b"), sent(good, job="c"))
    assert [fault.record for fault in faults] == [1]
    assert [(event["entity"], event["distributions"][0]["counts"]) for event in found] == [
        ("a", [0, 3, 0]),
        ("c", [0, 3, 0]),
    ]


def test_more_observations_than_can_be_counted_leave_count_and_sum() -> None:
    one = histogram(count_int=3, sum=1.5, schema=0)
    put_buckets(one, "positive", {1: (1 << 62) - 1, 2: (1 << 62) - 1, 3: 5})
    _, faults, counts = read(sent(one))
    assert (faults, counts["remote_write_without_buckets"]) == ([], 1)
    huge = histogram(count_float=1e300, sum=1.5, schema=0)
    put_buckets(huge, "positive", {1: 1e300}, is_float=True)
    _, faults, counts = read(sent(huge))
    assert (faults, counts["remote_write_without_buckets"]) == ([], 1)


def test_too_many_buckets_to_be_meant_are_a_dead_letter() -> None:
    one = histogram(count_int=3, sum=1.5, schema=0)
    one.positive_spans.add(length=1 << 17)
    one.positive_deltas.extend([0] * (1 << 17))
    assert "too_large: a histogram: more entries than the limit" in told(one)


def repeated(times: int) -> bytes:
    """A request of so many readings of one histogram of a thousand buckets, of which next to nothing is left packed."""
    one = histogram(count_int=1_000, sum=1.0, schema=8)
    put_buckets(one, "positive", dict.fromkeys(range(1_000), 1))
    content = message(4, one.SerializeToString()) * times
    return request([message(1, labels({"__name__": "h", **JOB}) + content)])


def test_a_request_of_more_than_a_million_buckets_is_a_dead_letter_and_its_neighbours_are_not() -> None:
    value = repeated(1_001)
    assert len(value) < 100_000
    found, faults, _ = read(sent(histogram(count_int=3, sum=1.5, schema=0)), value, repeated(3))
    assert [(fault.record, fault.error_class) for fault in faults] == [(1, "too_large")]
    assert "1,000,000 numbers, buckets" in faults[0].message
    assert sum(len(event.get("distributions", ())) for event in found) == 1 + 3


def test_requests_that_hold_much_are_taken_a_few_at_a_time() -> None:
    value = repeated(900)
    chunks = step([value] * 12, STAGE)
    assert [chunk.done for chunk in chunks] == [5, 10, 12]
    assert [chunk.dead for chunk in chunks] == [[], [], []]
    assert sum(chunk.counts["processed"] for chunk in chunks) == 12


@settings(max_examples=100, deadline=None)
@given(histograms(), st.data())
def test_damaged_histograms_end_no_worker(one: Any, data: st.DataObject) -> None:
    encoded = bytearray(one.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    whole = series({"__name__": "up", **JOB}, (1.0, NOON_MS))
    damaged = message(1, labels({"__name__": "h", "job": "shop"}) + message(4, bytes(encoded)))
    (chunk,) = step([request([whole, damaged])], STAGE)
    assert chunk.counts["processed"] + chunk.counts["dead"] == 1
    for event in decoded(chunk.outputs):
        for found in event.get("distributions", ()):
            assert min(found["counts"]) >= 0
