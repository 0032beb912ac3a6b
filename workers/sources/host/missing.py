"""What could not be read of a machine: said once each, counted every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable


class Missing:
    """Metrics that were left out of samples. `say` is told of each for the first time, with the reason."""

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self.counts: Counter[str] = Counter()
        self._say = say

    def note(self, what: str, reason: object) -> None:
        if what not in self.counts:
            self._say(f"left out, and only said once: {what} ({reason})")
        self.counts[what] += 1
