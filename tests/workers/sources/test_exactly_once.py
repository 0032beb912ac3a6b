"""A source's position and events in one transaction: whatever ends the process, nothing is lost and nothing doubled."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import orjson
import pytest
from confluent_kafka import Producer

from schemas.columns import Events, Strings
from schemas.events import encode_events
from tests.support.broker import Broker, Record
from tests.support.services import new_kafka
from workers.progress import TICK_HEADER
from workers.runtime.records import Output
from workers.sources.columns import metric_events
from workers.sources.exactly_once import ExactlyOnce, Place
from workers.sources.positions import Position, PositionLog
from workers.sources.publish import PublishError

pytestmark = pytest.mark.integration

BLOCK, BLOCKS = 50, 200

_CHILD = """
import sys
from tests.workers.sources.test_exactly_once import BLOCKS, block, encode
from workers.sources.exactly_once import ExactlyOnce, Place
server, topic, positions = sys.argv[1:]
with ExactlyOnce({"bootstrap.servers": server, "log_level": 2}, Place(topic, positions, "s"), encode) as source:
    print("begins", flush=True)
    for number in range(source.at or 0, BLOCKS):
        source.publish(block(number), number + 1)
        print(number, flush=True)
"""


def encode(events: Events) -> list[bytes]:
    return encode_events(events, form="json")


def block(number: int) -> Events:
    """Events numbered by their metric, of three entities."""
    first = number * BLOCK
    values = np.arange(first, first + BLOCK, dtype=np.float64)
    entity = Strings((np.arange(BLOCK) % 3).astype(np.int32), ("a", "b", "c"))
    return metric_events((values * 1e6).astype(np.int64) + 10**15, entity, "metric", "t", ["n"], values[:, None])


def _options(kafka: Broker) -> dict[str, object]:
    return {"bootstrap.servers": kafka.bootstrap_servers, "log_level": 2}


def _place(kafka: Broker, source: str = "s") -> Place:
    positions = kafka.create_topic(config={"cleanup.policy": "compact"})
    return Place(kafka.create_topic(partitions=4), positions, source)


def _numbers(records: list[Record]) -> list[int]:
    values = [orjson.loads(record.value or b"") for record in records if not record.headers]
    return sorted(int(value["metrics"]["n"]) for value in values)


def test_a_source_that_never_ran_has_no_position_and_one_that_did_goes_on_from_its_own(kafka: Broker) -> None:
    place = _place(kafka)
    with ExactlyOnce(_options(kafka), place, encode) as source:
        assert source.at is None
        source.publish(block(0), {"block": 1, "of": ["x", None]})
    with ExactlyOnce(_options(kafka), place, encode) as again:
        assert again.at == {"block": 1, "of": ["x", None]}
        assert again.position.events == BLOCK
        assert len(again.position.last_time) >= 1
    other = Place(place.topic, place.positions, "another")
    with ExactlyOnce(_options(kafka), other, encode) as source:
        assert source.at is None


def test_events_lie_in_the_partitions_of_their_entities_and_other_outputs_come_with_them(kafka: Broker) -> None:
    place = _place(kafka)
    aside = kafka.create_topic()
    with ExactlyOnce(_options(kafka), place, encode) as source:
        source.publish(block(0), 1, [Output(aside, None, b"bad row", (("why", b"no time"),), 0)])
        open_partitions = source.end(5_000_000)
    records = kafka.read(place.topic)
    homes: dict[bytes | None, set[int]] = {}
    for record in records:
        if not record.headers:
            homes.setdefault(record.key, set()).add(record.partition)
    assert set(homes) == {b"a", b"b", b"c"}
    assert all(len(partitions) == 1 for partitions in homes.values())
    assert open_partitions == []
    ticks = [record for record in records if record.headers and record.headers[0][0] == TICK_HEADER]
    assert {tick.partition for tick in ticks} == {next(iter(partitions)) for partitions in homes.values()}
    assert [record.value for record in kafka.read(aside)] == [b"bad row"]


def test_a_second_process_of_the_same_source_ends_the_first(kafka: Broker) -> None:
    place = _place(kafka)
    with ExactlyOnce(_options(kafka), place, encode) as first:
        first.publish(block(0), 1)
        with ExactlyOnce(_options(kafka), place, encode) as second:
            assert second.at == 1
            with pytest.raises(PublishError, match="another process has taken over the source s"):
                first.publish(block(1), 2)
            second.publish(block(1), 2)
    assert _numbers(kafka.read(place.topic)) == list(range(2 * BLOCK))


@pytest.mark.timeout(600)
def test_killed_again_and_again_a_source_loses_nothing_and_doubles_nothing(kafka: Broker) -> None:
    place = _place(kafka)
    argv = [sys.executable, "-c", _CHILD, kafka.bootstrap_servers, place.topic, place.positions]
    for patience in (3, 17, 11):
        with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True) as child:
            assert child.stdout is not None
            for _ in range(patience):
                assert child.stdout.readline()
            child.kill()
            assert child.wait() == -signal.SIGKILL
        assert 0 < len(_numbers(kafka.read(place.topic))) < BLOCK * BLOCKS
    subprocess.run(argv, check=True, cwd=Path(__file__).parents[3], capture_output=True, timeout=280)
    assert _numbers(kafka.read(place.topic)) == list(range(BLOCK * BLOCKS))


def test_what_is_read_is_not_older_than_the_call_even_behind_the_open_transaction_of_another(kafka: Broker) -> None:
    place = _place(kafka)
    other = Producer({**_options(kafka), "transactional.id": kafka.unique("other")})
    other.init_transactions(30)
    with ExactlyOnce(_options(kafka), place, encode) as source:
        other.begin_transaction()
        other.produce(place.positions, Position("someone", 1).encode(), b"another", partition=0)
        other.flush(30)
        source.publish(block(0), 7)  # lies behind what is still open
        found: list[Position | None] = []
        log = PositionLog(_options(kafka), place.positions)
        thread = threading.Thread(target=lambda: found.append(log.read("s")))
        thread.start()
        thread.join(5)
        assert found == []
        other.commit_transaction(30)
        thread.join(60)
    assert [position and position.at for position in found] == [7]


def test_to_forget_is_to_begin_anew(kafka: Broker) -> None:
    place = _place(kafka)
    with ExactlyOnce(_options(kafka), place, encode) as source:
        source.publish(block(0), 1)
        source.forget()
    with ExactlyOnce(_options(kafka), place, encode) as source:
        assert source.at is None


def test_a_missing_topic_is_named_with_what_makes_it(kafka: Broker) -> None:
    place = Place(kafka.create_topic(), kafka.unique("missing"), "s")
    with pytest.raises(PublishError, match="faultline topics create"), ExactlyOnce(_options(kafka), place, encode):
        pass


def test_a_broker_that_goes_away_in_between_costs_time_only() -> None:
    with new_kafka() as server:
        kafka = Broker(server.bootstrap_servers)
        place = _place(kafka)
        with ExactlyOnce(_options(kafka), place, encode, timeout=120) as source:
            source.publish(block(0), 1)
            server.kill()
            back = threading.Timer(1.0, server.start)
            back.start()
            source.publish(block(1), 2)
            back.join()
            source.publish(block(2), 3)
        assert _numbers(kafka.read(place.topic)) == list(range(3 * BLOCK))


def test_what_is_no_position_is_said() -> None:
    with pytest.raises(ValueError, match="not a position"):
        Position.decode(b'{"kind": "something else"}')
    kept = Position("o", 3, {"x": [1]}, 10, {2: 5})
    assert Position.decode(kept.encode()) == kept
