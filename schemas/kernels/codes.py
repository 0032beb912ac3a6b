"""What a kernel says about a datum that it cannot take: one number for the reason and the field."""

from __future__ import annotations

from typing import Final

from schemas.faults import INVALID, MALFORMED, TOO_LARGE

TRUNCATED: Final = -1
TRAILING: Final = -2
BAD_VARINT: Final = -3
BAD_LENGTH: Final = -4
BAD_UNION: Final = -5
BAD_COUNT: Final = -6
BAD_BLOCK: Final = -7
BAD_UTF8: Final = -8
BAD_BOOLEAN: Final = -9
NOT_FINITE: Final = -10
EMPTY: Final = -11
BAD_TYPE: Final = -12
BAD_TIME: Final = -13
NOT_POSITIVE: Final = -14
BUCKETS_DIFFER: Final = -15
NOT_ASCENDING: Final = -16
NEGATIVE: Final = -17
LONG_TEXT: Final = -18
TOO_MANY: Final = -19
NAMES_DIFFER: Final = -20
INFINITE: Final = -21
BAD_TAG: Final = -22
BAD_BOUNDS: Final = -23
NO_DISTRIBUTION: Final = -24
SPANS_DIFFER: Final = -25

REASONS: Final = 32
"""Reasons there is room for: a failure is reason - REASONS · field."""

TEXTS: Final = {
    TRUNCATED: (MALFORMED, "the record ends in the middle of it"),
    TRAILING: (MALFORMED, "bytes are left over behind the last field"),
    BAD_VARINT: (MALFORMED, "a number of more than 64 bits"),
    BAD_LENGTH: (MALFORMED, "a length that is negative or reaches past the record's end"),
    BAD_UNION: (MALFORMED, "a union branch that does not exist"),
    BAD_COUNT: (MALFORMED, "an array of more entries than the record has bytes"),
    BAD_BLOCK: (MALFORMED, "an array block that is not as long as it says"),
    BAD_UTF8: (MALFORMED, "not UTF-8"),
    BAD_BOOLEAN: (MALFORMED, "a boolean that is neither 0 nor 1"),
    NOT_FINITE: (INVALID, "expected a finite number, got NaN or infinity"),
    EMPTY: (INVALID, "must not be empty"),
    BAD_TYPE: (INVALID, "expected gauge, counter, delta or rate"),
    BAD_TIME: (INVALID, "a time outside the years 1 to 9999 (microseconds since 1970 are expected)"),
    NOT_POSITIVE: (INVALID, "must be above 0"),
    BUCKETS_DIFFER: (INVALID, "expected one count more than there are bounds"),
    NOT_ASCENDING: (INVALID, "bounds must ascend"),
    NEGATIVE: (INVALID, "must not be negative"),
    LONG_TEXT: (TOO_LARGE, "longer than the limit of bytes"),
    TOO_MANY: (TOO_LARGE, "more entries than the limit"),
    INFINITE: (INVALID, "expected a finite number or NaN, got infinity"),
    BAD_TAG: (MALFORMED, "bytes that are no field of a message"),
    NO_DISTRIBUTION: (INVALID, "expected delta or counter"),
    BAD_BOUNDS: (INVALID, "exponential buckets that no double can bound"),
    SPANS_DIFFER: (INVALID, "spans that do not fit the buckets' counts or bounds"),
    NAMES_DIFFER: (INVALID, "expected as many names as values, or none"),
}
"""Error class and text of every reason."""


def explain(code: int, fields: tuple[str, ...]) -> tuple[str, str]:
    """Error class and message of a failure; `fields` are the names that the kernel's field numbers stand for."""
    field, reason = divmod(-code, REASONS)
    error_class, text = TEXTS[-reason]
    return error_class, f"{fields[field]}: {text}"
