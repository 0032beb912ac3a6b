"""Times: int64 microseconds since the epoch in memory, RFC 3339 in JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_TIME: Final = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z, the first time that RFC 3339 and `datetime` can both show."""

MAX_TIME: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z, the last one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)


def parse_time(text: str) -> int:
    """Epoch microseconds of an RFC 3339 time with any offset and any number of decimals (those past six are cut off).

    A leap second is the first instant of the next minute. Raises `ValueError`, saying what is wrong.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError(_why_not(text))
    year, month, day, hour, minute, second, decimals, _, sign, offset_hours, offset_minutes = found.groups()
    leap = second == "60"
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=UTC
        )
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is no time: {error}") from None
    micros = (local - _EPOCH) // _MICROSECOND + 1_000_000 * leap + int(f"{decimals or '':0<6.6}")
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise ValueError(f"{text[:40]!r} is no time: no such offset")
        offset = (int(offset_hours) * 3600 + int(offset_minutes) * 60) * 1_000_000
        micros += offset if sign == "-" else -offset
    if not MIN_TIME <= micros <= MAX_TIME:
        raise ValueError(f"{text[:40]!r} is outside the years 1 to 9999 in UTC")
    return micros


def _why_not(text: str) -> str:
    shown = f"{text[:40]!r}"
    if _RFC_3339.fullmatch(text + "Z"):
        return f"{shown} says no offset: write {text[:40]}Z for UTC"
    return f"{shown} is no RFC 3339 time such as 2026-03-01T12:00:00Z"


def format_time(micros: int) -> str:
    """RFC 3339 in UTC, with microseconds and Z. Raises `ValueError` outside the years 1 to 9999."""
    if not MIN_TIME <= micros <= MAX_TIME:
        raise ValueError(f"{micros} microseconds are outside the years 1 to 9999")
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds")[:26] + "Z"


def format_times(micros: NDArray[np.int64]) -> list[str]:
    """`format_time` of a whole column."""
    if len(micros) and not (micros.min() >= MIN_TIME and micros.max() <= MAX_TIME):
        raise ValueError("a time lies outside the years 1 to 9999")
    texts: list[str] = np.datetime_as_string(micros.astype("datetime64[us]"), unit="us").tolist()
    return [text + "Z" for text in texts]


def micros_of(time: datetime) -> int:
    """Epoch microseconds of an aware `datetime`. Raises `ValueError` for one without a zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} says no time zone")
    return (time - _EPOCH) // _MICROSECOND
