"""From a message to its masked words: what changes from line to line becomes `<*>`, the rest stays as it is.

Of a message the first line counts, up to `MAX_BYTES` and `MAX_WORDS`. A word is what stands between spaces; inside of
it the marks ``= , ; : / | ( ) [ ] { } < > " ' ` `` part pieces. A piece is masked that holds a digit, is eight or more
letters of a hexadecimal number, or is longer than `MAX_PIECE`; masked pieces with only `:`, `,` or `;` between them
become one. So `GET /cart/17 from 10.0.0.1:8080 took 12 ms` is `GET /cart/<*> from <*> took <*> ms`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

MASK = "<*>"
VERSION = 1
"""Changes with the rules: templates hold for the rules that they were mined by."""

MAX_BYTES = 1_024
MAX_WORDS = 32
MAX_PIECE = 48

_HEX = 8
_PIECE, _SPACE, _MARK, _END = 0, 1, 2, 3


def _classes() -> NDArray[np.uint8]:
    found = np.full(256, _PIECE, np.uint8)
    found[[*range(33), 127]] = _SPACE
    found[[10, 13]] = _END
    found[list(b"=,;:/|()[]{}<>\"'`")] = _MARK
    return found


_CLASS = _classes()
_DIGIT = np.array([48 <= byte <= 57 for byte in range(256)])
_HEXADECIMAL = np.array([chr(byte) in "0123456789abcdefABCDEF" for byte in range(256)])
_JOINING = np.array([byte in b":,;" for byte in range(256)])


def mask(texts: Sequence[str]) -> list[bytes]:
    """Each text's masked words in UTF-8, one space between two of them; empty where a text has no word."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=starts[1:])
    source = np.frombuffer(b"".join(encoded), np.uint8)
    out = np.empty(3 * len(source) + 8, np.uint8)
    ends = _mask_all(source, starts, out)
    masked, at = out.tobytes(), [0, *ends.tolist()]
    return [masked[at[i] : at[i + 1]] for i in range(len(encoded))]


def words(masked: bytes) -> list[str]:
    """The words of a masked text, for people and for templates."""
    return masked.decode("utf-8", "replace").split(" ") if masked else []


@njit(cache=True)
def _mask_all(source: NDArray[np.uint8], starts: NDArray[np.int64], out: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Write the masked texts one behind the other; where each ends."""
    ends = np.empty(len(starts) - 1, np.int64)
    at = 0
    for i in range(len(starts) - 1):
        at = _mask_one(source, starts[i], starts[i + 1], out, at)
        ends[i] = at
    return ends


@njit(cache=True)
def _mask_one(source: NDArray[np.uint8], start: int, stop: int, out: NDArray[np.uint8], at: int) -> int:
    cut = stop - start > MAX_BYTES
    stop = min(stop, start + MAX_BYTES)
    i = start
    while i < stop and _CLASS[source[i]] in (_SPACE, _END):
        i += 1
    first, count = at, 0
    while i < stop and count < MAX_WORDS and _CLASS[source[i]] != _END:
        word, begin = at, i
        if at > first:
            out[at] = 32
            at += 1
        at, i = _mask_word(source, i, stop, out, at)
        count += 1
        if i == stop and cut and begin > start:
            at = word  # cut in the middle: what is left of the word depends on what stood before it
        while i < stop and _CLASS[source[i]] == _SPACE:
            i += 1
    return at


@njit(cache=True)
def _mask_word(source: NDArray[np.uint8], i: int, stop: int, out: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Write the word that begins at i; the ends of what was written and of what was read."""
    masked = -1  # where the last masked piece of the word ends, while only joining marks have followed
    while i < stop:
        kind = _CLASS[source[i]]
        if kind in (_SPACE, _END):
            break
        if kind == _MARK:
            if not _JOINING[source[i]]:
                masked = -1
            out[at] = source[i]
            at += 1
            i += 1
            continue
        begin, digits, hexadecimal = i, False, True
        while i < stop and _CLASS[source[i]] == _PIECE:
            digits |= _DIGIT[source[i]]
            hexadecimal &= _HEXADECIMAL[source[i]]
            i += 1
        if digits or (hexadecimal and i - begin >= _HEX) or i - begin > MAX_PIECE:
            if masked >= 0:
                at = masked
            else:
                out[at], out[at + 1], out[at + 2] = 60, 42, 62
                at += 3
            masked = at
        else:
            for j in range(begin, i):
                out[at] = source[j]
                at += 1
            masked = -1
    return at, i
