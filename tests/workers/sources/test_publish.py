"""Publishing to a real broker: every event once, in its entity's partition, in order, closed by a tick that counts."""

from __future__ import annotations

from functools import partial

import numpy as np
import orjson
import pytest

from schemas.columns import Events, Strings
from schemas.events import encode_events
from tests.support.broker import Broker, Record
from workers.progress import TICK_HEADER
from workers.sources.columns import metric_events
from workers.sources.ending import end_partitions
from workers.sources.partition import partition_of
from workers.sources.publish import Publisher, PublishError
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import Plan
from workers.sources.synthetic.truth import schedule

_as_json = partial(encode_events, form="json")

pytestmark = pytest.mark.integration

PLAN = Plan(days=0.02, entities=8, seed=1)


def _options(kafka: Broker) -> dict[str, object]:
    return {"bootstrap.servers": kafka.bootstrap_servers, "log_level": 2}


def _events(count: int, entity: str = "e") -> Events:
    times = np.arange(count, dtype=np.int64) * 1_000_000 + 10**15
    return metric_events(
        times, Strings(np.zeros(count, np.int32), (entity,)), "metric", "t", ["m"], np.ones((count, 1))
    )


def _ticks(records: list[Record]) -> list[Record]:
    return [record for record in records if record.headers]


def test_every_event_arrives_once_in_the_partition_of_its_entity_in_time_order(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=5)
    blocks = list(generate(schedule(PLAN)))
    with Publisher(_options(kafka), topic, _as_json) as publisher:
        for block in blocks:
            publisher.send(block)
    records = kafka.read(topic)
    assert len(records) == sum(map(len, blocks)) == publisher.delivery.sent
    for partition in range(5):
        values = [orjson.loads(r.value or b"") for r in records if r.partition == partition]
        assert [v["timestamp"] for v in values] == sorted(v["timestamp"] for v in values)
        assert {partition_of(v["entity"].encode(), 5) for v in values} <= {partition}
    assert all(record.key == orjson.loads(record.value or b"")["entity"].encode() for record in records)


def test_each_partition_written_to_is_closed_by_one_tick_that_names_the_record_before_it(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=6)
    with Publisher(_options(kafka), topic, _as_json) as publisher:
        for block in generate(schedule(PLAN)):
            publisher.send(block)
        assert publisher.end(20_000_000) == []
    records = kafka.read(topic)
    written = {record.partition for record in records if not record.headers}
    ticks = _ticks(records)
    assert sorted(tick.partition for tick in ticks) == sorted(written)
    for tick in ticks:
        mine = [record for record in records if record.partition == tick.partition]
        body = orjson.loads(tick.value or b"")
        last = orjson.loads(mine[-2].value or b"")
        assert mine[-1] is tick
        assert tick.key is None
        assert tick.headers == ((TICK_HEADER, b"end"),)
        assert body["as_of"] == tick.offset - 1
        gap = np.datetime64(body["time"].rstrip("Z")) - np.datetime64(last["timestamp"].rstrip("Z"))
        assert gap == np.timedelta64(20, "s")


def test_an_end_tick_on_an_empty_partition_names_no_record(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=1)
    assert end_partitions(_options(kafka), topic, {0: 10**15}) == []
    (tick,) = kafka.read(topic)
    assert orjson.loads(tick.value or b"") == {"time": "2001-09-09T01:46:40.000000Z", "as_of": -1}


def test_blocks_larger_than_the_queue_are_sent_whole(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=1)
    with Publisher(_options(kafka), topic, lambda events: [b"x"] * len(events)) as publisher:
        publisher.send(_events(150_000))
    assert len(kafka.read(topic)) == 150_000


def test_a_topic_that_does_not_exist_is_named_with_the_way_out(kafka: Broker) -> None:
    name = kafka.unique("missing")
    options = {**_options(kafka), "allow.auto.create.topics": False}
    with pytest.raises(PublishError, match="faultline topics create"):
        Publisher(options, name, _as_json, timeout=3)


def test_refused_records_are_counted_and_raised(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=1, config={"max.message.bytes": "2000"})
    publisher = Publisher({**_options(kafka), "compression.type": "none"}, topic, lambda e: [b"x" * 5000] * len(e))
    publisher.send(_events(3))
    with pytest.raises(PublishError, match="3 of 3 records were refused"):
        publisher.flush()


def test_no_broker_is_said_soon_and_in_words() -> None:
    with pytest.raises(PublishError, match="BOOTSTRAP_SERVERS"):
        Publisher({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, "t", _as_json, timeout=1)
