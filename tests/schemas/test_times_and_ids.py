"""Times and ids that every process gives alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import stable_id
from schemas.kernels.clock import NO_TIME, read_time
from schemas.kernels.compiled import kernel
from schemas.kernels.text import PADDING
from schemas.times import MAX_TIME, MIN_TIME, format_time, format_times, micros_of, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@kernel
def compiled_time(buf: np.ndarray, length: int) -> int:
    """`read_time`, which kernels call, as something that tests can."""
    return int(read_time(buf, np.int64(0), length))


def compiled(text: str) -> int | None:
    """What the kernel says; None where it leaves the text to `parse_time`."""
    raw = text.encode()
    found = compiled_time(np.frombuffer(raw + PADDING, np.uint8), len(raw))
    return None if found == NO_TIME else found


@given(st.datetimes(timezones=offsets, min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)))  # noqa: DTZ001
def test_any_offset_names_the_same_instant(time: datetime) -> None:
    micros = (time - EPOCH) // timedelta(microseconds=1)
    assert parse_time(time.isoformat()) == compiled(time.isoformat()) == micros == micros_of(time)


@given(st.integers(MIN_TIME, MAX_TIME))
def test_what_is_written_reads_back(micros: int) -> None:
    text = format_time(micros)
    assert (len(text), text[-1]) == (27, "Z")
    assert parse_time(text) == compiled(text) == micros
    assert format_times(np.array([micros])) == [text]


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,9})?(Z|[+-][0-9]{2}:[0-9]{2})?",
        fullmatch=True,
    )
)
def test_the_kernel_agrees_with_the_parser_or_leaves_it_to_it(text: str) -> None:
    found = compiled(text)
    if found is not None:
        assert found == parse_time(text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2026-03-01t12:00:00z", 1_772_366_400_000_000),
        ("2026-03-01 12:00:00+00:00", 1_772_366_400_000_000),
        ("2026-03-01T13:30:00+01:30", 1_772_366_400_000_000),
        ("2026-03-01T12:00:00.5Z", 1_772_366_400_500_000),
        ("2026-03-01T12:00:00.1234569Z", 1_772_366_400_123_456),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("0001-01-01T00:00:00Z", MIN_TIME),
        ("9999-12-31T23:59:59.999999Z", MAX_TIME),
    ],
)
def test_known_instants(text: str, micros: int) -> None:
    assert parse_time(text) == micros
    assert compiled(text) in (micros, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-03-01T12:00:00", "says no offset: write 2026-03-01T12:00:00Z for UTC"),
        ("2026-02-29T12:00:00Z", "no time"),
        ("2026-13-01T12:00:00Z", "no time"),
        ("2026-03-01T24:00:00Z", "no time"),
        ("2026-03-01T12:00:00+24:00", "no such offset"),
        ("0001-01-01T00:00:00+01:00", "outside the years 1 to 9999"),
        ("0000-01-01T00:00:00Z", "no time"),
        ("1772366400000", "no RFC 3339 time"),
        ("٢٠٢٦-03-01T12:00:00Z", "no RFC 3339 time"),
        ("2026-03-01T12:00:00.Z", "no RFC 3339 time"),
        ("", "no RFC 3339 time"),
    ],
)
def test_what_is_no_time_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("+", r"\+")):
        parse_time(text)
    assert compiled(text) is None


def test_messages_stay_short() -> None:
    with pytest.raises(ValueError, match="no such offset") as error:
        parse_time("2026-03-01T12:00:00." + "1" * 100_000 + "+24:00")
    assert len(str(error.value)) < 200


def test_times_that_nobody_can_show_are_refused() -> None:
    for time in (MIN_TIME - 1, MAX_TIME + 1):
        with pytest.raises(ValueError, match="years 1 to 9999"):
            format_time(time)
        with pytest.raises(ValueError, match="years 1 to 9999"):
            format_times(np.array([0, time]))
    with pytest.raises(ValueError, match="no time zone"):
        micros_of(datetime(2026, 1, 1))  # noqa: DTZ001


def test_ids_are_pinned() -> None:
    from hashlib import blake2b

    assert stable_id() == blake2b(b"", digest_size=16).hexdigest()
    assert stable_id("a", 1) == blake2b(b"a\x1f1", digest_size=16).hexdigest() == stable_id("a", "1")
    assert stable_id("é", -5) == blake2b("é\x1f-5".encode(), digest_size=16).hexdigest()
    assert stable_id("shop/checkout", "service", 1_767_225_600_000_000) == "9ba4e709ab6f5a2092f086780eb1a4a6"
