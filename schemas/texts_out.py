"""Texts on their way out: distinct strings encoded once, one buffer cut into values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Strings


class EncodedTexts:
    """Pieces of Avro, most of them distinct strings, numbered from 0 as they are put in."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._encoded: list[bytes] = []
        self.add(texts)

    def add(self, texts: Sequence[str]) -> int:
        """Put texts in; the number of the first."""
        before = len(self._encoded)
        self._encoded += map(text_bytes, texts)
        return before

    def add_piece(self, piece: bytes) -> None:
        """Put in what is encoded already."""
        self._encoded.append(piece)

    def codes(self, column: Strings) -> NDArray[np.int64]:
        """Put a column's texts in; the numbers of its rows' texts, -1 for null."""
        before = self.add(column.values)
        return np.where(column.codes < 0, np.int64(-1), column.codes + np.int64(before))

    def rows(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Put the distinct ones of a plain column in; the numbers of its rows' texts."""
        known: dict[str, int] = {}
        codes = [known.setdefault(text, len(known)) for text in texts]
        return np.array(codes, np.int64) + self.add(list(known))

    def joined(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """All pieces end to end, and their edges."""
        edges = np.zeros(len(self._encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, self._encoded), np.int64, len(self._encoded)), out=edges[1:])
        return np.frombuffer(b"".join(self._encoded), np.uint8), edges


def long_bytes(value: int) -> bytes:
    """Avro's zigzag variable-length integer."""
    bits = (value << 1) ^ (value >> 63)
    out = bytearray()
    while bits >= 0x80:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    out.append(bits)
    return bytes(out)


def text_bytes(text: str) -> bytes:
    """An Avro string."""
    encoded = text.encode()
    return long_bytes(len(encoded)) + encoded


def array_bytes(texts: Sequence[str]) -> bytes:
    """An Avro array of strings."""
    items = b"".join(map(text_bytes, texts))
    return long_bytes(len(texts)) + items + b"\0" if texts else b"\0"


def sliced(out: NDArray[np.uint8], starts: NDArray[np.int64]) -> list[bytes]:
    """The values that lie in one buffer from `starts[i]` up to `starts[i + 1]`."""
    raw = out.tobytes()
    return [raw[start:end] for start, end in pairwise(starts.tolist())]
