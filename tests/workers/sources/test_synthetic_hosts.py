"""Synthetic machines: the base metrics by name, counters that only grow, and strains that show."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from models.features.host import BASE
from schemas.columns import COUNTER, Events
from schemas.events import events_to_dicts
from workers.sources.columns import concat
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import MINUTE, Plan
from workers.sources.synthetic.truth import HOST_KINDS, schedule

DAY_OF_HOSTS = Plan(profile="host", days=1, interval=MINUTE, entities=3, anomaly_rate=0.05, episode=(3, 12), seed=2)


@cache
def _events() -> Events:
    return concat(list(generate(schedule(DAY_OF_HOSTS))))


def _metric(name: str) -> NDArray[np.float64]:
    """(hosts, samples) of one metric."""
    events = _events()
    chosen = events.metric_name.codes == list(events.metric_name.values).index(name)
    rows, values = events.metric_row[chosen], events.metric_value[chosen]
    order = np.lexsort((events.time[rows], events.entity.codes[rows]))
    metric: NDArray[np.float64] = values[order].reshape(DAY_OF_HOSTS.entities, DAY_OF_HOSTS.intervals)
    return metric


def test_a_sample_carries_every_base_metric_and_nothing_else() -> None:
    assert set(_events().metric_name.values) == {feature.name for feature in BASE}


def test_every_host_is_sampled_once_an_interval_in_time_order() -> None:
    events = _events()
    assert np.all(np.diff(events.time) >= 0)
    cells = events.entity.codes * DAY_OF_HOSTS.intervals + (events.time - DAY_OF_HOSTS.start) // DAY_OF_HOSTS.interval
    assert np.array_equal(np.sort(cells), np.arange(DAY_OF_HOSTS.entities * DAY_OF_HOSTS.intervals))


def test_counters_are_marked_and_never_fall() -> None:
    events = _events()
    marked = {events.metric_name.values[code] for code in events.metric_name.codes[events.metric_type == COUNTER]}
    assert "network_receive_bytes" in marked
    assert "cpu_ratio" not in marked
    for name in marked:
        assert np.all(np.diff(_metric(name), axis=1) >= 0), name


def test_ratios_stay_between_0_and_1() -> None:
    for name in [feature.name for feature in BASE if feature.unit == "ratio"]:
        values = _metric(name)
        assert values.min() >= 0, name
        assert values.max() <= 1, name


def test_the_day_has_a_rhythm() -> None:
    cpu = _metric("cpu_ratio")
    normal = ~schedule(DAY_OF_HOSTS).anomalous()
    day, night = np.s_[:, 10 * 60 : 16 * 60], np.s_[:, 0 : 6 * 60]
    assert cpu[day][normal[day]].mean() > 1.5 * cpu[night][normal[night]].mean()


@pytest.mark.parametrize(
    ("kind", "metric", "factor"),
    [
        ("cpu", "cpu_ratio", 2.0),
        ("memory", "memory_used_ratio", 1.2),
        ("disk", "disk_busy_ratio", 3.0),
        ("network", "connections", 2.0),
        ("processes", "process_new", 3.0),
    ],
)
def test_each_kind_strains_what_it_is_named_after(kind: str, metric: str, factor: float) -> None:
    truth, values = schedule(DAY_OF_HOSTS), _metric(metric)
    normal = ~truth.anomalous()
    rows = np.flatnonzero(truth.kind == HOST_KINDS.index(kind))
    assert len(rows)
    for row in rows:
        entity = truth.entity[row]
        usual = np.median(values[entity][normal[entity]])
        assert values[entity, truth.last[row]] > factor * usual


def test_the_same_seed_gives_the_same_samples() -> None:
    again = concat(list(generate(schedule(DAY_OF_HOSTS))))
    assert events_to_dicts(again) == events_to_dicts(_events())
