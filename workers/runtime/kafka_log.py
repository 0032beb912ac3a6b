"""librdkafka's own log lines, into ours."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

import structlog

_SECONDS = 10.0
_KINDS = 200
_NUMBERS = re.compile(r"\d+")


class Seldom:
    """Lets a line through once in a while: while a broker is away, its clients say so twenty times a second.

    Lines that differ in numbers alone are the same. Not more than a few hundred kinds are remembered.
    """

    def __init__(self, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._kinds: dict[str, tuple[float, int]] = {}

    def admits(self, line: str) -> int | None:
        """How many lines of the kind were held back since the last one let through; None: hold this one back."""
        kind, now = _NUMBERS.sub("#", line), self._clock()
        since, held = self._kinds.get(kind, (float("-inf"), 0))
        if now - since < self._seconds:
            self._kinds[kind] = since, held + 1
            return None
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        return held


class _Bridge(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._seldom = Seldom()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        held = self._seldom.admits(line)
        if held is None:
            return
        # At the client's levels: what it calls an error is often a broker that restarts, so it warns at most.
        level = min(record.levelno, logging.WARNING)
        more = {"held_back": held} if held else {}
        structlog.get_logger("librdkafka").log(level, "librdkafka", line=line, **more)


def client_logger() -> logging.Logger:
    """Hand this to a client as `logger`."""
    logger = logging.getLogger("librdkafka")
    if not logger.handlers:
        logger.addHandler(_Bridge())
        logger.propagate = False
    return logger
