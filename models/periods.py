"""Behavioural periods: which of five parts of the local week a moment lies in, and where in its day.

| period | local days | local time |
|---|---|---|
| `business_hours` | Monday to Friday | 08:00–18:00 |
| `evening_hours` | Monday to Friday | 18:00–22:00 |
| `night_hours` | Monday to Friday | 22:00–24:00 and 00:00–08:00 |
| `weekend_day` | Saturday, Sunday, holidays | 08:00–22:00 |
| `weekend_night` | Saturday, Sunday, holidays | the rest |

Local time follows the zone's own clock changes. Together the periods cover every moment once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

PERIODS = ("business_hours", "evening_hours", "night_hours", "weekend_day", "weekend_night")
"""By code, as `Calendar.place` gives them."""

ALL = "all"
"""The model of all hours, for periods that have none of their own."""

_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_DAY = 24 * _HOUR
_QUARTER = 15 * 60 * _SECOND
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class PeriodError(ValueError):
    """A zone or holiday that does not exist; the message names it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where n moments lie. `period` codes into `PERIODS`; `day` numbers local days; `hour` is 0 ≤ hour < 24, local."""

    period: NDArray[np.int8]
    weekend: NDArray[np.bool_]  # holidays included
    day: NDArray[np.int64]
    hour: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Places:
        return Places(self.period[rows], self.weekend[rows], self.day[rows], self.hour[rows])


@dataclass(frozen=True)
class Calendar:
    """A time zone and its holidays, which count as weekend. `holidays` are local dates as YYYY-MM-DD."""

    zone: str = "UTC"
    holidays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PeriodError(f"no time zone {self.zone!r}; expected a name such as Europe/Berlin") from error
        _ordinals(self.holidays)

    def place(self, times: NDArray[np.int64]) -> Places:
        """Period, local day and local hour of moments (epoch microseconds), each by itself."""
        local = times + _offsets(times, self.zone)
        day = local // _DAY
        hour = (local - day * _DAY) / _HOUR
        weekend = (day + _EPOCH_WEEKDAY) % 7 >= 5
        if self.holidays:
            weekend |= np.isin(day, _ordinals(self.holidays))
        daytime = (hour >= 8) & (hour < 22)
        period = np.where(weekend, np.where(daytime, 3, 4), np.where(daytime, np.where(hour < 18, 0, 1), 2)).astype(
            np.int8
        )
        return Places(period, weekend, day, hour)


def _offsets(times: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Microseconds to add for local time. Asked once per quarter of an hour: no zone's clock changes within one."""
    if zone == "UTC":
        return np.zeros(len(times), np.int64)
    quarters, place = np.unique(times // _QUARTER, return_inverse=True)
    return np.array([_offset(int(quarter), zone) for quarter in quarters], np.int64)[place]


@lru_cache(maxsize=100_000)
def _offset(quarter: int, zone: str) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=quarter * _QUARTER)
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) * _SECOND


@lru_cache(maxsize=100)
def _ordinals(holidays: Iterable[str]) -> NDArray[np.int64]:
    try:
        return np.array([date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL for text in holidays], np.int64)
    except ValueError as error:
        raise PeriodError(f"holidays: {error}; expected dates such as 2025-12-25") from error
