"""Times as producers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.moments import reader

AT = 1_772_366_400_123_456
"""2026-03-01T12:00:00.123456Z"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T12:00:00.123456Z", AT),
        ("2026-03-01T12:00:00.123456789Z", AT),
        ("2026-03-01T14:00:00.123456+02:00", AT),
        ("2026-03-01 12:00:00.123456", AT),
        (1_772_366_400, AT // 1_000_000 * 1_000_000),
        (1_772_366_400.5, 1_772_366_400_500_000),
        (1_772_366_400_123, AT // 1_000 * 1_000),
        (AT, AT),
        (AT * 1_000 + 999, AT),
        ("1772366400123", AT // 1_000 * 1_000),
        ("1772366400.5", 1_772_366_400_500_000),
        (0, 0),
        ("1970-01-01T00:00:00Z", 0),
        ("2100-01-01T00:00:00Z", 4_102_444_800_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ],
)
def test_auto_reads_rfc3339_and_epochs_of_any_unit(value: object, expected: int) -> None:
    assert reader("auto")(value) == expected


@pytest.mark.parametrize("value", ["yesterday", "", "12:00", True, None, [], {}, float("nan"), 10**40, "inf", "nan"])
def test_what_is_no_time_is_refused_in_words(value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        reader("auto")(value)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@given(micros=st.integers(-(2**50), 2**50))
def test_whole_numbers_of_a_unit_are_exact(unit: str, micros: int) -> None:
    per_unit = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(unit)
    number = micros * 1_000 if per_unit is None else micros // per_unit
    assert reader(unit)(number) == (micros if per_unit is None else number * per_unit)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001
def test_every_time_that_can_be_written_is_read_back(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert reader("rfc3339")(aware.isoformat()) == reader("auto")(aware.isoformat())
    assert reader("auto")(aware.isoformat()) == reader("%Y-%m-%d %H:%M:%S.%f %z")(
        f"{aware:%Y}".zfill(4) + f"{aware:-%m-%d %H:%M:%S.%f %z}"
    )


def test_a_pattern_reads_what_web_servers_write() -> None:
    read = reader("%d/%b/%Y:%H:%M:%S %z")
    assert read("01/Mar/2026:13:00:00 +0100") == 1_772_366_400_000_000
    with pytest.raises(ValueError, match="correct it in the mapping"):
        read("2026-03-01")
