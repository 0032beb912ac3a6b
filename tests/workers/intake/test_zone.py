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


@pytest.mark.parametrize(
    ("head", "zone", "utc"),
    [
        ("Oct 22 05:34:00 CST 1987 web-1 app", "UTC", "1987-10-22T11:34:00"),
        ("Oct 22 05:34:00 CST 1987 web-1 app", "Asia/Shanghai", "1987-10-21T21:34:00"),
        ("Oct 22 05:34:00 +0200 2025 web-1 app", "UTC", "2025-10-22T03:34:00"),
        ("Oct 22 05:34:00 CEST 2025 web-1 app", "Europe/Berlin", "2025-10-22T03:34:00"),
        ("Oct 22 05:34:00 2025 web-1 app", "Europe/Berlin", "2025-10-22T03:34:00"),
        ("Oct 22 2025 05:34:00 web-1 app", "Europe/Berlin", "2025-10-22T03:34:00"),
        ("Oct 22 05:34:00 UTC web-1 app", "Europe/Berlin", "2025-10-22T05:34:00"),
        ("Oct 22 05:34:00.250 web-1 app", "Europe/Berlin", "2025-10-22T03:34:00"),
        ("Feb 29 2024 05:34:00 web-1 app", "UTC", "2024-02-29T05:34:00"),
    ],
)
def test_older_syslog_may_say_its_year_and_zone(head: str, zone: str, utc: str) -> None:
    wire = SyslogFormat(parse_template("{host}/{service}"), zone=ZoneInfo(zone))
    events, faults = wire.decode([f"<13>{head}: x".encode()], np.array([micros("2025-10-25T00:00:00")]))
    assert (events.entity.values, faults) == (["web-1/app"], [])
    assert events.time.tolist() == [micros(utc) + (250_000 if ".250" in head else 0)]


@pytest.mark.parametrize(
    ("head", "utc", "host"),
    [
        ("12: router-1: Oct 22 05:34:00 CEST", "2025-10-22T03:34:00", "router-1"),
        ("12: router-1: Oct 22 2025 05:34:00.000 UTC", "2025-10-22T05:34:00", "router-1"),
        ("12: Oct 22 05:34:00 UTC 2024", "2024-10-22T05:34:00", None),
        ("Oct 22 2025 05:34:00", "2025-10-22T03:34:00", None),
        ("Oct 22 2025 05:34:00 FW-1 ", "2025-10-22T03:34:00", "FW-1"),
        ("Oct 22 2025 05:34:00 FW ", "2025-10-22T03:34:00", "FW"),
    ],
)
def test_cisco_may_say_its_year_and_zone(head: str, utc: str, host: str | None) -> None:
    wire = SyslogFormat(parse_template("[{host}/]{service}"), zone=BERLIN)
    arrived = np.array([micros("2025-10-25T00:00:00")])
    events, faults = wire.decode([f"<166>{head}: %ASA-6-302013: Built".encode()], arrived)
    assert (events.time.tolist(), faults) == ([micros(utc)], [])
    assert events.entity.values == [f"{host}/ASA" if host else "ASA"]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("Oct 22 05:34:00 XYZT 1987 web-1 app", "zone that nobody knows here"),
        ("Feb 29 2025 05:34:00 web-1 app", "is no day of that year"),
        ("Oct 22 25:34:00 web-1 app", "is no day of any year"),
    ],
)
def test_a_time_that_cannot_be_told_is_a_dead_letter_that_says_why(head: str, why: str) -> None:
    wire = SyslogFormat(parse_template("{host}/{service}"))
    events, faults = wire.decode([f"<13>{head}: x".encode()], np.array([micros("2025-10-25T00:00:00")]))
    assert not len(events)
    assert [why in fault.message for fault in faults] == [True]


@pytest.mark.parametrize("host", ["WEB", "CST", "2host", "1987x"])
def test_a_host_in_capitals_is_no_zone(host: str) -> None:
    wire = SyslogFormat(parse_template("{host}/{service}"))
    events, _ = wire.decode(
        [f"<13>Oct 22 05:34:00 {host} app[1]: x".encode()], np.array([micros("2025-10-25T00:00:00")])
    )
    assert events.entity.values == [f"{host}/app"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_a_zone_that_there_is_not_is_refused_at_the_start(zone: str) -> None:
    with pytest.raises(SettingsError, match=r"(?is)intake.*zone.*Europe/Berlin"):
        load_settings({"FAULTLINE_INTAKE__ZONE": zone})
