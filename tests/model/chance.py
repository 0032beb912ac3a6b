"""Seeded faults: each has a number, so that a schedule that fails can be run again without some of them."""

from __future__ import annotations

import math
import random
from collections import Counter


class Crash(BaseException):
    """The process is gone, in the middle of whatever it did. No `except Exception` of its code may see it."""


class Violation(AssertionError):
    """The promise is broken."""


class Chance:
    """Decides what goes wrong. `rate` is the chance of a fault of likelihood 1 at each occasion, `most` bounds them."""

    def __init__(self, seed: int, rate: float, most: int, without: frozenset[int] = frozenset()) -> None:
        self.random = random.Random(seed)
        self.rate, self.most, self.without = rate, most, without
        self.calm = False
        self.numbers = 0
        self.trace: list[str] = []
        self.seen: Counter[str] = Counter()

    def fault(self, name: str, likelihood: float = 1.0) -> bool:
        """Whether this fault happens here and now."""
        if self.calm or self.random.random() >= self.rate * likelihood or self.numbers >= self.most:
            return False
        return self._happens(name)

    def strike(self, where: str, crash: float, freeze: float, overtaken: float) -> str | None:
        """Which of the three happens to a process here, if any."""
        drawn = self.random.random() / self.rate if self.rate else math.inf
        if self.calm or drawn >= crash + freeze + overtaken or self.numbers >= self.most:
            return None
        kind = "crash" if drawn < crash else "freeze" if drawn < crash + freeze else "overtaken"
        return kind if self._happens(f"{kind} at {where}") else None

    def _happens(self, name: str) -> bool:
        self.numbers += 1
        if self.numbers in self.without:
            return False
        self.note(f"#{self.numbers} {name}")
        self.seen[name.split(" at ")[0]] += 1
        return True

    def note(self, text: str) -> None:
        self.trace.append(text)
