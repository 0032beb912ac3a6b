"""The tokens of plainly written JSON. What is not plain gives -1 and is left to a real parser."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import byte_at, is_utf8, literal, same, word_at

Bytes = NDArray[np.uint8]

NOT_PLAIN: Final = np.int64(-1)

QUOTE: Final = np.int64(0x22)
BACKSLASH: Final = np.int64(0x5C)
COLON: Final = np.int64(0x3A)
COMMA: Final = np.int64(0x2C)
OPEN_BRACE: Final = np.int64(0x7B)
CLOSE_BRACE: Final = np.int64(0x7D)
OPEN_BRACKET: Final = np.int64(0x5B)
CLOSE_BRACKET: Final = np.int64(0x5D)
NULL_BEGINS: Final = np.int64(0x6E)

_SPACE = 0x20
_TAB = 0x09
_NEWLINE = 0x0A
_RETURN = 0x0D
_NULL = literal(b"null")

_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_CONTROLS = np.uint64(0x2020202020202020)


@inlined
def skip_space(buf: Bytes, pos: Int, end: Int) -> Int:
    """The position of the next byte that is not white space, or `end`."""
    while pos < end:
        byte = byte_at(buf, pos)
        if byte > _SPACE or (byte != _SPACE and byte != _NEWLINE and byte != _RETURN and byte != _TAB):
            return pos
        pos += 1
    return pos


@inlined
def expect(buf: Bytes, pos: Int, end: Int, byte: Int) -> Int:
    """The position behind `byte`, before which there may be white space."""
    pos = skip_space(buf, pos, end)
    if pos < end and byte_at(buf, pos) == byte:
        return pos + 1
    return NOT_PLAIN


@inlined
def more(buf: Bytes, pos: Int, end: Int, close: Int) -> tuple[bool, Int]:
    """What follows an entry of an object or array: (whether it is a comma, position behind it or behind `close`)."""
    pos = skip_space(buf, pos, end)
    if pos < end:
        byte = byte_at(buf, pos)
        if byte == COMMA:
            return True, pos + 1
        if byte == close:
            return False, pos + 1
    return False, NOT_PLAIN


@inlined
def read_null(buf: Bytes, pos: Int, end: Int) -> Int:
    """The position behind `null`."""
    if end - pos >= 4 and same(buf, pos, np.int64(4), _NULL):
        return pos + 4
    return NOT_PLAIN


@outlined
def read_string(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int, Int]:
    """A string without escapes, behind white space: (first byte, length, position behind the closing quote)."""
    pos = expect(buf, pos, end, QUOTE)
    if pos < 0:
        return pos, pos, pos
    start = pos
    high = np.uint64(0)
    while pos + 8 <= end:
        word = word_at(buf, pos)
        if _stops(word):
            break
        high |= word
        pos += 8
    while pos < end:
        byte = byte_at(buf, pos)
        if byte == QUOTE:
            if high & _HIGHS != 0 and not is_utf8(buf, start, pos):
                return start, start, NOT_PLAIN
            return start, pos - start, pos + 1
        if byte == BACKSLASH or byte < _SPACE:
            break
        high |= np.uint64(byte)
        pos += 1
    return start, start, NOT_PLAIN


@inlined
def _stops(word: np.uint64) -> bool:
    """Whether a quote, a backslash or a control character may be among eight bytes (the known trick of subtraction)."""
    quote = word ^ _QUOTES
    backslash = word ^ _BACKSLASHES
    found = (quote - _ONES) & ~quote
    found |= (backslash - _ONES) & ~backslash
    found |= (word - _CONTROLS) & ~word
    return bool(found & _HIGHS != 0)
