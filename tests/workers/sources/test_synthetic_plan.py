"""The truth of synthetic data: where anomalies lie, how many of each kind, and that wishes are checked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.sources.synthetic.plan import DAY, MINUTE, MONDAY, Plan
from workers.sources.synthetic.truth import HOST_KINDS, SERVICE_KINDS, schedule

plans = st.builds(
    Plan,
    days=st.floats(0.5, 20),
    entities=st.integers(1, 6),
    anomaly_rate=st.floats(0, 0.5),
    episode=st.tuples(st.integers(1, 6), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    seed=st.integers(0, 2**31),
)


@given(plans)
@settings(max_examples=150, deadline=None)
def test_episodes_lie_inside_the_data_and_never_overlap(plan: Plan) -> None:
    truth = schedule(plan)
    for entity in range(plan.entities):
        mine = truth.entity == entity
        first, last = truth.first[mine], truth.last[mine]
        assert np.all(first >= 0)
        assert np.all(last < plan.intervals)
        assert np.all(first[1:] > last[:-1])


@given(plans)
@settings(max_examples=150, deadline=None)
def test_every_episode_lasts_as_long_as_wished(plan: Plan) -> None:
    truth = schedule(plan)
    lengths = truth.last - truth.first + 1
    assert np.all((lengths >= plan.episode[0]) & (lengths <= plan.episode[1]))


@given(plans)
@settings(max_examples=150, deadline=None)
def test_kinds_come_in_equal_parts(plan: Plan) -> None:
    counts = np.bincount(schedule(plan).kind, minlength=len(SERVICE_KINDS))
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize(("rate", "episode"), [(0.05, (1, 1)), (0.1, (1, 1)), (0.05, (3, 12)), (0.3, (2, 5))])
def test_the_wished_share_of_every_entitys_intervals_is_anomalous(rate: float, episode: tuple[int, int]) -> None:
    plan = Plan(days=7, entities=3, anomaly_rate=rate, episode=episode, seed=4)
    shares = schedule(plan).anomalous().mean(axis=1)
    assert shares == pytest.approx([rate] * 3, abs=0.5 / plan.intervals + 1e-9)


def test_long_episodes_leave_each_other_time_to_be_over() -> None:
    plan = Plan(days=1, entities=5, anomaly_rate=0.1, episode=(3, 12), seed=9)
    truth = schedule(plan)
    for entity in range(plan.entities):
        mine = truth.entity == entity
        assert np.all(truth.first[mine][1:] - truth.last[mine][:-1] > 12)


def test_effects_keep_to_the_stated_strengths() -> None:
    truth = schedule(Plan(days=30, entities=4, anomaly_rate=0.2, seed=3))
    errors, latency, traffic = (truth.effects[name] for name in ("error_rate", "latency", "traffic"))
    kind = np.array(SERVICE_KINDS)[truth.kind]
    assert np.all((errors[kind == "error_rate"] >= 0.05) & (errors[kind == "error_rate"] <= 0.25))
    assert np.all((latency[kind == "latency"] >= 3) & (latency[kind == "latency"] <= 10))
    assert np.all((traffic[kind == "traffic_spike"] >= 5) & (traffic[kind == "traffic_spike"] <= 20))
    assert np.all((traffic[kind == "traffic_drop"] >= 0.05) & (traffic[kind == "traffic_drop"] <= 0.20))


def test_a_single_kind_touches_nothing_else_and_a_combined_one_at_least_two_things() -> None:
    truth = schedule(Plan(days=30, entities=4, anomaly_rate=0.2, seed=3))
    touched = np.stack(
        [~np.isnan(truth.effects["error_rate"]), truth.effects["latency"] != 1, truth.effects["traffic"] != 1]
    ).sum(axis=0)
    combined = truth.kind == SERVICE_KINDS.index("combined")
    assert np.all(touched[~combined] == 1)
    assert set(touched[combined]) == {2, 3}


def test_host_plans_have_kinds_of_their_own() -> None:
    truth = schedule(Plan(profile="host", days=2, interval=MINUTE, seed=1))
    assert {row["kind"] for row in truth.rows()} == set(HOST_KINDS)
    assert {row["entity"] for row in truth.rows()} == {"host-01"}


def test_truth_rows_name_entity_kind_and_a_half_open_span() -> None:
    plan = Plan(days=1, entities=2, seed=5)
    for row, first, last in zip(schedule(plan).rows(), schedule(plan).first, schedule(plan).last, strict=True):
        assert row["entity"] in plan.names
        assert row["kind"] in SERVICE_KINDS
        assert row["start"] == MONDAY + first * plan.interval
        assert row["end"] == MONDAY + (last + 1) * plan.interval


def test_names_are_distinct_however_many_entities_there_are() -> None:
    assert len(set(Plan(entities=40).names)) == 40
    assert len(set(Plan(profile="host", entities=120).names)) == 120


@pytest.mark.parametrize(
    "wish",
    [
        {"days": 0},
        {"entities": 0},
        {"anomaly_rate": 0.7},
        {"anomaly_rate": -0.1},
        {"episode": (3, 2)},
        {"episode": (0, 2)},
        {"volume": 0},
        {"seed": -1},
        {"interval": 2 * DAY, "days": 1},
        {"timezone": "Mars/Olympus"},
    ],
)
def test_impossible_wishes_are_refused(wish: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        Plan(**wish)  # type: ignore[arg-type]
