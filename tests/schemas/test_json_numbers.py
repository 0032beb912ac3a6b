"""Compiled JSON numbers are the nearest doubles, bit for bit, or are left alone."""

from __future__ import annotations

import struct

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.kernels.compiled import kernel
from schemas.kernels.numbers import read_number
from schemas.kernels.text import PADDING


@kernel
def compiled_number(buf: np.ndarray, end: int, bits: np.ndarray) -> int:
    """`read_number`, which kernels call, as something that tests can."""
    return int(read_number(buf, np.int64(0), end, bits))


def compiled(text: str) -> bytes | None:
    """The eight bytes of the double; None where the number is left to a parser or does not end with the text."""
    bits = np.zeros(1, np.uint64)
    if compiled_number(np.frombuffer(text.encode() + PADDING, np.uint8), len(text), bits) != len(text):
        return None
    return bits.tobytes()


def nearest(text: str) -> bytes:
    return struct.pack("<d", float(orjson.loads(text)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shortest_representations_read_back(number: float) -> None:
    found = compiled(repr(number))
    assert found in (None, struct.pack("<d", number))
    if 1e-40 < abs(number) < 1e40:
        assert found is not None


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,19})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
@example("9007199254740993")  # halfway between two doubles
@example("9007199254740992.5")
@example("179769313486231580793e289")
@example("5708990770823839207320493820740630171355185e-18")
@example("0.000000000000000000000000000000000001")
@example("1e23")
@example("8.5e-24")
def test_any_number_is_read_as_a_real_parser_does(text: str) -> None:
    found = compiled(text)
    if found is not None:
        assert found == nearest(text)


@given(st.integers(0, (1 << 53) - 1), st.integers(-60, 40))
def test_numbers_just_beside_the_middle_of_two_doubles(mantissa: int, exponent: int) -> None:
    """The hardest cases: the exact middle, cut to 19 digits, and its neighbours."""
    middle = (2 * mantissa + 1) * 10**70 * 2 ** (exponent + 70) >> 70
    digits = str(middle)[:18]
    for last in "0123456789":
        text = f"{digits}{last}e{len(str(middle)) - 89}"
        assert compiled(text) in (None, nearest(text))


@pytest.mark.parametrize(
    "text", ["", "-", "01", "-01", "1.", ".5", "+1", "1e", "1e+", "0x10", "NaN", "Infinity", "1e400", "-1e400", "1_000"]
)
def test_what_is_no_number_is_left_alone(text: str) -> None:
    assert compiled(text) is None


def test_zeros_keep_the_sign_that_a_parser_gives_them() -> None:
    for text in ("0", "-0", "0.0", "-0.0", "-0e0", "0e5", "-0.000"):
        assert compiled(text) == nearest(text)
