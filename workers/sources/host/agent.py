"""The agent's loop: a sample every interval, on a steady beat, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.columns import Events
from workers.runtime.clock import Clock
from workers.sources.host.sampler import Sampler, host_event


def host_events(entity: str, interval: float, clock: Clock, stopped: Callable[[], bool]) -> Iterator[Events]:
    """Events of this machine, one every `interval` seconds, beginning now.

    Beats that a slow or suspended machine missed are left out, not caught up with: a sample cannot be taken later.
    """
    sampler = Sampler()
    next_at = clock.monotonic()
    while not stopped():
        wait = next_at - clock.monotonic()
        if wait > 0:
            clock.sleep(min(wait, 0.5))  # never long, so that a stop is heeded soon
            continue
        epoch = clock.time()
        yield host_event(entity, epoch, sampler.sample(clock.monotonic(), epoch))
        next_at += interval
        if next_at < clock.monotonic():
            next_at = clock.monotonic() + interval
