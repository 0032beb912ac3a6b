"""A broker that dies and comes back: every call of ours returns in bounded time, and the next ones succeed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from tests.support.broker import Broker, Record
from tests.support.kafka_server import KafkaServer
from tests.support.services import new_kafka
from workers.runtime.clock import Deadline, SystemClock
from workers.runtime.errors import Retriable, Unknown
from workers.runtime.kafka_controls import KafkaControls
from workers.runtime.kafka_lag import GroupLag
from workers.runtime.kafka_sink import KafkaSink
from workers.runtime.kafka_source import KafkaSource
from workers.runtime.kafka_topics import Topics
from workers.runtime.ports import Polled
from workers.runtime.records import Output
from workers.runtime.slices import TopicPartition

pytestmark = pytest.mark.integration

RESTARTS = 2


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with new_kafka() as server:
        yield server


def restart(server: KafkaServer) -> None:
    server.kill()
    time.sleep(0.5)
    server.start()


def test_a_transaction_that_was_open_meanwhile_ends_in_bounded_time_and_the_next_one_commits(
    server: KafkaServer,
) -> None:
    broker = Broker(server.bootstrap_servers)
    topic, out = broker.create_topic(), broker.create_topic()
    broker.produce(topic, [Record(b"x")] * 5)
    place, config = TopicPartition(topic, 0), {"bootstrap.servers": server.bootstrap_servers}
    group = Consumer({**config, "group.id": broker.unique("g"), "enable.auto.commit": False})
    sink = KafkaSink(config, broker.unique("tx"), 10_000, {}, SystemClock())
    sink.reopen()

    def attempt(value: bytes, offset: int, meanwhile: bool) -> bool:
        try:
            sink.begin()
            sink.send(place, [Output(out, None, value)])
            if meanwhile:
                restart(server)
            sink.send_offsets({place: (offset, "")}, group.consumer_group_metadata())
            sink.commit()
            return True
        except (Retriable, Unknown):
            reopen(sink)
        return False

    wanted = []
    for number in range(RESTARTS):
        began = time.monotonic()
        attempt(b"meanwhile %d" % number, number, meanwhile=True)  # may commit or not: whoever asks the broker knows
        attempts = 1
        while not attempt(b"after %d" % number, number + 1, meanwhile=False):
            attempts += 1
            assert attempts < 5
        wanted.append(b"after %d" % number)
        assert time.monotonic() - began < 60
    shown = [record.value for record in broker.read(out)]
    assert [value for value in shown if value in wanted] == wanted
    sink.close()
    group.close()


def reopen(sink: KafkaSink) -> None:
    for _ in range(10):
        try:
            return sink.reopen()
        except Retriable:
            time.sleep(0.2)
    raise AssertionError("the producer cannot be opened again")


def test_the_lag_of_a_group_is_known_again_soon_after(server: KafkaServer) -> None:
    broker = Broker(server.bootstrap_servers)
    topic, group = broker.create_topic(), broker.unique("g")
    broker.produce(topic, [Record(b"x")] * 5)
    config = {"bootstrap.servers": server.bootstrap_servers}
    consumer = Consumer({**config, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[KafkaPartition(topic, 0, 2)], asynchronous=False)
    consumer.close()
    lag = GroupLag(config)
    assert lag.behind(group, [topic]) == 3
    for _ in range(RESTARTS):
        restart(server)
        found = [told(lag, group, topic) for _ in range(4)]
        assert found[-1] == 3, found


def test_the_control_topic_is_read_on_by_a_client_that_takes_the_place_of_one_without_any_connection(
    server: KafkaServer,
) -> None:
    broker = Broker(server.bootstrap_servers)
    topic = broker.create_topic()
    broker.produce(topic, [Record(b"1", b"first")])
    config = {"bootstrap.servers": server.bootstrap_servers, "group.id": broker.unique("g")}
    controls = KafkaControls(config, topic, Deadline.after(SystemClock(), 30))
    try:
        for _ in range(6):
            controls._on_statistics('{"brokers": {}}')
        stuck = controls._consumer
        controls.refresh()
        assert controls._consumer is not stuck
        broker.produce(topic, [Record(b"2", b"second")])
        deadline = time.monotonic() + 30
        while controls.end < 2 and time.monotonic() < deadline:
            controls.refresh()
            time.sleep(0.05)
        assert [control.key for control in controls.after(0)] == [b"first", b"second"]
    finally:
        controls.close()


def told(lag: GroupLag, group: str, topic: str) -> int | str | None:
    try:
        return lag.behind(group, [topic], timeout=3.0)
    except Retriable as error:
        return str(error)


class _Joining:
    """Knows whether it was ever given anything."""

    def __init__(self) -> None:
        self.assigned = False

    def on_assigned(self, partitions: object) -> None:
        self.assigned = True

    def on_revoked(self, partitions: object) -> None: ...

    def on_lost(self, partitions: object) -> None: ...


def test_whoever_was_about_to_join_when_the_broker_died_joins_when_it_is_back(server: KafkaServer) -> None:
    """Twenty-four members, each alone in its group, at as many points of their start.

    With the client's default way of recovery, two runs in five leave one outside for good.
    """
    broker = Broker(server.bootstrap_servers)
    topic = broker.create_topic()
    membership = {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"}
    sources, members = list[KafkaSource](), list[_Joining]()
    topics = Topics({"bootstrap.servers": server.bootstrap_servers})
    killer = threading.Thread(target=server.kill)
    try:
        for number in range(24):
            config = {"bootstrap.servers": server.bootstrap_servers, "group.id": broker.unique("g")}
            sources.append(KafkaSource({**config, **membership}, topics))
            members.append(_Joining())
            sources[-1].subscribe([topic], members[-1])
            for source in sources:
                source.poll(1, 0.0)
            time.sleep(0.01)
            if number == 16:
                killer.start()
        killer.join()
        time.sleep(2)
        server.start()
        deadline = time.monotonic() + 45
        while not all(member.assigned for member in members) and time.monotonic() < deadline:
            for source in sources:
                source.poll(1, 0.01)
        outside = [number for number, member in enumerate(members) if not member.assigned]
        assert not outside, f"members that never joined: {outside}"
    finally:
        for source in sources:
            source.close()


class _Owner:
    """What it was told, in order."""

    def __init__(self) -> None:
        self.told = list[str]()
        self.owned = list[TopicPartition]()

    def on_assigned(self, partitions: object) -> None:
        self.told.append("assigned")
        self.owned = list(partitions)  # type: ignore[call-overload]

    def on_revoked(self, partitions: object) -> None:
        self.told.append("revoked")

    def on_lost(self, partitions: object) -> None:
        self.told.append("lost")


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_client_that_stays_outside_while_the_broker_answers_is_replaced_and_nothing_is_passed_over(
    server: KafkaServer, protocol: str
) -> None:
    broker = Broker(server.bootstrap_servers)
    topic = broker.create_topic()
    broker.produce(topic, [Record(b"%d" % n) for n in range(50)])
    config = {"bootstrap.servers": server.bootstrap_servers, "group.id": broker.unique("g"), "group.protocol": protocol}
    if protocol == "classic":
        config |= {"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": "6000"}
    topics = Topics({"bootstrap.servers": server.bootstrap_servers})
    topics.short_sessions(config["group.id"], 2_000)
    source, owner = KafkaSource(config, topics), _Owner()
    source.subscribe([topic], owner)
    try:
        taken = read_until(source, owner, 19)
        for _ in range(4):  # what a client says that was told of no brokers; nothing else is played here
            source._membership.on_statistics(
                '{"cgrp": {"state": "query-coord", "join_state": "steady", "stateage": 9}}'
            )
            source._look_after_membership()
        assert owner.told == ["assigned", "lost"]
        taken += read_until(source, owner, 49, start=20)
        assert owner.told == ["assigned", "lost", "assigned"]
        assert set(taken) == set(range(50))
    finally:
        source.close()


def read_until(source: KafkaSource, owner: _Owner, last: int, start: int = 0) -> list[int]:
    """The offsets read from `start` to `last`, once there is an assignment."""
    before, taken, deadline = len(owner.told), list[int](), time.monotonic() + 60
    while len(owner.told) == before and time.monotonic() < deadline:
        source.poll(1, 0.1)
    source.resume_at(owner.owned[0], start)
    while last not in taken and time.monotonic() < deadline:
        taken += [offset for offset in offsets(source.poll(last + 1 - start, 0.1)) if offset <= last]
    return taken


class _Member:
    """Owns what it is given, and freezes the broker as it is."""

    def __init__(self, server: KafkaServer) -> None:
        self.server, self.owned = server, list[TopicPartition]()

    def on_assigned(self, partitions: object) -> None:
        self.owned = list(partitions)  # type: ignore[call-overload]
        self.server.freeze()

    def on_revoked(self, partitions: object) -> None: ...

    def on_lost(self, partitions: object) -> None: ...


def test_a_late_answer_about_the_first_position_after_an_assignment_passes_no_record_over(server: KafkaServer) -> None:
    broker = Broker(server.bootstrap_servers)
    topic = broker.create_topic()
    broker.produce(topic, [Record(b"%d" % n) for n in range(50)])
    config = {"bootstrap.servers": server.bootstrap_servers, "group.id": broker.unique("g")}
    membership = {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"}
    source = KafkaSource({**config, **membership}, Topics({"bootstrap.servers": server.bootstrap_servers}))
    member, taken = _Member(server), list[int]()
    source.subscribe([topic], member)
    deadline = time.monotonic() + 60
    try:
        while not member.owned and time.monotonic() < deadline:
            source.poll(100, 0.1)
        source.resume_at(member.owned[0], 20)  # before the broker has said where the log begins or ends
        server.thaw()
        while (not taken or taken[-1] != 49) and time.monotonic() < deadline:
            taken += offsets(source.poll(100, 0.1))
    finally:
        server.thaw()
        source.close()
    assert set(taken) >= set(range(20, 50)), f"passed over: {set(range(20, 50)) - set(taken)}"


def offsets(polled: Polled) -> list[int]:
    return [int(offset) for records in polled.records for offset in records.offsets]
