"""Snappy blocks, as Prometheus sends them."""

from __future__ import annotations

import pyarrow


def unpacked(block: bytes) -> bytes:
    """The content of a block, whose first bytes say how long it is."""
    size = shift = at = 0
    while True:
        byte = block[at]
        size |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    content: bytes = pyarrow.decompress(block, decompressed_size=size, codec="snappy").to_pybytes()
    return content
