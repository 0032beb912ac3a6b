"""A clock that stands still but for sleeps."""

from __future__ import annotations


class ScriptedClock:
    """`workers.runtime.clock.Clock` of a test: a sleep takes no time, and all of it has passed then."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
