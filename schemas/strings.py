"""Columns of texts: spans of bytes to dictionary-encoded strings."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Strings
from schemas.kernels.compiled import Int
from schemas.kernels.interning import intern

_SECRET = np.array([secrets.randbits(63), secrets.randbits(63)], np.int64)


def strings(raw: bytes, buf: NDArray[np.uint8], table: NDArray[np.int64], column: Int) -> Strings:
    """The spans in columns `column` and `column + 1`, which hold valid UTF-8; a length of -1 is null.

    `values` are in the order in which they first occur.
    """
    starts, lengths = table[:, column], table[:, column + 1]
    codes, first = intern(buf, starts, lengths, _SECRET)
    begin = starts[first]
    spans = zip(begin.tolist(), (begin + lengths[first]).tolist(), strict=True)
    return Strings(codes, [raw[start:end].decode() for start, end in spans])
