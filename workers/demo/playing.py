"""The day of trouble: sent as fast as the workers take it, never so fast that the embedded broker forgets."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from schemas.columns import Events
from workers.demo.scene import PANE
from workers.demo.watching import Watcher
from workers.sources.columns import cut
from workers.sources.publish import Publisher

MOST_AHEAD = 60_000
"""Events that may be sent and not yet scored. The embedded broker keeps some 100,000 of a partition."""
_LEAST_AHEAD = 3 * PANE  # a window is scored only after the next one has begun: less would never end
_SLICE = 5_000  # events sent between two looks
_PATIENCE = 90.0

COMPRESSION = "zstd"
"""Half as large as lz4: what the embedded broker keeps is counted in bytes."""


class Stuck(RuntimeError):
    """The workers stopped taking what was sent to them."""


def play(
    publisher: Publisher, blocks: Iterable[Events], watcher: Watcher, entities: int, look: Callable[[int], None]
) -> int:
    """Send every block; the time of the last event.

    `look` is called often: with how many events were just sent, 0 while waiting. Raises `Stuck`.
    """
    unscored: deque[tuple[int, int]] = deque()  # last event's time and number of events of each slice
    last = 0

    def close_behind() -> bool:
        scored = min(watcher.reached.values()) if len(watcher.reached) == entities else 0
        while unscored and unscored[0][0] <= scored:
            unscored.popleft()
        return sum(count for _, count in unscored) < MOST_AHEAD or last - unscored[0][0] < _LEAST_AHEAD

    for part in _slices(blocks):
        publisher.send(part)
        last = int(part.time[-1])
        unscored.append((last, len(part)))
        look(len(part))
        _wait(close_behind, lambda: look(0), watcher)
    return last


def drain(watcher: Watcher, entities: int, until: int, look: Callable[[], None]) -> None:
    """Wait until the window that holds `until` is scored for all entities, and the incidents after it are told."""

    def scored() -> bool:
        return len(watcher.reached) == entities and min(watcher.reached.values()) > until

    def told() -> bool:
        return bool(watcher.told_until) and min(watcher.told_until.values()) >= until

    _wait(scored, look, watcher)
    _wait(told, look, watcher)


def _slices(blocks: Iterable[Events]) -> Iterator[Events]:
    for block in blocks:
        for start in range(0, len(block), _SLICE):
            yield cut(block, start, start + _SLICE)


def _wait(until: Callable[[], bool], look: Callable[[], None], watcher: Watcher) -> None:
    """Look around until it is so; raises `Stuck` when nothing comes out any more."""
    seen, deadline = -1, 0.0
    while not until():
        if watcher.scored != seen:
            seen, deadline = watcher.scored, time.monotonic() + _PATIENCE
        look()
        if time.monotonic() > deadline:
            raise Stuck(f"nothing came out of the workers for {_PATIENCE:.0f} s")
