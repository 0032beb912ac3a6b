"""When an event is due: at its own pace, a multiple of it, or at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from schemas.columns import Events
from workers.runtime.clock import Clock
from workers.sources.columns import cut
from workers.sources.stopping import Interrupted

SLICE = 0.1
"""Seconds of wall clock that are sent together: short enough to look steady, long enough to be a batch."""


def unpaced(blocks: Iterable[Events], stopped: Callable[[], bool]) -> Iterator[Events]:
    """As fast as the reader takes them."""
    for block in blocks:
        if stopped():
            raise Interrupted
        yield block


def paced(
    blocks: Iterable[Events], speed: float, clock: Clock, stopped: Callable[[], bool], origin: int | None = None
) -> Iterator[Events]:
    """Blocks in time order, cut into slices that come when they are due: `speed` seconds of event time in one second.

    The event at `origin` (epoch microseconds; the first event's time if None) is due now. Raises `Interrupted` when
    `stopped()` turns true while waiting.
    """
    begun = clock.monotonic()
    for block in blocks:
        if not len(block):
            continue
        first = int(block.time[0]) if origin is None else origin
        origin = first
        done = 0
        while done < len(block):
            if stopped():
                raise Interrupted
            reached = first + int((clock.monotonic() - begun) * speed * 1e6)
            due = int(np.searchsorted(block.time, reached, side="right"))
            if due > done:
                yield cut(block, done, due)
                done = due
                continue
            ahead = (int(block.time[done]) - reached) / 1e6 / speed
            clock.sleep(min(max(ahead, SLICE), 0.5))  # never long, so that a stop is heeded soon
