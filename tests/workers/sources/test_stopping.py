"""Waiting that a stop ends, under a clock that only moves when somebody sleeps."""

from __future__ import annotations

import pytest

from tests.support.clock import ScriptedClock
from workers.sources.stopping import Interrupted, sleep_unless


def test_without_a_stop_it_sleeps_as_long_as_it_is_told() -> None:
    clock = ScriptedClock(100.0)
    sleep_unless(lambda: False, 7.0, clock)
    assert clock.now - 100.0 == pytest.approx(7.0)


def test_a_stop_ends_a_long_sleep_soon() -> None:
    clock = ScriptedClock(100.0)
    with pytest.raises(Interrupted):
        sleep_unless(lambda: clock.now >= 103.0, 3_600.0, clock)
    assert clock.now - 103.0 < 1.0


def test_once_stopped_nothing_is_slept_any_more() -> None:
    clock = ScriptedClock(100.0)
    with pytest.raises(Interrupted):
        sleep_unless(lambda: True, 60.0, clock)
    assert clock.now == 100.0
