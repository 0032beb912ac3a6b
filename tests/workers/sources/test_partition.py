"""Where a key lives, as every Java client computes it."""

from __future__ import annotations

import pytest

from workers.sources.partition import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"abc", 479470107),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_murmur2_agrees_with_kafka(key: bytes, expected: int) -> None:
    """The values of Kafka's own test of its hash."""
    assert murmur2(key) == expected & 0xFFFFFFFF


def test_a_partition_is_the_hash_without_its_sign_modulo_the_count() -> None:
    assert partition_of(b"21", 7) == (-973932308 & 0x7FFFFFFF) % 7
    assert {partition_of(str(number).encode(), 5) for number in range(100)} == set(range(5))
