"""What people know about metrics: which deviations do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features.generic import generic_names
from models.features.host import HOST
from models.knowledge import BY_NAME, Knowledge, Rule
from models.naming import naming

NAMES = ("cpu", "cpu__mean_5", "cpu__std_5", "in_errors", "in_errors__delta", "time__hour")
CPU, CPU_MEAN, CPU_STD, ERRORS, ERRORS_STEP, HOUR = range(6)
USUAL = np.array([[50.0, 50.0, 1.0, 4.0, 0.0, 12.0]])


def left_out(rules: list[Rule], row: list[float], entity: str = "host-1", events: int = 1) -> set[int]:
    """The features of one vector that are to be taken as missing."""
    mask = Knowledge(rules).harmless(naming(NAMES), [entity], np.array([row]), USUAL, np.array([events]))
    return set() if mask is None else set(np.flatnonzero(mask[0]).tolist())


HIGH, LOW = [60.0, 55.0, 9.0, 4.0, 0.0, 12.0], [40.0, 45.0, 9.0, 4.0, 0.0, 12.0]
WHOLE_CPU = {CPU, CPU_MEAN, CPU_STD}


@pytest.mark.parametrize(
    ("rule", "row", "expected"),
    [
        (Rule("cpu", direction="up"), HIGH, set()),
        (Rule("cpu", direction="up"), LOW, WHOLE_CPU),
        (Rule("cpu", direction="down"), HIGH, WHOLE_CPU),
        (Rule("cpu", direction="both"), LOW, set()),
        (Rule("c*", least=11.0), HIGH, WHOLE_CPU),
        (Rule("c*", least=10.0), HIGH, set()),
        (Rule("cpu", least_ratio=0.25), LOW, WHOLE_CPU),
        (Rule("cpu", least_ratio=0.2), LOW, set()),
        (Rule("cpu", least_events=2), HIGH, WHOLE_CPU),
        (Rule("cpu", entity="db-*", direction="down"), HIGH, set()),
        (Rule("cpu", entity="host-[12]", direction="down"), HIGH, WHOLE_CPU),
        (Rule("memory", direction="down"), HIGH, set()),
    ],
)
def test_a_metric_is_left_out_with_all_its_features_where_its_deviation_does_not_matter(
    rule: Rule, row: list[float], expected: set[int]
) -> None:
    assert left_out([rule], row) == expected


def test_later_rules_override_earlier_ones_field_by_field() -> None:
    rules = [Rule("cpu", direction="down", least=1.0), Rule("cpu", direction="up")]
    assert left_out(rules, HIGH) == set()
    assert left_out(rules, LOW) == WHOLE_CPU
    barely = [50.5, 50.0, 1.0, 4.0, 0.0, 12.0]
    assert left_out(rules, barely) == WHOLE_CPU  # `least` of the first rule still holds


@pytest.mark.parametrize(
    ("metric", "usual", "harmless", "trouble"),
    [
        ("cpu_ratio", 0.3, 0.39, 0.45),
        ("disk_busy_ratio", 0.05, 0.14, 0.3),
        ("memory_used_ratio", 0.5, 0.52, 0.6),
        ("load_1", 1.0, 2.5, 4.0),
        ("disk_write_bytes", 1e8, 3.9e8, 4.1e8),
        ("disk_read_bytes", 0.0, 4e6, 5e6),
        ("network_transmit_bytes", 1e8, 0.2e8, 0.0),
        ("network_receive_packets", 1e5, 1.5e5, 1.7e5),
        ("process_count", 200.0, 215.0, 250.0),
        ("connections", 12.0, 25.0, 40.0),
    ],
)
def test_a_machine_that_does_a_little_more_than_usual_is_in_no_trouble(
    metric: str, usual: float, harmless: float, trouble: float
) -> None:
    names = naming(HOST.names)
    at = HOST.names.index(metric)
    expected = np.full((1, len(HOST.names)), np.nan)
    expected[0, at] = usual
    values = expected.copy()
    values[0, at] = harmless
    mask = Knowledge().harmless(names, ["vm"], values, expected, np.ones(1, np.int64))
    assert mask is not None
    assert {HOST.names[i].partition("__")[0] for i in np.flatnonzero(mask[0])} == {metric}
    values[0, at] = trouble
    assert Knowledge().harmless(names, ["vm"], values, expected, np.ones(1, np.int64)) is None


def test_what_machines_are_known_for_is_not_said_of_others_metrics() -> None:
    names = naming(generic_names(("load_1", "queue")))
    expected = np.ones((1, len(names.names)))
    assert Knowledge().harmless(names, ["vm"], 1.5 * expected, expected, np.ones(1, np.int64)) is None


def test_a_missing_value_is_no_reason_to_leave_its_metric_out() -> None:
    assert left_out([Rule("cpu", direction="up")], [np.nan, 45.0, 9.0, 4.0, 0.0, 12.0]) == set()


def test_by_name_errors_matter_when_they_become_more() -> None:
    fewer, more = [50.0, 50.0, 1.0, 0.0, -4.0, 12.0], [50.0, 50.0, 1.0, 9.0, 5.0, 12.0]
    assert left_out(list(BY_NAME), fewer) == {ERRORS, ERRORS_STEP}
    assert left_out(list(BY_NAME), more) == set()


def test_of_a_service_each_latency_is_judged_by_itself_and_what_is_derived_goes_with_the_last() -> None:
    names = ("events_count", "events_z_24h", "latency_p50_ms", "latency_p99_ms", "latency_std_ms", "panes_count_1m")
    usual = np.array([[100.0, 0.0, 20.0, 90.0, 5.0, 6.0]])
    rows = np.array([[100.0, 0.0, 10.0, 400.0, 50.0, 6.0], [100.0, 0.0, 10.0, 80.0, 50.0, 6.0]])
    mask = Knowledge().harmless(naming(names), ["api"] * 2, rows, np.repeat(usual, 2, axis=0), np.array([100, 100]))
    assert mask is not None
    assert np.flatnonzero(mask[0]).tolist() == [2]  # p99 is further out
    assert np.flatnonzero(mask[1]).tolist() == [2, 3, 4]


def test_of_a_service_a_share_matters_by_more_than_one_event_of_its_own_window() -> None:
    names = ("events_count", "events_z_24h", "errors_ratio", "events_count_1m", "errors_ratio_1m", "latency_p50_ms_1m")
    usual = np.array([[2.0, 0.0, 0.01, 10.0, 0.01, 20.0]])
    rows = np.array(
        [
            [1.0, 0.0, 1.0, 12.0, 1 / 12, 90.0],  # one failure
            [2.0, 0.0, 1.0, 12.0, 2 / 12, 90.0],  # two, in one pane
            [0.0, 0.0, np.nan, 3.0, 2 / 3, 90.0],  # two, in another pane
        ]
    )
    mask = Knowledge().harmless(naming(names), ["api"] * 3, rows, np.repeat(usual, 3, axis=0), np.array([1, 2, 0]))
    assert mask is not None
    assert [np.flatnonzero(row).tolist() for row in mask] == [[2, 4], [], []]
    known = Knowledge([Rule("latency", least_events=10), Rule("errors", least_events=5)])
    mask = known.harmless(naming(names), ["api"] * 3, rows, np.repeat(usual, 3, axis=0), np.array([1, 2, 0]))
    assert mask is not None
    assert [np.flatnonzero(row).tolist() for row in mask] == [[2], [2], [2, 4, 5]], "a minute has more than its pane"


def test_a_number_of_errors_that_is_no_share_of_requests_is_not_counted_in_events() -> None:
    names = naming(generic_names(("errors", "queue")))
    expected = np.full((1, len(names.names)), 0.1)
    assert Knowledge().harmless(names, ["job"], 10 * expected, expected, np.ones(1, np.int64)) is None


@given(st.lists(st.sampled_from(["host-1", "host-2", "db-1"]), min_size=1, max_size=8), st.data())
def test_a_row_is_judged_alike_alone_and_in_company(entities: list[str], data: st.DataObject) -> None:
    numbers = st.floats(-100, 100) | st.just(np.nan)
    rows = np.array([[data.draw(numbers) for _ in NAMES] for _ in entities])
    knowledge = Knowledge([*BY_NAME, Rule("cpu", entity="db-*", least=5.0), Rule("*", entity="host-2", least_events=3)])
    events = np.array([data.draw(st.integers(0, 5)) for _ in entities])
    usual = np.repeat(USUAL, len(entities), axis=0)
    together = knowledge.harmless(naming(NAMES), entities, rows, usual, events)
    for i in range(len(entities)):
        alone = knowledge.harmless(naming(NAMES), entities[i : i + 1], rows[i : i + 1], USUAL, events[i : i + 1])
        mine = np.zeros(len(NAMES), bool) if together is None else together[i]
        assert (np.zeros(len(NAMES), bool) if alone is None else alone[0]).tolist() == mine.tolist()


def test_limits_are_the_last_that_were_stated_for_the_entity() -> None:
    knowledge = Knowledge([Rule("temperature", valid=(-40.0, 125.0)), Rule("temp*", entity="oven", valid=(0.0, 400.0))])
    assert knowledge.limits("oven", "temperature") == (0.0, 400.0)
    assert knowledge.limits("rack", "temperature") == (-40.0, 125.0)
    assert knowledge.limits("rack", "cpu") is None
