"""How records move time: the rules one by one, on columns of a few records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.workers.windows.pane_events import Event, table
from workers.runtime.stage import NO_WATERMARK
from workers.windows.ticks import Tick
from workers.windows.watermark import Passage, TimePolicy, TimeState, pass_time

S = 1_000_000
T = 1_750_000_000 * S
LATENESS = 10 * S


def passage(
    events: Mapping[int, Event],
    stamps: Sequence[int],
    ticks: Mapping[int, Tick | None] | None = None,
    state: TimeState | None = None,
    offsets: Sequence[int] | None = None,
) -> Passage:
    """Records 0 … n-1 with those Kafka timestamps; those that are neither event nor tick are unreadable."""
    places = np.array(offsets if offsets is not None else range(100, 100 + len(stamps)), np.int64)
    columns = table(list(events.values()), list(events))
    return pass_time(TimePolicy(), state or TimeState(), places, np.array(stamps, np.int64), columns, dict(ticks or {}))


def at(seconds: float, observed: float | None = None) -> Event:
    seen = None if observed is None else T + int(observed * S)
    return Event(T + int(seconds * S), "a", observed_at=seen)


def reached(result: Passage) -> list[float | None]:
    """The newest event time after each record, in seconds after T."""
    return [None if w == NO_WATERMARK else (w + LATENESS - T) / S for w in result.timeline.after.tolist()]


def test_the_watermark_is_the_largest_event_time_so_far_less_the_lateness() -> None:
    events = {0: at(0), 1: at(5), 2: at(3), 4: at(7)}
    result = passage(events, [T + 8 * S] * 5)
    assert reached(result) == [0, 5, 5, 5, 7]
    assert result.timeline.before.tolist() == [NO_WATERMARK, *result.timeline.after.tolist()[:-1]]
    assert result.state.watermark == T + 7 * S - LATENESS


def test_a_clock_that_runs_ahead_a_little_moves_time_no_further_than_its_record_arrived() -> None:
    result = passage({0: at(0), 1: at(200)}, [T, T + S])
    assert reached(result) == [0, 1]
    assert not result.skewed.any()


def test_the_reference_is_when_the_raw_record_arrived_where_that_is_known() -> None:
    result = passage({0: at(0), 1: at(100, observed=20)}, [T, T + 200 * S])
    assert reached(result) == [0, 20]
    assert passage({0: at(0), 1: at(400, observed=20)}, [T, T + 400 * S]).skewed.tolist() == [False, True]


def test_an_event_far_ahead_of_its_arrival_is_skewed_and_shows_a_live_partition_only_that_time_passes() -> None:
    result = passage({0: at(0), 1: at(3600), 2: at(6)}, [T, T + 5 * S, T + 6 * S])
    assert result.skewed.tolist() == [False, True, False]
    assert reached(result) == [0, 5, 6]


def test_one_bad_clock_in_a_replay_of_old_data_does_not_make_the_rest_of_it_late() -> None:
    now = T + 10**9 * S
    result = passage({0: at(0), 1: Event(now + 10**15, "a"), 2: at(10)}, [now] * 3)
    assert result.skewed.tolist() == [False, True, False]
    assert reached(result) == [0, 0, 10]


def test_seconds_given_as_milliseconds_are_skewed() -> None:
    result = passage({0: Event(T // 1000, "a"), 1: at(0)}, [T, T])
    assert result.skewed.tolist() == [True, False]
    assert reached(result) == [None, 0]


def test_a_tick_counts_only_behind_the_record_that_it_names() -> None:
    ticks = {1: Tick(T + 30 * S, 100), 2: Tick(T + 31 * S, 100), 3: Tick(T + 60 * S, 102), 4: Tick(T + 90 * S, 99)}
    result = passage({0: at(0)}, [T, T + 30 * S, T + 31 * S, T + 60 * S, T + 90 * S], ticks)
    assert result.counted.tolist() == [False, True, False, True, False]
    assert reached(result) == [0, 30, 30, 60, 60]


def test_commit_markers_between_a_tick_and_its_record_do_not_matter() -> None:
    result = passage({0: at(0)}, [T, T + 30 * S], {1: Tick(T + 30 * S, 101)}, offsets=[100, 103])
    assert result.counted.tolist() == [False, True]


def test_a_tick_with_nothing_read_before_it_does_not_count() -> None:
    assert not passage({}, [T], {0: Tick(T, 99)}).counted.any()


def test_an_idle_tick_goes_no_further_than_it_arrived_and_a_closing_one_closes_what_it_must() -> None:
    for kind, expected in (("idle", 5.0), ("end", 25.0)):
        tick = Tick(T + 25 * S, 100, "end" if kind == "end" else "idle")
        assert reached(passage({0: at(0)}, [T, T + 5 * S], {1: tick}))[-1] == expected


def test_time_that_nobody_watched_is_known_from_the_jump() -> None:
    result = passage({0: at(0), 1: at(60), 2: at(121)}, [T + 200 * S] * 3)
    watched = [(w - T) / S for w in result.timeline.watched.tolist()]
    assert watched == [0, 0, 121]
    assert result.state.break_offset == 102


def test_what_happened_last_says_whether_the_partition_is_live() -> None:
    assert passage({0: at(0)}, [T + 2 * S]).state.behind == 2 * S
    assert passage({0: at(0)}, [T + 10**6 * S]).state.behind == 10**6 * S
    assert passage({0: at(0)}, [T, T + 9 * S], {1: Tick(T + 9 * S, 100)}).state.behind == 0
    closed = passage({0: at(0)}, [T + 10**6 * S] * 2, {1: Tick(T + 20 * S, 100, "end")})
    assert closed.state.behind == (10**6 - 20) * S
    unreadable = passage({0: at(0)}, [T, T + 10**6 * S])
    assert unreadable.state.behind == 0


def test_time_goes_on_from_the_state_it_was_left_in() -> None:
    events = {i: at(s) for i, s in enumerate([0, 70, 65, 30, 71, 300])}
    stamps = [T + 300 * S] * 6
    whole = passage(events, stamps)
    first = passage({i: events[i] for i in range(3)}, stamps[:3])
    second = passage({i: events[i + 3] for i in range(3)}, stamps[:3], state=first.state, offsets=[103, 104, 105])
    assert second.state == whole.state
    assert second.timeline.after.tolist() == whole.timeline.after.tolist()[3:]
