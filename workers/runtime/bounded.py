"""Calls into a client library, bounded by us where its own time-outs do not hold."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

_Job = tuple[Callable[[], Any], SimpleQueue[tuple[Any, BaseException | None]]]


class Overrun(Exception):
    """The call has not returned in its time. It may still be under way, on a thread that was left behind."""


class Abandoned(Exception):
    """Whoever waited for the call was told to stop. It may still be under way, on a thread that was left behind."""


_NAP = 0.2
"""Seconds that a stop may go unheard for."""


class Bounded:
    """Runs calls one after the other on a thread of its own, which is left behind with a call that does not return.

    librdkafka waits without end for a group coordinator that a restarted cluster has struck off its list, whatever
    time-out `send_offsets_to_transaction` was given; and a thread that waits in there cannot be interrupted.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._inbox: SimpleQueue[_Job | None] | None = None

    def run(self, call: Callable[[], Any], seconds: float = math.inf, stopped: Callable[[], bool] | None = None) -> Any:
        """The call's result, or what it raised. Raises Overrun after `seconds`, and Abandoned soon after `stopped()`
        has turned true; a call that begins after that still has a moment.
        """
        answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        inbox = self._thread()
        inbox.put((call, answer))
        until = time.monotonic() + seconds
        while True:
            left = max(0.0, until - time.monotonic())
            longest = left if stopped is None else min(left, _NAP)
            try:
                result, raised = answer.get(timeout=longest if longest < math.inf else None)
                break
            except Empty:
                if stopped is not None and stopped():
                    self.close()
                    raise Abandoned from None
                if longest == left:
                    self.close()
                    raise Overrun(f"no return within {seconds:.0f} s") from None
        if raised is not None:
            raise raised
        return result

    def close(self) -> None:
        """Let the thread end as soon as it can; the next call gets another."""
        if self._inbox is not None:
            self._inbox.put(None)
            self._inbox = None

    def _thread(self) -> SimpleQueue[_Job | None]:
        if self._inbox is None:
            self._inbox = SimpleQueue()
            # A daemon: one that was left behind must not keep the process from ending.
            threading.Thread(target=_serve, args=(self._inbox,), name=self._name, daemon=True).start()
        return self._inbox


def _serve(inbox: SimpleQueue[_Job | None]) -> None:
    while True:
        job = inbox.get()
        if job is None:
            return
        call, answer = job
        try:
            answer.put((call(), None))
        except BaseException as raised:
            answer.put((None, raised))
        del job, call, answer  # what they hold (a producer) is not kept until the next call
