"""Values that producers compressed themselves, told by their first bytes and unpacked within a bound.

gzip (RFC 1952), zstd (RFC 8878), LZ4 frames, and snappy in its framing format or in the blocks of the Java library
(`xerial`). Snappy without any frame has no mark of its own; the formats that use it unpack it with `block`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cramjam
import numpy as np

from schemas.faults import MALFORMED, TOO_LARGE, Unreadable

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
"""The mark, the version and the oldest version that can read it, four bytes each."""

_FORMS: dict[bytes, tuple[str, Callable[[Any, Any], int]]] = {
    b"\x1f\x8b": ("gzip", cramjam.gzip.decompress_into),
    b"\x28\xb5\x2f\xfd": ("zstd", cramjam.zstd.decompress_into),
    b"\x04\x22\x4d\x18": ("LZ4", cramjam.lz4.decompress_into),
    b"\xff\x06\x00\x00sNaPpY": ("snappy", cramjam.snappy.decompress_into),
}
_NO_ROOM = "failed to write whole buffer"
"""What the library says, whatever the form, when the buffer that it was given is full."""

MARKS = (*_FORMS, _XERIAL)
FIRST_BYTES = frozenset(mark[0] for mark in MARKS)
"""A value that begins with none of these is not packed."""


def unpacked(value: bytes, most: int) -> bytes:
    """What is inside, or `value` itself where it is not packed. What is inside is not looked into again.

    Raises `Unreadable`: `too_large` above `most` bytes, which are never exceeded in memory; `malformed` for damage.
    """
    if not value or value[0] not in FIRST_BYTES:
        return value
    if value.startswith(_XERIAL):
        return _blocks(value, most)
    for mark, (name, read) in _FORMS.items():
        if value.startswith(mark):
            return _whole(name, read, value, most)
    return value


def block(value: bytes, most: int, what: str) -> bytes:
    """A block of snappy without a frame, which says its size in front. Raises `Unreadable` as `unpacked` does."""
    try:
        size = cramjam.snappy.decompress_raw_len(value)
        if size > most:
            raise Unreadable(TOO_LARGE, too_large(size, most, what))
        room = np.empty(size, np.uint8)
        read: Callable[[Any, Any], int] = cramjam.snappy.decompress_raw_into
        found = read(value, room)
    except cramjam.DecompressionError as error:
        raise Unreadable(MALFORMED, f"{what} is no snappy: {error}") from None
    return room[:found].tobytes()


def block_size(value: bytes) -> int:
    """How many bytes a block of snappy says that it holds; 0 where it cannot be told."""
    try:
        size: int = cramjam.snappy.decompress_raw_len(value)
    except cramjam.DecompressionError:
        return 0
    return size


def too_large(size: int | None, most: int, what: str) -> str:
    """The message for what would become larger than `most` bytes; `size` None where nobody knows by how much."""
    have = f"{size:,}" if size is not None else f"more than {most:,}"
    return (
        f"{what} unpacks to {have} bytes, and at most {most:,} are taken; send smaller records, "
        "or raise FAULTLINE_INTAKE__MAX_UNPACKED_BYTES"
    )


def _whole(name: str, read: Callable[[Any, Any], int], value: bytes, most: int) -> bytes:
    room = np.empty(most, np.uint8)  # memory is taken by the pages that are written to, and no others
    try:
        found = read(value, room)
    except cramjam.DecompressionError as error:
        if _NO_ROOM in str(error):
            raise Unreadable(TOO_LARGE, too_large(None, most, f"the {name} value")) from None
        raise Unreadable(MALFORMED, f"the value begins as {name} and cannot be unpacked: {error}") from None
    return room[:found].tobytes()


def _blocks(value: bytes, most: int) -> bytes:
    """Snappy blocks of the Java library, each behind its length: four bytes, big endian."""
    what = "the snappy value"
    parts, at, size = [], _XERIAL_HEADER, 0
    while at < len(value):
        start = at + 4
        at = start + int.from_bytes(value[at:start], "big")
        if at > len(value) or start > len(value):
            raise Unreadable(MALFORMED, f"{what} is cut off")
        parts.append(block(value[start:at], most - size, what))
        size += len(parts[-1])
    return b"".join(parts)
