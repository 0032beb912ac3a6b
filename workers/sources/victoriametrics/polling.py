"""When the next steps are there to be asked for, and which: time by the server's clock, never ahead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from workers.runtime.clock import Clock
from workers.sources.stopping import sleep_unless
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.collect import Collector
from workers.sources.victoriametrics.errors import Away
from workers.sources.victoriametrics.slices import Slice, aligned

log = structlog.get_logger(__name__)

_NAP = 0.5
_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between two tries while the server is away."""


@dataclass(frozen=True, slots=True)
class Poll:
    """`step`, `delay` in seconds: a step is asked for once it is that old."""

    step: int
    delay: float

    def newest(self, now: float) -> int:
        """The last step of the grid that may be asked for (epoch seconds)."""
        return aligned(now - self.delay, self.step)


def polled(
    client: Client, collector: Collector, poll: Poll, position: int, clock: Clock, stopped: Callable[[], bool]
) -> Iterator[Slice]:
    """Slices from behind `position` (epoch seconds, the last step that was taken) until stopped, as they come.

    While the server is away the position stays, and what was missed is asked for when it is back: nothing is lost. A
    slice is asked for again if the reader did not take it. Raises `Refused` and `TooMuch`; `Interrupted` when stopped
    while waiting for the server.
    """
    failures = 0
    while not stopped():
        newest = poll.newest(client.now())
        if newest <= position:
            clock.sleep(_NAP)
            continue
        try:
            for part in collector.slices(position + poll.step, newest):
                failures = 0
                yield part
                position = part.end
                if stopped():
                    return
        except Away as error:
            pause = max(error.wait, _PAUSES[min(failures, len(_PAUSES) - 1)])
            log.warning("the server is away, trying again", reason=str(error), seconds=round(pause, 1))
            failures += 1
            sleep_unless(stopped, pause, clock)
