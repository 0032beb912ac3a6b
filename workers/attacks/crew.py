"""The process that does an exercise: `python -m workers.attacks.crew WISH FOLDER PARENT`; prints what it did as JSON.

It ends by itself when its time is over, at SIGTERM, and when its parent is gone; the kernel's alarm ends it where
nothing else does. Whatever it starts ends with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_ALARM_AFTER = 5.0  # seconds behind the end

Steps = Iterator[dict[str, float]]


def die_with_parent(parent: int) -> None:
    """From now on the death of the parent is one's own (on Linux; elsewhere `Watch` looks)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before


class Watch:
    """When an exercise is over."""

    def __init__(self, seconds: float, parent: int) -> None:
        self.seconds = seconds
        self._parent = parent
        self._began = time.monotonic()
        self._stopped = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.setitimer(signal.ITIMER_REAL, self.longest)

    def _stop(self, *_: object) -> None:
        self._stopped = True

    @property
    def longest(self) -> float:
        """Seconds after which whatever is left of it is ended by the kernel."""
        return self.seconds + _ALARM_AFTER

    @property
    def passed(self) -> float:
        return time.monotonic() - self._began

    @property
    def over(self) -> bool:
        return self._stopped or self.passed >= self.seconds or os.getppid() != self._parent

    def keep_pace(self, done: float, rate: float) -> None:
        """Sleep for as long as `done` is ahead of `rate` a second."""
        ahead = done / rate - self.passed
        if ahead > 0:
            time.sleep(min(ahead, 0.2))


def spawn(work: Callable[[], None], seconds: float) -> int:
    """A child that ends with this process, when `work` does, or after so many seconds at the latest; its process id."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)  # timers are not inherited
        die_with_parent(parent)
        work()
    finally:
        os._exit(0)


def main(argv: list[str]) -> int:
    """Do it; 0 when it was done or stopped."""
    from workers.attacks import work

    wish, folder, parent = json.loads(argv[0]), Path(argv[1]), int(argv[2])
    die_with_parent(parent)
    os.nice(10)
    watch = Watch(wish["seconds"], parent)
    did: dict[str, float] = {}
    steps: Steps = work.WORK[wish["kind"]](wish["values"], folder, watch)
    for did in steps:  # noqa: B007  (the last one is told)
        if watch.over:
            break
    steps.close()  # type: ignore[attr-defined]
    print(json.dumps({**did, "seconds": round(watch.passed, 1)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
