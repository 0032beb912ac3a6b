"""Times as producers write them, to epoch microseconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import partial

from schemas.times import MAX_TIME, MIN_TIME

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the difference of two naive times is what UTC gives
_MICROSECOND = timedelta(microseconds=1)
_PER_UNIT = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}

Reader = Callable[[object], int]
"""Epoch microseconds of a value; raises ValueError with what is wrong and what would be right."""


def reader(unit: str, zone: tzinfo = UTC) -> Reader:
    """How to read times of a unit: `auto`, `rfc3339`, `s`, `ms`, `us`, `ns`, or a strptime pattern.

    `zone` is that of times which have none. Of an hour that a clock shows twice it is the first, and what it leaps over
    is as if it had not leapt. `auto` takes text as RFC 3339 and numbers by their size: seconds below 1e11 (the year
    5138), milliseconds below 1e14, microseconds below 1e17, else nanoseconds. Numbers may come as text. What is a
    `datetime` or a `date` already (from Avro) is taken as it is, whatever the unit.
    """
    if unit == "auto":
        return partial(_auto, zone=zone)
    if unit == "rfc3339":
        return partial(_rfc3339, zone=zone)
    if unit in _PER_UNIT:
        return partial(_number, unit=unit, zone=zone)
    return partial(_pattern, pattern=unit, zone=zone)


def _auto(value: object, zone: tzinfo) -> int:
    if isinstance(value, str):
        if value[4:5] == "-":
            return _rfc3339(value, zone)
        try:
            value = int(value) if value.isdigit() else float(value)
        except ValueError:
            return _rfc3339(value, zone)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _moment(value, "is neither text nor a number; write RFC 3339 or epoch milliseconds", zone)
    size = abs(value)
    return _number(value, "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns", zone)


def _rfc3339(value: object, zone: tzinfo) -> int:
    if not isinstance(value, str):
        return _moment(value, "is not text; write RFC 3339, as in 2026-03-01T12:00:00Z", zone)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is not RFC 3339; write it as in 2026-03-01T12:00:00Z") from None
    return _since(moment, zone)


def _number(value: object, unit: str, zone: tzinfo) -> int:
    if isinstance(value, str):
        try:
            value = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            raise ValueError(f"is not a number of {unit} since 1970; write epoch {unit}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _moment(value, f"is not a number of {unit} since 1970; write epoch {unit}", zone)
    per_unit = _PER_UNIT[unit]
    try:
        fits = MIN_TIME <= value * per_unit <= MAX_TIME  # never true of NaN
    except OverflowError:  # an integer beyond every double
        fits = False
    if not fits:
        raise ValueError(f"is no time that {unit} since 1970 can mean; check the unit in the mapping")
    if isinstance(value, int):
        return value // 1000 if unit == "ns" else value * int(per_unit)
    return round(value * per_unit)


def _pattern(value: object, pattern: str, zone: tzinfo) -> int:
    if isinstance(value, date):
        return _moment(value, "", zone)
    try:
        moment = datetime.strptime(str(value), pattern)  # noqa: DTZ007 - what has no zone gets one below
    except ValueError:
        raise ValueError(f"does not fit the pattern {pattern}; correct it in the mapping") from None
    return _since(moment, zone)


def _moment(value: object, otherwise: str, zone: tzinfo) -> int:
    if isinstance(value, datetime):
        return _since(value, zone)
    if isinstance(value, date):
        return _since(datetime.combine(value, time()), zone)
    raise ValueError(otherwise)


def _since(moment: datetime, zone: tzinfo) -> int:
    """Epoch microseconds; without a zone it is of `zone`."""
    if moment.tzinfo is None and zone is not UTC:
        moment = moment.replace(tzinfo=zone)
    found = (moment - (_NAIVE_EPOCH if moment.tzinfo is None else _EPOCH)) // _MICROSECOND
    if not MIN_TIME <= found <= MAX_TIME:
        raise ValueError("lies outside the years 1 to 9999 in UTC")
    return found
