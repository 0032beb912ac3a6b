"""The harness itself: what the other tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support import kafka_jars, redis_server
from tests.support.broker import Broker, Record
from tests.support.process import Daemon, Missing, free_port
from tests.support.redis_server import RedisAt, RedisServer
from tests.support.services import KAFKA_VARIABLE, REDIS_VARIABLE, new_kafka, some_kafka, some_redis

pytestmark = pytest.mark.integration


def test_records_come_back_as_they_were_written(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=3)
    kafka.produce(topic, [Record(b"one", b"k", (("h", b"v"),), partition=2), Record(None, b"gone", partition=0)])

    first, second = kafka.read(topic)

    assert (first.key, first.value, first.headers, first.partition, first.offset) == (b"gone", None, (), 0, 0)
    assert (second.key, second.value, second.headers, second.partition) == (b"k", b"one", (("h", b"v"),), 2)


def test_a_committed_read_leaves_out_what_was_aborted(kafka: Broker) -> None:
    topic = kafka.create_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": kafka.unique("tx")})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"never")
    producer.flush(30)
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, b"once")
    producer.commit_transaction(30)

    assert [record.value for record in kafka.read(topic)] == [b"once"]
    assert [record.value for record in kafka.read(topic, committed=False)] == [b"never", b"once"]


def test_a_missing_topic_is_an_error_and_not_created(kafka: Broker) -> None:
    with pytest.raises(KafkaException) as caught:
        kafka.partitions(kafka.unique("missing"))
    assert caught.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_group_of_the_new_protocol_gets_its_partitions(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [Record(b"a", partition=0), Record(b"b", partition=1)])
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": kafka.unique("group"),
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([topic])
        seen: set[bytes | None] = set()
        for _ in range(60):
            seen |= {message.value() for message in consumer.consume(10, 0.5)}
            if len(seen) == 2:
                break
        assert seen == {b"a", b"b"}
    finally:
        consumer.close()


def test_a_broker_killed_comes_back_on_its_port_with_its_data() -> None:
    with new_kafka() as server:
        broker = Broker(server.bootstrap_servers)
        topic = broker.create_topic()
        broker.produce(topic, [Record(b"before")])
        server.kill()
        assert not server.answers()
        server.start()
        broker.produce(topic, [Record(b"after")])
        assert [record.value for record in broker.read(topic)] == [b"before", b"after"]
        assert broker.read_from([TopicPartition(topic, 0, 1)])[0].value == b"after"
    assert not server.answers()


def test_a_user_may_do_nothing_until_it_is_granted() -> None:
    with new_kafka(users={"reader": "secret"}) as server:
        topic = Broker(server.bootstrap_servers).create_topic()
        admin = AdminClient({**server.as_user("reader"), "log_level": 2})
        assert topic not in admin.list_topics(timeout=10).topics
        wrong = AdminClient({**server.as_user("reader"), "sasl.password": "guess", "log_level": 2})
        with pytest.raises(KafkaException):
            wrong.list_topics(timeout=3)


def test_redis_is_lost_on_restart_unless_durable_and_never_evicts() -> None:
    with RedisServer() as forgetful, RedisServer(durable=True) as durable:
        for server in (forgetful, durable):
            with server.client() as client:
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
                client.set("kept", "yes")
            server.kill()
            assert not server.answers()
            server.start()
        with forgetful.client() as client:
            assert client.get("kept") is None
        with durable.client() as client:
            assert client.get("kept") == b"yes"
            durable.flush()
            assert client.get("kept") is None


def test_a_full_redis_refuses_writes() -> None:
    with RedisServer() as server, server.client() as client:
        server.configure(maxmemory="1mb")
        with pytest.raises(Exception, match="used memory"):
            client.set("big", b"x" * (4 << 20))


def test_the_shared_redis_answers(redis_server: RedisAt) -> None:
    assert redis_server.answers()


def test_a_broker_given_by_environment_is_used_and_none_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, "given:9092")
    monkeypatch.setenv(REDIS_VARIABLE, "redis://given:6379/0")
    with some_kafka() as bootstrap_servers, some_redis() as redis:
        assert (bootstrap_servers, redis.url) == ("given:9092", "redis://given:6379/0")


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="apt-get install -y openjdk-17-jre-headless maven"):
        kafka_jars.java()
    with pytest.raises(Missing, match=r"Maven, and there is none on the path\. Install: apt-get install"):
        kafka_jars.class_path(tmp_path / "cache")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Missing, match="apt-get install -y redis-server"):
        redis_server.binary()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    daemon = Daemon(["/bin/sh", "-c", "echo the reason; exit 3"], tmp_path / "log")
    with pytest.raises(RuntimeError, match=r"ended with 3[\s\S]*the reason"):
        daemon.wait_ready(lambda: False, timeout=10)


def test_ports_lie_below_the_range_of_outgoing_connections() -> None:
    assert all(18_000 <= free_port() < 32_000 for _ in range(5))
