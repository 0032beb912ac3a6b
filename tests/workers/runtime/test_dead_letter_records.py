"""A dead letter is the original record, says where it came from, and always fits."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.deadletters import dead_letter
from workers.runtime.kafka_sink import check_size
from workers.runtime.records import DeadLetter, Headers, Output, Records

LIMIT = 64 << 10


def letter_of(
    value: bytes | None, key: bytes | None = b"k", headers: Headers | None = None, message: str = "why"
) -> Output:
    offsets = np.array([41, 42], np.int64)
    records = Records("events", 7, offsets, offsets, [None, key], [b"", value], [None, headers])
    return dead_letter(DeadLetter(1, "bad_value", message), records, "dead", "windows", 4, LIMIT)


def test_it_keeps_the_original_bytes_key_and_headers_and_adds_where_it_came_from() -> None:
    letter = letter_of(b"\x00garbage", b"entity", [("trace", b"1")])
    assert (letter.topic, letter.key, letter.value, letter.partition) == ("dead", b"entity", b"\x00garbage", 3)
    assert list(letter.headers) == [
        ("trace", b"1"),
        ("faultline-source-topic", b"events"),
        ("faultline-source-partition", b"7"),
        ("faultline-source-offset", b"42"),
        ("faultline-stage", b"windows"),
        ("faultline-error-class", b"bad_value"),
        ("faultline-error-message", b"why"),
    ]


def test_nothing_stays_nothing() -> None:
    assert letter_of(None, None).value is None
    assert letter_of(None, None).key is None


def test_a_record_larger_than_the_topic_takes_is_cut_and_says_so() -> None:
    value = bytes(range(256)) * 1024
    letter = letter_of(value)
    assert letter.value is not None
    assert value.startswith(letter.value)
    assert len(letter.value) > LIMIT - 8192
    assert ("faultline-truncated", b"262144") in letter.headers


@given(
    st.integers(0, 3 * LIMIT), st.integers(0, 2 * LIMIT), st.integers(0, 2 * LIMIT), st.integers(0, 20_000), st.text()
)
def test_every_dead_letter_fits_whatever_it_is_made_of(
    value: int, key: int, header: int, repeat: int, message: str
) -> None:
    letter = letter_of(b"v" * value, b"k" * key, [("h", b"h" * header)], message * repeat)
    check_size(letter, {"dead": LIMIT})
