"""Keys live where every Java client and librdkafka's murmur2 partitioner would put them."""

from __future__ import annotations

import numpy as np
from confluent_kafka import KafkaError, Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.partitioning import murmur2, partitions_of

JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Hashes from the tests of Kafka's own client (signed, as Java shows them)."""


def by_definition(key: bytes) -> int:
    """MurmurHash2 with arbitrary integers, as a second opinion."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if whole < len(key):
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_hashes_are_those_of_the_java_client() -> None:
    assert murmur2(list(JAVA)).view(np.int32).tolist() == list(JAVA.values())


@given(st.lists(st.binary(max_size=40)))
def test_hashes_of_a_batch_are_those_of_its_keys(keys: list[bytes]) -> None:
    assert murmur2(keys).tolist() == [by_definition(key) for key in keys]


@given(st.lists(st.binary(max_size=40), min_size=1), st.integers(1, 1_000))
def test_partitions_are_the_positive_hash_modulo_the_count(keys: list[bytes], partitions: int) -> None:
    expected = [(by_definition(key) & 0x7FFFFFFF) % partitions for key in keys]
    assert partitions_of(keys, partitions).tolist() == expected


def test_a_producer_with_the_murmur2_partitioner_sends_keys_to_the_same_partitions() -> None:
    producer = Producer({"test.mock.num.brokers": 1, "partitioner": "murmur2_random", "log_level": 2})
    topic = "events"
    count = len(producer.list_topics(topic, timeout=10).topics[topic].partitions)
    assert count > 1
    keys = [f"prod/shop/svc-{n}".encode() for n in range(200)]
    sent: dict[bytes, int] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        key, partition = message.key(), message.partition()
        assert isinstance(key, bytes)
        assert partition is not None
        sent[key] = partition

    for key in keys:
        producer.produce(topic, key=key, value=b"x", on_delivery=delivered)
    assert producer.flush(20) == 0
    assert [sent[key] for key in keys] == partitions_of(keys, count).tolist()
