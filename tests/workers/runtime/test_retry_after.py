"""Waiting as long as a server asks for, and never longer than we would."""

from __future__ import annotations

import pytest

from workers.runtime.retry_after import waiting_time


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("12", 12.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("999999999", 300.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("", 1.0),
        ("soon", 1.0),
        ("-5", 1.0),
    ],
)
def test_numbers_and_dates_are_heeded_within_bounds(said: str, seconds: float) -> None:
    assert waiting_time(said, now=40.0, longest=300.0, otherwise=1.0) == seconds
