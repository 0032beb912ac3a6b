"""Five periods cover the week once, follow the zone's clock changes, and know holidays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.periods import PERIODS, Calendar, PeriodError

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham")


def _period(calendar: Calendar, moment: datetime) -> str:
    micros = round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
    return PERIODS[calendar.place(np.array([micros], np.int64)).period[0]]


@pytest.mark.parametrize(
    ("moment", "period"),
    [
        ("2026-03-02T00:00", "night_hours"),  # a Monday
        ("2026-03-02T06:30", "night_hours"),
        ("2026-03-02T08:00", "business_hours"),
        ("2026-03-02T17:59", "business_hours"),
        ("2026-03-02T18:00", "evening_hours"),
        ("2026-03-02T22:00", "night_hours"),
        ("2026-03-06T23:59", "night_hours"),
        ("2026-03-07T00:00", "weekend_night"),
        ("2026-03-07T08:00", "weekend_day"),
        ("2026-03-08T21:59", "weekend_day"),
        ("2026-03-08T22:00", "weekend_night"),
    ],
)
def test_each_period_begins_and_ends_where_it_says(moment: str, period: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert _period(Calendar("Europe/Berlin"), datetime.fromisoformat(moment).replace(tzinfo=zone)) == period


@given(
    utc=st.datetimes(datetime(1972, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES),
)
@settings(max_examples=300, deadline=None)
def test_place_agrees_with_the_zones_own_clock(utc: datetime, zone: str) -> None:
    local = utc.astimezone(ZoneInfo(zone))
    micros = (utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    places = Calendar(zone).place(np.array([micros], np.int64))
    hour = local.hour + local.minute / 60 + (local.second + local.microsecond / 1e6) / 3600
    assert places.hour[0] == pytest.approx(hour, abs=1e-6)
    assert places.weekend[0] == (local.weekday() >= 5)
    assert places.day[0] == local.date().toordinal() - 719163
    day = 8 <= local.hour < 22
    want = (
        ("weekend_day" if day else "weekend_night")
        if local.weekday() >= 5
        else ("business_hours" if 8 <= local.hour < 18 else "evening_hours" if day else "night_hours")
    )
    assert PERIODS[places.period[0]] == want


def test_the_morning_after_the_clocks_change_begins_at_the_new_hour() -> None:
    berlin = Calendar("Europe/Berlin")
    assert _period(berlin, datetime(2026, 3, 27, 6, 30, tzinfo=UTC)) == "night_hours"  # 07:30 in winter
    assert _period(berlin, datetime(2026, 3, 30, 6, 30, tzinfo=UTC)) == "business_hours"  # 08:30 in summer


def test_a_holiday_is_a_weekend_day_of_the_local_calendar() -> None:
    calendar = Calendar("Europe/Berlin", ("2025-12-25",))
    assert _period(calendar, datetime(2025, 12, 24, 23, 30, tzinfo=UTC)) == "weekend_night"  # 00:30 local on the 25th
    assert _period(calendar, datetime(2025, 12, 25, 12, 0, tzinfo=UTC)) == "weekend_day"
    assert _period(calendar, datetime(2025, 12, 26, 12, 0, tzinfo=UTC)) == "business_hours"


def test_moments_are_placed_each_by_itself() -> None:
    times = np.arange(0, 40 * 86_400_000_000, 7_777_777_777, dtype=np.int64)
    calendar = Calendar("America/New_York", ("1970-01-19",))
    together = calendar.place(times)
    alone = [calendar.place(times[i : i + 1]) for i in range(len(times))]
    assert np.concatenate([one.period for one in alone]).tobytes() == together.period.tobytes()
    assert np.concatenate([one.hour for one in alone]).tobytes() == together.hour.tobytes()


@pytest.mark.parametrize(("zone", "holidays"), [("Mars/Olympus", ()), ("../etc/passwd", ()), ("UTC", ("25.12.2025",))])
def test_what_does_not_exist_is_refused_by_name(zone: str, holidays: tuple[str, ...]) -> None:
    with pytest.raises(PeriodError, match=r"time zone|holidays"):
        Calendar(zone, holidays)
