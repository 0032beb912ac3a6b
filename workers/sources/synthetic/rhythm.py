"""The daily and weekly rhythm of normal traffic: busy on weekdays from 9 to 17, quiet at night and at weekends."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from workers.sources.synthetic.plan import MINUTE

BUSY = 1000.0
"""Requests in five minutes of a working day's hours."""
QUIET = (150, 300)
"""Least and most requests in five minutes of nights and weekends."""

_HOUR = 60 * MINUTE
_MONDAY_EPOCH_DAYS = 4  # 1970-01-05 was a Monday


def local_hours(times: NDArray[np.int64], timezone: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Hour of the local day (0 … 24, with fraction) and weekday (Monday 0) of epoch microseconds.

    The offset from UTC is looked up once per quarter of an hour: no zone's clock changes within one.
    """
    zone = ZoneInfo(timezone)
    quarters, place = np.unique(times // (15 * MINUTE), return_inverse=True)
    offsets = np.array([_offset(int(quarter) * 15 * MINUTE, zone) for quarter in quarters], np.int64)
    local = times + offsets[place]
    hours = (local % (24 * _HOUR)) / _HOUR
    weekdays = (local // (24 * _HOUR) - _MONDAY_EPOCH_DAYS) % 7
    return hours, weekdays


def _offset(time: int, zone: ZoneInfo) -> int:
    """Microseconds that the zone is ahead of UTC at that time."""
    moment = datetime.fromtimestamp(time / 1e6, UTC).astimezone(zone)
    offset = moment.utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1e6)


def busyness(hours: NDArray[np.float64], weekdays: NDArray[np.int64]) -> NDArray[np.float64]:
    """0 at night and at weekends, 1 on weekdays from 9 to 17, with a smooth hour on either side."""
    rising = _smooth(hours - 8)
    falling = 1 - _smooth(hours - 17)
    busy: NDArray[np.float64] = np.where(weekdays < 5, rising * falling, 0.0)
    return busy


def requests(hours: NDArray[np.float64], weekdays: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expected requests in five minutes: about 1,000 in working hours, about 195–245 else."""
    busy = BUSY * (1 + 0.05 * np.cos((hours - 11) / 8 * 4 * np.pi))  # late morning and mid-afternoon a little more
    quiet = 220 + 25 * np.cos((hours - 16) / 24 * 2 * np.pi)
    expected: NDArray[np.float64] = quiet + busyness(hours, weekdays) * (busy - quiet)
    return expected


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, a cubic step between."""
    x = np.clip(x, 0.0, 1.0)
    step: NDArray[np.float64] = x * x * (3 - 2 * x)
    return step
