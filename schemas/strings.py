"""Columns of texts: spans of bytes to dictionary-encoded strings."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Strings
from schemas.kernels.compiled import Int
from schemas.kernels.interning import intern

SECRET = np.array([secrets.randbits(63), secrets.randbits(63)], np.int64)


def distinct(
    raw: bytes, buf: NDArray[np.uint8], table: NDArray[np.int64], column: Int
) -> tuple[NDArray[np.int32], list[bytes]]:
    """The spans in columns `column` and `column + 1` as codes and distinct byte strings, in order of first occurrence.

    A length of -1 is null, with code -1.
    """
    # Contiguous: numba would compile anew for a column of one row, which numpy calls contiguous, and for a longer one.
    starts, lengths = np.ascontiguousarray(table[:, column]), np.ascontiguousarray(table[:, column + 1])
    codes, first = intern(buf, starts, lengths, SECRET)
    begin = starts[first]
    spans = zip(begin.tolist(), (begin + lengths[first]).tolist(), strict=True)
    return codes, [raw[start:end] for start, end in spans]


def strings(raw: bytes, buf: NDArray[np.uint8], table: NDArray[np.int64], column: Int) -> Strings:
    """The same for spans that hold valid UTF-8, as a column of strings."""
    codes, spans = distinct(raw, buf, table, column)
    return Strings(codes, list(map(bytes.decode, spans)))
