"""The closed set of things that can go wrong, each with one consequence.

| class | what it means | what the loop does |
|---|---|---|
| `Retriable` | it did not happen, and may succeed later | end what is open, try again until a deadline |
| `Held` | an end outside Kafka takes nothing now | keep what is open, go on, try again for as long as it lasts |
| `Unknown` | it may or may not have happened | ask the broker for the stable committed offset and go by it |
| `Lost` | something we owned is another's now | drop it, never commit it |
| `Fatal` | going on would break the promise, or cannot succeed | exit non-zero and say what to do |

A bad record is none of these: it is a `DeadLetter` (poison), and the worker goes on.
"""

from __future__ import annotations


class WorkerError(Exception):
    """Base of the closed set."""


class Retriable(WorkerError):
    """Nothing happened; the same call may succeed later."""


class Held(Retriable):
    """Not delivered, for reasons that are not ours and may last for hours; no offset was committed."""


class Unknown(WorkerError):
    """The outcome is not known: it may have happened."""


class Lost(WorkerError):
    """Ownership is gone."""


class Stopping(WorkerError):
    """The process was told to stop while it waited for something that may take hours."""


class Fatal(WorkerError):
    """Cannot go on. The message says what broke; `way_out` says what an operator can do."""

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(f"{message}. {way_out}" if way_out else message)
        self.way_out = way_out
