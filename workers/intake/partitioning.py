"""Which partition a key lives in: the murmur2 of Kafka's default partitioner, over a whole batch of keys at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray


def partitions_of(keys: Sequence[bytes], partitions: int) -> NDArray[np.int32]:
    """The partition of each key in a topic of so many: `toPositive(murmur2(key)) % partitions`, as Java clients do."""
    return ((murmur2(keys) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.int32)


def murmur2(keys: Sequence[bytes]) -> NDArray[np.uint32]:
    """32-bit MurmurHash2 of each key, with the seed that Kafka's clients use."""
    starts = np.zeros(len(keys) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, keys), np.int64, len(keys)), out=starts[1:])
    found = np.empty(len(keys), np.uint32)
    _hash_all(np.frombuffer(b"".join(keys), np.uint8), starts, found)
    return found


@njit(cache=True)
def _hash_all(buffer: NDArray[np.uint8], starts: NDArray[np.int64], found: NDArray[np.uint32]) -> None:
    for key in range(len(found)):
        found[key] = _hash(buffer, starts[key], starts[key + 1])


@njit(cache=True)
def _hash(buffer: NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    # In 64 bits with a mask after every product: numba would otherwise widen 32-bit arithmetic on its own.
    mask, m = np.uint64(0xFFFFFFFF), np.uint64(0x5BD1E995)
    h = (np.uint64(0x9747B28C) ^ np.uint64(stop - start)) & mask
    whole = start + (stop - start) // 4 * 4
    for at in range(start, whole, 4):
        k = (
            np.uint64(buffer[at])
            | np.uint64(buffer[at + 1]) << np.uint64(8)
            | np.uint64(buffer[at + 2]) << np.uint64(16)
            | np.uint64(buffer[at + 3]) << np.uint64(24)
        )
        k = k * m & mask
        k = (k ^ (k >> np.uint64(24))) * m & mask
        h = (h * m & mask) ^ k
    if whole < stop:
        for at in range(stop - 1, whole - 1, -1):
            h ^= np.uint64(buffer[at]) << np.uint64(8 * (at - whole))
        h = h * m & mask
    h = (h ^ (h >> np.uint64(13))) * m & mask
    return h ^ (h >> np.uint64(15))
