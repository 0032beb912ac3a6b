"""The day of trouble: sent as fast as the workers take it, never so fast that the embedded broker forgets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from schemas.columns import Events
from workers.demo.watching import Lags
from workers.settings import Settings
from workers.sources.publish import Publisher

MOST_AHEAD = 25_000
"""Events a partition may be ahead of the windows worker; the embedded broker keeps about 70,000."""
_EVERY = 20_000  # events sent between two looks at the lag
_PATIENCE = 60.0


class Stuck(RuntimeError):
    """The workers stopped taking events."""


def play(
    publisher: Publisher, blocks: Iterator[Events], lags: Lags, settings: Settings, meanwhile: Callable[[int], None]
) -> int:
    """Send everything and close the partitions; how many events. `meanwhile` is called often with how many are sent."""
    sent = unseen = 0
    for block in blocks:
        publisher.send(block)
        sent += len(block)
        unseen += len(block)
        meanwhile(sent)
        if unseen >= _EVERY:
            unseen = 0
            _wait(
                lambda: max(lags.of("windows", settings.topics.events).values()) < MOST_AHEAD, lambda: meanwhile(sent)
            )
    return sent


def drain(lags: Lags, settings: Settings, meanwhile: Callable[[], None]) -> None:
    """Wait until every worker has done all there is for it to do, one after another."""
    topics = settings.topics
    for worker, topic in (("windows", topics.events), ("scoring", topics.features), ("incidents", topics.scores)):
        _wait(lambda worker=worker, topic=topic: not any(lags.of(worker, topic).values()), meanwhile)  # type: ignore[misc]


def _wait(until: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not until():
        meanwhile()
        if time.monotonic() > deadline:
            raise Stuck(f"the workers took nothing more for {_PATIENCE:.0f} s; their logs say why")
