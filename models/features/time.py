"""Where a moment lies in the day and in the week (UTC): the same eight features for every profile that wants them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.sets import Feature

TIME_FEATURES = (
    Feature("time__hour", "hours", "hour of the day, with fraction"),
    Feature("time__hour_sin", "ratio", "sin(2π · hour / 24)"),
    Feature("time__hour_cos", "ratio", "cos(2π · hour / 24)"),
    Feature("time__weekday", "days", "day of the week, Monday = 0"),
    Feature("time__weekday_sin", "ratio", "sin(2π · (weekday + hour / 24) / 7)"),
    Feature("time__weekday_cos", "ratio", "cos(2π · (weekday + hour / 24) / 7)"),
    Feature("time__weekend", "flag", "1 on Saturday and Sunday"),
    Feature("time__business_hours", "flag", "1 from Monday to Friday, 08:00 to 18:00"),
)

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


@njit(cache=True)
def write_time(t: int, out: NDArray[np.float64], at: int) -> int:
    """Write the time features of `t` (epoch microseconds) to out[at:]; returns the position behind them."""
    hour = (t % _DAY_US) / _HOUR_US
    weekday = (t // _DAY_US + _EPOCH_WEEKDAY) % 7
    day_angle = 2.0 * math.pi * hour / 24.0
    week_angle = 2.0 * math.pi * (weekday + hour / 24.0) / 7.0
    out[at] = hour
    out[at + 1] = math.sin(day_angle)
    out[at + 2] = math.cos(day_angle)
    out[at + 3] = weekday
    out[at + 4] = math.sin(week_angle)
    out[at + 5] = math.cos(week_angle)
    out[at + 6] = 1.0 if weekday >= 5 else 0.0
    out[at + 7] = 1.0 if weekday < 5 and 8.0 <= hour < 18.0 else 0.0
    return at + 8
