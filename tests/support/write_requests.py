"""Remote-write requests written by hand: `prometheus.WriteRequest` in protobuf, in a block of snappy."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import cramjam


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(field: int, content: bytes) -> bytes:
    """A field with a length."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def labels(pairs: Mapping[str, str]) -> bytes:
    return b"".join(message(1, message(1, k.encode()) + message(2, v.encode())) for k, v in pairs.items())


def sample(value: float, ms: int) -> bytes:
    return message(2, double(1, value) + number(2, ms))


def series(pairs: Mapping[str, str], *samples: tuple[float, int]) -> bytes:
    """A series as a field of a request; samples are (value, epoch milliseconds)."""
    return message(1, labels(pairs) + b"".join(sample(*one) for one in samples))


def request(parts: Sequence[bytes]) -> bytes:
    """Fields of a request, packed."""
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))
