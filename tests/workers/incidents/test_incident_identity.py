"""Fingerprints stay what they are while the pattern does; units and names read as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import stable_id
from tests.workers.incidents.given import contribution, window
from workers.incidents.identity import event_id, fingerprint_id, incident_id, pattern
from workers.incidents.naming import read_metric
from workers.incidents.occurrences import MOST_FINGERPRINTS, Occurrences
from workers.incidents.policy import DAY
from workers.incidents.scores import Contribution
from workers.units import UNITS, duration, quantity, span


def test_ids_are_the_hashes_that_the_contract_names() -> None:
    found = pattern([window(contribution("latency_p99_ms"))])
    assert found == (("latency", "up"),)
    fingerprint = fingerprint_id("checkout", "service", found)
    assert fingerprint == stable_id("checkout", "service", "latency", "up")
    assert incident_id(fingerprint, 5) == stable_id(fingerprint, 5)
    assert event_id("i", 0) == stable_id("i", 0)


def test_quantiles_taking_turns_and_small_companions_are_one_pattern() -> None:
    p99 = window(contribution("latency_p99_ms", 0.7), contribution("error_rate", 0.1))
    p95 = window(contribution("latency_p95_ms", 0.5), contribution("latency_p99_ms", 0.3))
    assert pattern([p99]) == pattern([p95]) == pattern([p99, p95, p95])


def test_another_direction_or_family_is_another_pattern() -> None:
    patterns = {
        pattern([window(contribution("event_count", direction="up"))]),
        pattern([window(contribution("event_count", direction="down"))]),
        pattern([window(contribution("error_rate", direction="up"))]),
        pattern([window(silent=True)]),
        pattern([window()]),
    }
    assert len(patterns) == 5


@given(st.permutations([contribution("latency_ms", 0.4), contribution("cpu_ratio", 0.3), contribution("x", 0.3)]))
def test_the_order_of_contributions_does_not_matter(contributions: list[Contribution]) -> None:
    assert pattern([window(*contributions)]) == (("cpu", "up"), ("latency", "up"), ("x", "up"))


@pytest.mark.parametrize(
    ("metric", "family", "label"),
    [
        ("latency_p99_ms", "latency", "p99 latency"),
        ("latency_ms_p99", "latency", "p99 latency"),
        ("error_rate", "errors", "error rate"),
        ("event_count", "traffic", "number of events"),
        ("http.server.duration_seconds", "latency", "HTTP server duration"),
        ("events_count_1m", "traffic", "number of events over 1 min"),
        ("errors_ratio", "errors", "error rate"),
        ("latency_p95_ms_5m", "latency", "p95 latency over 5 min"),
        ("events_z_24h", "traffic", "z-score of traffic over 24 h"),
        ("cpu_ratio", "cpu", "CPU use"),
        ("cpu_ratio__mean_30", "cpu", "mean CPU use over 30 samples"),
        ("memory_used_bytes", "memory", "memory use"),
        ("network_receive_errors", "network", "network receive errors"),
        ("disk_read_bytes_per_second", "disk", "disk read"),
        ("load_5", "load", "load over 5 min"),
        ("queue_depth", "queue_depth", "queue depth"),
        ("latency_ms_max_5m", "latency", "maximum latency over 5 min"),
        ("x", "x", "x"),
        ("", "", ""),
        ("__", "__", "__"),
    ],
)
def test_a_metric_is_called_as_people_call_it(metric: str, family: str, label: str) -> None:
    read = read_metric(metric)
    assert (read.family, read.label) == (family, label)


@given(st.text(max_size=60))
def test_any_metric_name_can_be_read(name: str) -> None:
    assert read_metric(name) == read_metric(name)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2300.0, "ms", "2.3 s"),
        (230.0, "ms", "230 ms"),
        (0.23, "ms", "230 µs"),
        (95_000.0, "ms", "95 s"),
        (600.0, "s", "10 min"),
        (0.0, "s", "0 ms"),
        (1_536_000.0, "bytes", "1.5 MB"),
        (0.1234, "ratio", "12%"),
        (0.9996, "ratio", "99.9%"),
        (1.0, "ratio", "100%"),
        (0.0042, "ratio", "0.42%"),
        (97.2, "percent", "97%"),
        (1204.0, "count", "1,204"),
        (2_500_000.0, "count", "2.5 million"),
        (-3.0, "celsius", "-3 °C"),
    ],
)
def test_quantities_take_the_unit_that_fits(value: float, unit: str, text: str) -> None:
    assert quantity(value, UNITS[unit]) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (180.0, 420.0, "ms", "180–420 ms"),
        (180.0, 1420.0, "ms", "0.18–1.4 s"),
        (-0.1, 0.02, "ratio", "0–2%"),
        (-10.0, 5.0, "celsius", "-10 to 5 °C"),
        (5.0, 5.0, "s", "about 5 s"),
        (float("-inf"), 5.0, "s", "at most 5 s"),
        (5.0, float("inf"), "s", "at least 5 s"),
    ],
)
def test_ranges_are_written_in_one_unit(low: float, high: float, unit: str, text: str) -> None:
    assert span(low, high, UNITS[unit]) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(UNITS)))
def test_any_number_can_be_written(value: float, unit: str) -> None:
    assert quantity(value, UNITS[unit]).strip()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (3_599, "1 h"),
        (3_900, "1 h 5 min"),
        (86_400, "1 day"),
        (183_600, "2 days 3 h"),
    ],
)
def test_durations_read_as_one_would_say_them(seconds: int, text: str) -> None:
    assert duration(seconds * 1_000_000) == text


def test_openings_are_counted_by_day_and_old_ones_are_forgotten() -> None:
    seen = Occurrences(90)
    assert [seen.open("f", at) for at in (0, 5, DAY, 89 * DAY, 90 * DAY)] == [1, 2, 3, 4, 3]
    assert seen.open("g", 90 * DAY) == 1
    assert seen.next_expiry() == 180 * DAY
    assert not seen.forget(180 * DAY - 1)
    assert seen.forget(180 * DAY)
    assert not seen


def test_patterns_remembered_of_one_entity_are_bounded() -> None:
    seen = Occurrences(90)
    for n in range(MOST_FINGERPRINTS + 50):
        seen.open(f"f{n}", n)
    assert len(seen.dump()) == MOST_FINGERPRINTS
    assert seen.dump()[0][0] == "f50"
    assert Occurrences(90, seen.dump()).dump() == seen.dump()
