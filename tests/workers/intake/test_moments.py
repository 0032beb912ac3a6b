"""Times as producers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.moments import reader
from workers.intake.time_columns import times_of

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


@given(
    st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), min_size=1, max_size=5),  # noqa: DTZ001
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    st.sampled_from(["Z", "+00:00"]),
)
def test_a_column_of_times_is_read_as_each_of_them(moments: list[datetime], precision: str, zone: str) -> None:
    texts = [moment.isoformat(timespec=precision) + zone for moment in moments]
    found = times_of(texts)
    assert found is not None
    assert found.tolist() == [reader("rfc3339")(text) for text in texts]


SHAPES = st.from_regex(
    r"[0-9]{4}-[0-9]{2}-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,9})?Z", fullmatch=True
)


@given(SHAPES | st.text(max_size=30))
def test_a_column_takes_no_text_that_would_be_refused_alone(text: str) -> None:
    found = times_of([text])
    if found is not None:
        assert found.tolist() == [reader("rfc3339")(text)]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-03-01T12:00:00Z", 5],
        ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.5Z"],
        ["2026-03-01T12:00:00+02:00"],
        ["2026-02-29T12:00:00Z"],
        ["2026-03-01T24:00:00Z"],
        ["2026-13-01T12:00:00Z"],
        ["0000-01-01T12:00:00Z"],
        ["2026-03-01T12:00:0\u0661Z"],
        [None],
        [],
    ],
)
def test_what_is_not_alike_or_no_time_is_left_to_be_read_one_by_one(values: list[object]) -> None:
    assert times_of(values) is None
