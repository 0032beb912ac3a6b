"""What can become of a message; a closed set, each with one consequence.

| class | what it means | what is done |
|---|---|---|
| `Unreachable` | the target is away, or lets us in no more | held, tried again; the breaker counts it |
| `Open` | the breaker lets nothing through | held |
| `Slow` | the target asks us to wait | held until then |
| `Refused` | the target will never take this message | told in the log, counted, given up |
"""

from __future__ import annotations


class NotDelivered(Exception):
    """Base of the closed set."""


class Unreachable(NotDelivered):
    """No answer, or one that says: not now, or not you."""


class Open(Unreachable):
    """Nothing was tried: the target is left alone for now."""


class Slow(NotDelivered):
    """Too many requests. `seconds`: how long to wait."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(NotDelivered):
    """There is something about this message that the target does not take."""
