"""A call that never returns is left behind, and the next one runs."""

from __future__ import annotations

import threading

import pytest

from workers.runtime.bounded import Abandoned, Bounded, Overrun


def test_a_call_gives_its_result_or_raises_what_it_raised() -> None:
    calls = Bounded("test")
    assert calls.run(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        calls.run(lambda: 1 / 0, 5)
    assert calls.run(lambda: 8, 5) == 8
    calls.close()


def test_calls_run_on_one_thread_that_is_not_the_callers() -> None:
    calls = Bounded("test")
    threads = {calls.run(threading.get_ident, 5) for _ in range(5)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    calls.close()


def test_a_call_that_does_not_return_is_left_behind_and_its_thread_ends_once_it_does() -> None:
    calls, stuck, threads = Bounded("test"), threading.Event(), list[threading.Thread]()

    def hang() -> None:
        threads.append(threading.current_thread())
        stuck.wait(30)

    with pytest.raises(Overrun):
        calls.run(hang, 0.05)
    assert calls.run(lambda: "next", 5) == "next"
    assert threads[0].is_alive()
    assert threads[0].daemon
    stuck.set()
    threads[0].join(5)
    assert not threads[0].is_alive()
    calls.close()


def test_a_call_is_waited_for_no_longer_once_stopped() -> None:
    calls, stuck, stopped = Bounded("test"), threading.Event(), threading.Event()

    def hang() -> None:
        stopped.set()
        stuck.wait(30)

    with pytest.raises(Abandoned):
        calls.run(hang, stopped=stopped.is_set)
    assert calls.run(lambda: "at once", stopped=stopped.is_set) == "at once"
    with pytest.raises(Overrun):
        calls.run(lambda: stuck.wait(30), 0.05, lambda: False)
    stuck.set()
    calls.close()
