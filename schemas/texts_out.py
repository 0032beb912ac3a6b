"""Texts on their way out: distinct strings encoded once, one buffer cut into values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Strings


class EncodedTexts:
    """Distinct texts as Avro strings, length in front, numbered from 0 through all columns put in."""

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._encoded: list[bytes] = []
        self.add(first)

    def add(self, texts: Sequence[str]) -> int:
        """Put texts in; the number of the first."""
        before = len(self._encoded)
        self._encoded += [_length(len(encoded)) + encoded for encoded in map(str.encode, texts)]
        return before

    def codes(self, column: Strings) -> NDArray[np.int64]:
        """Put a column's texts in; the numbers of its rows' texts, -1 for null."""
        before = self.add(column.values)
        return np.where(column.codes < 0, np.int64(-1), column.codes + np.int64(before))

    def joined(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """All texts end to end, and their edges."""
        edges = np.zeros(len(self._encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, self._encoded), np.int64, len(self._encoded)), out=edges[1:])
        return np.frombuffer(b"".join(self._encoded), np.uint8), edges


def _length(size: int) -> bytes:
    """Avro's zigzag variable-length integer of a size."""
    bits = size << 1
    out = bytearray()
    while bits >= 0x80:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    out.append(bits)
    return bytes(out)


def sliced(out: NDArray[np.uint8], starts: NDArray[np.int64]) -> list[bytes]:
    """The values that lie in one buffer from `starts[i]` up to `starts[i + 1]`."""
    raw = out.tobytes()
    return [raw[start:end] for start, end in pairwise(starts.tolist())]
