"""Times without a zone are of the zone that is set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.workers.intake.test_intake_stage import PLAIN, decoded, intake, outputs
from workers.intake.formats.syslog import SyslogFormat
from workers.intake.moments import reader
from workers.intake.template import parse_template
from workers.settings import load_settings
from workers.settings_sources import SettingsError

BERLIN = ZoneInfo("Europe/Berlin")


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-03-01T12:00:00", "2026-03-01T11:00:00"),
        ("2026-07-01 12:00:00", "2026-07-01T10:00:00"),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00"),
        ("2026-03-01T12:00:00+05:00", "2026-03-01T07:00:00"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00"),  # leapt over
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00"),  # shown twice
    ],
)
def test_plain_json(written: str, utc: str) -> None:
    (event,) = decoded(outputs([{**PLAIN, "timestamp": written}], intake(INTAKE__ZONE="Europe/Berlin")))
    assert event["timestamp"] == micros(utc)


def test_a_pattern_without_a_zone() -> None:
    assert reader("%d.%m.%Y %H:%M", BERLIN)("01.07.2026 12:00") == micros("2026-07-01T10:00:00")
    assert reader("auto", BERLIN)(1_772_366_400) == micros("2026-03-01T12:00:00"), "epochs have none"


@pytest.mark.parametrize(
    ("written", "arrived", "utc"),
    [
        ("Jul  1 12:00:00", "2026-07-01T10:00:05", "2026-07-01T10:00:00"),
        ("Jan  1 00:30:00", "2025-12-31T23:30:05", "2025-12-31T23:30:00"),
        ("Mar 29 02:30:00", "2026-03-29T01:30:05", "2026-03-29T01:30:00"),
        ("Mar 29 02:30:00", "2026-03-29T00:30:05", "2026-03-29T01:30:00"),
        ("Oct 25 02:30:00", "2026-10-25T00:30:05", "2026-10-25T00:30:00"),
        ("Oct 25 02:30:00", "2026-10-25T01:30:05", "2026-10-25T01:30:00"),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:05", "2026-07-01T12:00:00"),
    ],
)
def test_older_syslog_takes_of_an_hour_shown_twice_the_one_that_fits_the_arrival(
    written: str, arrived: str, utc: str
) -> None:
    wire = SyslogFormat(parse_template("{service}"), zone=BERLIN)
    events, faults = wire.decode([f"<13>{written} web-1 app: x".encode()], np.array([micros(arrived)]))
    assert (events.time.tolist(), faults) == ([micros(utc)], [])


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_a_zone_that_there_is_not_is_refused_at_the_start(zone: str) -> None:
    with pytest.raises(SettingsError, match=r"(?is)intake.*zone.*Europe/Berlin"):
        load_settings({"FAULTLINE_INTAKE__ZONE": zone})
