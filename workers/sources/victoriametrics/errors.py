"""What can come of a request; a closed set, each with one consequence. Messages hold neither addresses nor secrets.

| class | what it means | what is done |
|---|---|---|
| `Away` | no answer, or one that says: not now | asked again, then given up; live polling goes on later |
| `Slow` | no answer in time | of a range, it is halved; else as `Away` |
| `Resting` | the breaker lets nothing through | given up at once; live polling goes on later |
| `TooMuch` | more than the server gives at once | the range is halved |
| `Refused` | the server will never answer this | told, with what to correct |
"""

from __future__ import annotations


class SourceError(RuntimeError):
    """Base of the closed set."""


class Away(SourceError):
    """`wait`: seconds that the server asked to be left alone for."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Slow(Away):
    """No answer in time: of a long range, perhaps because it is long."""


class Resting(Away):
    """Not tried: the breaker leaves the server alone for now."""


class TooMuch(SourceError):
    """Too many points, samples or bytes, or too slow."""


class Refused(SourceError):
    """A wrong query, address or secret."""
