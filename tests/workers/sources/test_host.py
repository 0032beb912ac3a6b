"""The host agent on the machine that runs the tests."""

from __future__ import annotations

import math
from itertools import pairwise

import psutil
import pytest

from models.features.host import BASE
from schemas.columns import COUNTER
from schemas.events import events_to_dicts
from workers.sources.host.agent import Beats, host_events
from workers.sources.host.missing import Missing
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


def test_what_the_system_refuses_is_left_out_said_once_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psutil.AccessDenied

    for name in ("disk_io_counters", "swap_memory", "cpu_stats"):
        monkeypatch.setattr(psutil, name, refuse)
    said: list[str] = []
    sampler = Sampler(missing=Missing(said.append))
    sampler.sample(0.0, 1e9)
    values = sampler.sample(1.0, 1e9 + 1)
    assert not {"disk_reads", "disk_busy_ratio", "swap_used_bytes", "context_switches"} & set(values)
    assert {"process_count", "memory_used_ratio", "network_receive_bytes"} <= set(values)
    assert {"disks": 2, "swap": 2, "context switches": 2}.items() <= sampler.missing.counts.items()
    assert len([line for line in said if "swap" in line]) == 1


def test_counters_are_told_from_the_second_sample_on_and_begin_small() -> None:
    sampler = Sampler()
    assert not COUNTERS & set(sampler.sample(0.0, 1e9))
    later = sampler.sample(1.0, 1e9 + 1)
    assert COUNTERS & set(later) >= {"context_switches", "network_receive_bytes"}
    assert later["context_switches"] < psutil.cpu_stats().ctx_switches / 2


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


def test_a_machine_that_slept_goes_on_with_one_sample_and_without_its_missed_beats() -> None:
    clock, beats = SleepyClock(), Beats()
    stream = host_events("me", 5.0, clock, lambda: False, beats=beats)
    first = next(stream)
    clock.now += 3600  # some systems count sleep, others do not: then only the wall clock jumps
    second, third = next(stream), next(stream)
    assert int(second.time[0] - first.time[0]) >= 3600e6
    assert int(third.time[0] - second.time[0]) == 5_000_000
    assert beats.late == 720


class SetBack(SleepyClock):
    """A clock whose wall time is set anew at some moment."""

    def __init__(self, at: float, by: float) -> None:
        super().__init__()
        self.at, self.by = at, by

    def time(self) -> float:
        return super().time() + (self.by if self.now >= self.at else 0.0)


def test_no_time_is_told_twice_where_the_clock_is_set_back() -> None:
    clock, beats, said = SetBack(at=100, by=-60), Beats(), list[str]()
    stream = host_events("me", 5.0, clock, lambda: clock.now > 300, beats=beats, say=said.append)
    times = [int(event.time[0]) for event in stream]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert beats.repeated == 12
    assert len(said) == 1
    assert "set back by 55 s" in said[0]


def test_a_clock_that_was_wrong_by_more_than_an_hour_is_believed_once_it_is_right() -> None:
    clock, beats = SetBack(at=100, by=-86_400), Beats()
    times = [int(event.time[0]) for event in host_events("me", 5.0, clock, lambda: clock.now > 200, beats=beats)]
    assert beats.repeated == 0
    assert len([1 for earlier, later in pairwise(times) if later < earlier]) == 1


def test_a_clock_that_jumps_ahead_costs_no_sample() -> None:
    clock = SetBack(at=100, by=7_200)
    times = [int(event.time[0]) for event in host_events("me", 5.0, clock, lambda: clock.now > 200)]
    assert [(b - a) // 1_000_000 for a, b in pairwise(times)].count(5) == len(times) - 2
