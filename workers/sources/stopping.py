"""SIGINT and SIGTERM as a question that loops ask, instead of an exception at any instruction."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from workers.runtime.clock import Clock, Deadline

_NAP = 0.2
"""Seconds that a stop may go unheard for."""


class Interrupted(Exception):
    """The one who waits was told to stop."""


class Stop:
    """Calling it says whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """While inside, the first SIGINT or SIGTERM only sets the flag; the second SIGINT interrupts as usual."""
    stop = Stop()

    def ask(number: int, _: FrameType | None) -> None:
        if stop.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def sleep_unless(stopped: Callable[[], bool], seconds: float, clock: Clock) -> None:
    """Sleep, in naps. Raises `Interrupted` soon after `stopped()` turns true, however long was to be slept."""
    until = Deadline.after(clock, seconds)
    while not stopped():
        if until.passed:
            return
        clock.sleep(min(until.left, _NAP))
    raise Interrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """While inside, Ctrl-C interrupts as usual again: for questions to a person."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
