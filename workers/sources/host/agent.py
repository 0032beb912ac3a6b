"""The agent's loop: a sample every interval, on a steady beat, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.columns import Events
from workers.runtime.clock import Clock
from workers.sources.host.sampler import Sampler, host_event

BELIEVED = 3600.0
"""Seconds that the machine's clock may go back and be waited for; one that goes back further was wrong before."""


@dataclass(slots=True)
class Beats:
    """What became of the agent's beats that gave no sample."""

    late: int = 0
    """Left out, since the machine was busy or suspended when they were due."""
    repeated: int = 0
    """Left out, since the machine's clock was set back and their time had been sent before."""


def host_events(
    entity: str,
    interval: float,
    clock: Clock,
    stopped: Callable[[], bool],
    sampler: Sampler | None = None,
    beats: Beats | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Events]:
    """Events of this machine, one every `interval` seconds, beginning now.

    Beats that a slow or suspended machine missed are left out, not caught up with: a sample cannot be taken later.
    Times only grow, so that no time is told twice: where the clock is set back by up to an hour, samples are left out
    until it has come as far again.
    """
    sampler, beats = sampler or Sampler(), beats or Beats()
    next_at = clock.monotonic()
    last = float("-inf")
    while not stopped():
        wait = next_at - clock.monotonic()
        if wait > 0:
            clock.sleep(min(wait, 0.5))  # never long, so that a stop is heeded soon
            continue
        epoch = clock.time()
        values = sampler.sample(clock.monotonic(), epoch)
        if last - BELIEVED <= epoch <= last:
            if not beats.repeated:
                say(f"the clock was set back by {last - epoch:,.0f} s: nothing is sent until it has come as far again")
            beats.repeated += 1
        else:
            last = epoch
            yield host_event(entity, epoch, values)
        next_at += interval
        behind = clock.monotonic() - next_at
        if behind > 0:
            beats.late += int(behind // interval) + 1
            next_at = clock.monotonic() + interval
