"""The host agent on the machine that runs the tests."""

from __future__ import annotations

import math
from itertools import pairwise

import psutil
import pytest

from models.features.host import BASE
from schemas.columns import COUNTER
from schemas.events import events_to_dicts
from workers.sources.host.agent import host_events
from workers.sources.host.processes import Process, busiest_share, diversity, entropy, largest_memory
from workers.sources.host.sampler import COUNTERS, Sampler, host_event

BASE_NAMES = {feature.name for feature in BASE}


def test_a_sample_only_has_base_metrics_and_most_of_them() -> None:
    sampler = Sampler()
    sampler.sample(0.0, 1e9)
    values = sampler.sample(1.0, 1e9 + 1)
    assert set(values) <= BASE_NAMES
    assert len(values) >= 35
    assert all(math.isfinite(value) for value in values.values())


def test_the_first_sample_lacks_what_needs_one_before_it() -> None:
    values = Sampler().sample(0.0, 1e9)
    assert not {"cpu_ratio", "process_new", "process_top5_cpu_ratio", "disk_busy_ratio"} & set(values)
    assert {"memory_used_ratio", "process_count", "load_1"} <= set(values)


def test_counters_are_a_part_of_the_base_metrics() -> None:
    assert COUNTERS < BASE_NAMES


def test_what_the_system_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psutil.AccessDenied

    for name in ("net_connections", "disk_io_counters", "swap_memory"):
        monkeypatch.setattr(psutil, name, refuse)
    values = Sampler().sample(0.0, 1e9)
    assert not {"connections", "disk_reads", "disk_busy_ratio", "swap_used_bytes"} & set(values)
    assert "process_count" in values


def test_a_sample_becomes_one_event_with_its_counters_marked() -> None:
    event = host_event("me", 1_700_000_000.25, {"cpu_ratio": 0.5, "disk_reads": 7.0})
    assert event.metric_type.tolist() == [0, COUNTER]
    assert events_to_dicts(event)[0] == {
        "timestamp": 1_700_000_000_250_000,
        "entity": "me",
        "kind": "host",
        "source": "host",
        "attributes": {},
        "metrics": {"cpu_ratio": 0.5, "disk_reads": {"value": 7.0, "type": "counter"}},
    }


def test_entropy_and_diversity_of_names_are_as_stated() -> None:
    assert entropy(["a"] * 8) == 0
    assert entropy(["a", "b", "c", "d"]) == pytest.approx(2)
    assert entropy([]) == 0
    assert diversity(["a", "a", "b", "b"]) == 0.5
    assert diversity([]) == 0


def test_the_busiest_five_count_by_time_used_since_the_sample_before() -> None:
    before = {(pid, 0.0): Process(str(pid), 10.0, 100 * pid, 1, False) for pid in range(8)}
    now = {(pid, 0.0): Process(str(pid), 10.0 + pid, 100 * pid, 1, False) for pid in range(8)}
    now[(99, 0.0)] = Process("new", 50.0, 5000, 1, False)  # not there before: its time is not of this interval
    assert busiest_share(now, before, seconds=10) == pytest.approx((7 + 6 + 5 + 4 + 3) / 10)
    assert largest_memory(now) == 5000 + 700 + 600 + 500 + 400


class SleepyClock:
    """Moves only by sleeping; work costs nothing unless told."""

    def __init__(self) -> None:
        self.now = 50.0
        self.work = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        self.now += self.work
        return 1e9 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_samples_keep_a_steady_beat() -> None:
    clock = SleepyClock()
    stream = host_events("me", 5.0, clock, lambda: clock.now > 70)
    times = [int(event.time[0]) for event in stream]
    assert [(time - times[0]) / 1e6 for time in times] == [0, 5, 10, 15, 20]


def test_beats_that_were_missed_are_left_out() -> None:
    clock = SleepyClock()
    clock.work = 12.0
    stream = host_events("me", 5.0, clock, lambda: clock.now > 100)
    times = [int(event.time[0]) / 1e6 for event in stream]
    assert all(later - earlier >= 5 for earlier, later in pairwise(times))
    assert len(times) == 3
