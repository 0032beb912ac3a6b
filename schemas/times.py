"""RFC 3339 and epoch microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000


def format_time(micros: int) -> str:
    """Epoch microseconds as RFC 3339 in UTC with microseconds: `2026-01-01T00:00:00.000000Z`.

    Raises OverflowError outside the years 1 to 9999.
    """
    second, fraction = divmod(micros, _SECOND)
    return f"{_to_the_second(second)}.{fraction:06d}Z"


def parse_time(text: str) -> int:
    """RFC 3339 with any offset and fraction (cut to microseconds) as epoch microseconds.

    Raises ValueError for anything else; a time without an offset is not RFC 3339.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write Z for UTC")
    return (moment - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4096)
def _to_the_second(second: int) -> str:
    # Records of one window share their times, so most calls find the text ready.
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
