"""What producers can do wrong: storms of garbage, huge records, unknown schemas. The neighbours notice nothing."""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from collections.abc import Iterator
from functools import partial

import orjson
import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.support.broker import Broker, Record
from tests.support.installation import Installation, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.support.requests import EVENTS, LETTERS, Requests
from tests.support.undisturbed import assert_undisturbed, settle, vectors, wanted

pytestmark = pytest.mark.integration

MIB = 1 << 20
STORM = 30_000
ROOM = 160 * MIB
"""What a worker may take more while poison storms in: its queue, a batch, and a transaction of dead letters."""


@pytest.fixture
def faultline(kafka: Broker, redis_server: RedisAt) -> Iterator[Installation]:
    quiet = {"FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0"}
    with Installation(kafka, redis_server, partitions=1, settings=quiet) as installation:
        yield installation


def test_a_storm_of_poison_becomes_dead_letters_and_the_neighbours_are_untouched(faultline: Installation) -> None:
    traffic = Requests(faultline)
    traffic.write(5)
    worker = _started(faultline)
    settle(faultline)
    calm = psutil.Process(worker.pid).memory_info().rss
    storm = list(_storm(random.Random(5)))
    for part in range(5):
        faultline.kafka.produce(faultline.topic(EVENTS), storm[part::5])
        traffic.write(5)
    settle(faultline, 120)
    assert psutil.Process(worker.pid).memory_info().rss - calm < ROOM
    letters = wanted(faultline).letters[0]
    assert len(letters) == STORM
    kinds = Counter(kind for _, _, kind in letters)
    assert {"unknown_form", "unknown_schema", "malformed", "invalid", "null_value", "skewed"} == kinds.keys(), kinds
    assert_undisturbed(faultline)


def test_a_record_of_ten_megabytes_is_a_dead_letter_cut_to_what_its_topic_takes(faultline: Installation) -> None:
    _alter(faultline, EVENTS, "max.message.bytes", str(12 * MIB))
    traffic = Requests(faultline)
    traffic.write(5)
    worker = _started(faultline)
    settle(faultline)
    event = {"timestamp": "2026-03-02T09:04:59Z", "entity": "cart", "kind": "api"}
    huge = [orjson.dumps({**event, "attributes": {"path": "x" * 10 * MIB}}), b"{" + os.urandom(10 * MIB - 1)]
    # A field that nobody asked for is passed over, however long it is: this one is an event.
    _produce_large(faultline, [*huge, orjson.dumps({**event, "note": "x" * 10 * MIB})])
    traffic.write(5)
    settle(faultline, 60)
    assert worker.running
    letters = faultline.records(LETTERS)
    assert [int(dict(letter.headers)["faultline-truncated"]) for letter in letters] == [len(value) for value in huge]
    for letter, value in zip(letters, huge, strict=True):
        assert letter.value
        assert value.startswith(letter.value)
        assert len(letter.value) > MIB // 2
    assert [kind for _, _, kind in wanted(faultline).letters[0]] == ["too_large", "malformed"]
    assert vectors(faultline) == wanted(faultline).vectors


def _storm(chance: random.Random) -> Iterator[Record]:
    """Bytes of all kinds that are no event; every key is one that also sends good ones."""
    event = b'{"timestamp":"2026-03-02T09:01:00Z","entity":"cart","kind":"api","metrics":{"latency_ms":1}}'
    kinds = (
        lambda: chance.randbytes(chance.randint(1, 4_000)),
        lambda: event[: chance.randint(1, len(event) - 1)],
        lambda: b"\xc3\x01" + chance.randbytes(8) + chance.randbytes(40),  # Avro by an unknown fingerprint
        lambda: b"\x00" + struct.pack(">I", chance.randint(1, 1 << 30)) + b"x" * 20,  # Confluent by an unknown id
        lambda: event.replace(b"cart", b""),
        lambda: event.replace(b"2026-03-02T09:01:00Z", b"yesterday"),
        lambda: event.replace(b"2026", b"1970"),
        lambda: event.replace(b'"api"', b"{}"),
        lambda: b"",
        lambda: b"[" * 2_000,
    )
    for number in range(STORM):
        yield Record(kinds[number % len(kinds)](), b"cart")


def _started(faultline: Installation) -> Daemon:
    worker = faultline.start("windows")
    worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
    return worker


def _produce_large(faultline: Installation, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": faultline.kafka.bootstrap_servers, "message.max.bytes": 16 * MIB})
    told: list[object] = []
    for value in values:
        producer.produce(faultline.topic(EVENTS), value, b"cart", on_delivery=lambda error, _: told.append(error))
    assert producer.flush(60) == 0
    assert told == [None] * len(values)


def _alter(faultline: Installation, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, faultline.topic(topic), incremental_configs=[entry])
    for future in faultline.kafka.admin.incremental_alter_configs([resource]).values():
        future.result(timeout=10)
