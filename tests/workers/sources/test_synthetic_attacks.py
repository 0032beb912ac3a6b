"""Simulated attacks: each shows where it is said to, nothing else is touched, and equal seeds give equal bytes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.events import encode_events
from workers.sources.columns import concat
from workers.sources.synthetic.attacks import ATTACKS, shown_by
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import MINUTE, Plan
from workers.sources.synthetic.truth import Truth, schedule

DAYS = Plan(
    profile="host", days=2, interval=MINUTE, entities=2, anomaly_rate=0.1, episode=(20, 40), seed=5,
    attacks=tuple(ATTACKS),
)  # fmt: skip


@cache
def _truth() -> Truth:
    return schedule(DAYS)


@cache
def _events(plan: Plan) -> Events:
    return concat(list(generate(schedule(plan))))


def _metric(name: str, plan: Plan = DAYS) -> NDArray[np.float64]:
    """(hosts, samples); of counters the increases."""
    events = _events(plan)
    chosen = events.metric_name.codes == list(events.metric_name.values).index(name)
    rows, values = events.metric_row[chosen], events.metric_value[chosen]
    order = np.lexsort((events.time[rows], events.entity.codes[rows]))
    metric: NDArray[np.float64] = values[order].reshape(plan.entities, plan.intervals)
    counter = bool(events.metric_type[chosen][0])
    return np.diff(metric, axis=1, prepend=np.nan) if counter else metric


@pytest.mark.parametrize(
    ("kind", "metric", "factor"),
    [
        ("cpu_burn", "cpu_ratio", 1.8),
        ("cpu_burn", "process_top5_cpu_ratio", 1.8),
        ("fork_storm", "process_count", 1.5),
        ("fork_storm", "process_new", 10),
        ("log_flood", "disk_write_bytes", 5),
        ("port_scan", "connections", 1.3),
        ("port_scan", "network_transmit_packets", 1.5),
        ("exfiltration", "network_transmit_bytes", 4),
        ("ransomware", "disk_busy_ratio", 3),
        ("ransomware", "disk_read_bytes", 10),
        ("slow_leak", "memory_used_ratio", 1.3),
    ],
)
def test_each_attack_shows_where_it_is_said_to(kind: str, metric: str, factor: float) -> None:
    truth, values = _truth(), _metric(metric)
    normal = ~truth.anomalous()
    rows = np.flatnonzero(truth.kind == list(ATTACKS).index(kind))
    assert len(rows)
    for row in rows:
        entity = truth.entity[row]
        usual = np.nanmedian(values[entity][normal[entity]])
        assert values[entity, truth.last[row]] > factor * usual


def test_a_fork_storm_makes_names_less_varied() -> None:
    truth, entropy = _truth(), _metric("process_name_entropy")
    for row in np.flatnonzero(truth.kind == list(ATTACKS).index("fork_storm")):
        assert entropy[truth.entity[row], truth.last[row]] < 0.8 * np.median(entropy)


def test_outside_of_attacks_a_machine_is_what_it_would_have_been() -> None:
    quiet = replace(DAYS, anomaly_rate=0.0)
    normal = ~_truth().anomalous()
    for name in ("cpu_ratio", "memory_used_ratio", "disk_busy_ratio", "connections", "process_new", "thread_count"):
        assert np.array_equal(_metric(name)[normal], _metric(name, quiet)[normal]), name


def test_ratios_stay_between_0_and_1_and_memory_adds_up() -> None:
    for name in set(_events(DAYS).metric_name.values):
        if name.endswith("_ratio"):
            values = _metric(name)
            assert values.min() >= 0, name
            assert values.max() <= 1, name
    assert np.array_equal(
        _metric("memory_used_bytes") + _metric("memory_free_bytes"), _metric("memory_total_bytes")
    )  # fmt: skip


def test_the_truth_names_the_technique_of_each_attack() -> None:
    for row in _truth().rows():
        assert row["technique"] == ATTACKS[str(row["kind"])].technique
        assert 0.6 <= float(str(row[str(row["kind"])])) <= 1.0


def test_the_same_seed_gives_the_same_bytes() -> None:
    again = concat(list(generate(schedule(DAYS))))
    assert encode_events(again) == encode_events(_events(DAYS))


def test_a_flood_of_log_lines_is_tenfold_at_least_and_full_of_errors() -> None:
    plan = Plan(profile="log", days=1, anomaly_rate=0.02, episode=(2, 4), seed=1, attacks=("log_flood",))
    truth, events = schedule(plan), _events(plan)
    counts = np.bincount((events.time - plan.start) // plan.interval, minlength=plan.intervals)
    flooded = truth.anomalous()[0]
    assert counts[flooded].min() > 5 * np.median(counts[~flooded])


def test_attacks_are_refused_where_they_do_not_show() -> None:
    assert shown_by("service") == ()
    with pytest.raises(ValueError, match="ransomware does not show in the profile log: take host"):
        Plan(profile="log", attacks=("ransomware",))
    with pytest.raises(ValueError, match="no attack is called ransom; there are cpu_burn"):
        Plan(profile="host", attacks=("ransom",))
