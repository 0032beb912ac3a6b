"""Whether a cluster was ever reached, and a word when it has to be waited for: shared by all who ask it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Contact:
    """`say` is told once that a cluster is waited for, by whichever thread, and again only after it has answered.

    `reached`: whether it has ever answered. An address that never did may be a typing mistake.
    """

    def __init__(self, say: Callable[[str], None] = lambda _: None, reached: bool = False) -> None:
        self.reached = reached
        self._say, self._waiting, self._lock = say, False, threading.Lock()

    def answered(self) -> None:
        self.reached, self._waiting = True, False

    def waits(self, text: str) -> None:
        with self._lock:
            first, self._waiting = not self._waiting, True
        if first:
            self._say(text)
