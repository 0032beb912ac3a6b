"""Pacing under a clock that only moves when somebody sleeps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from schemas.columns import Events, Strings
from tests.support.clock import ScriptedClock
from workers.sources.columns import metric_events
from workers.sources.pacing import paced, unpaced
from workers.sources.stopping import Interrupted

SECOND = 1_000_000


def _every_second(count: int) -> Events:
    times = np.arange(count, dtype=np.int64) * SECOND
    return metric_events(times, Strings(np.zeros(count, np.int32), ("e",)), "metric", "t", ["m"], np.ones((count, 1)))


def _never() -> bool:
    return False


def test_no_event_comes_before_it_is_due_and_none_much_later() -> None:
    clock = ScriptedClock(100.0)
    for part in paced([_every_second(10)], 1.0, clock, _never):
        late = (clock.now - 100.0) - part.time / SECOND
        assert np.all(late >= 0)
        assert np.all(late <= 0.5)


def test_a_higher_speed_takes_less_time() -> None:
    clock = ScriptedClock(100.0)
    assert sum(len(part) for part in paced([_every_second(101)], 50.0, clock, _never)) == 101
    assert 2.0 <= clock.now - 100.0 <= 2.6


def test_the_origin_is_due_at_once() -> None:
    clock = ScriptedClock(100.0)
    parts = list(paced([_every_second(3)], 1.0, clock, _never, origin=-5 * SECOND))
    assert [len(part) for part in parts] == [1, 1, 1]
    assert 7.0 <= clock.now - 100.0 <= 7.5


def test_pace_goes_on_over_block_borders() -> None:
    clock = ScriptedClock(100.0)
    blocks = [_every_second(3), _shifted(_every_second(3), 3 * SECOND)]
    times = [time for part in paced(blocks, 1.0, clock, _never) for time in part.time.tolist()]
    assert times == [second * SECOND for second in range(6)]
    assert 5.0 <= clock.now - 100.0 <= 5.5


def _shifted(events: Events, by: int) -> Events:
    events.time[:] += by
    return events


def test_a_stop_ends_the_waiting() -> None:
    clock = ScriptedClock(100.0)
    with pytest.raises(Interrupted):
        list(paced([_every_second(1000)], 1.0, clock, lambda: clock.now > 110.0))
    assert clock.now < 112.0


def test_without_pace_everything_comes_at_once_until_stopped() -> None:
    taken: list[int] = []

    def blocks() -> Iterator[Events]:
        while True:
            yield _every_second(2)

    stream = unpaced(blocks(), lambda: len(taken) >= 3)
    with pytest.raises(Interrupted):
        taken.extend(len(block) for block in stream)
    assert taken == [2, 2, 2]
