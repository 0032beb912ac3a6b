"""`faultline source host` and a broker that dies: samples may be missed, which is counted, and none is doubled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.events import decode_events
from tests.support.broker import Broker
from tests.support.installation import FAULTLINE, eventually
from tests.support.kafka_server import KafkaServer
from tests.support.process import Daemon
from tests.support.services import new_kafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PATIENCE = 3


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with new_kafka() as server:
        yield server


def agent(server: KafkaServer, topic: str, log: Path) -> Daemon:
    argv = [str(FAULTLINE), "source", "host", "--interval", "0.2", "--topic", topic, "--entity", "me", "--json"]
    env = {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": server.bootstrap_servers,
        "FAULTLINE_SOURCE__PATIENCE_SECONDS": str(PATIENCE),
    }
    return Daemon(argv, log, env)


def times_of(broker: Broker, topic: str) -> list[int]:
    """Event times in the topic's order."""
    blocks, faults = decode_events([record.value for record in broker.read(topic)])
    assert not faults
    return [int(time) for time in blocks.time]


def account(log: Path) -> dict[str, object]:
    """What the agent said in the end."""
    text = log.read_text()
    found: dict[str, object] = json.loads(text[text.index("{\n") :])
    return found


def test_a_broker_that_dies_costs_samples_that_are_counted_and_doubles_none(
    server: KafkaServer, tmp_path: Path
) -> None:
    broker, log = Broker(server.bootstrap_servers), tmp_path / "log"
    topic = broker.create_topic()
    source = agent(server, topic, log)
    eventually(lambda: len(broker.read(topic)) > 5, 90, "the first samples")
    server.kill()
    eventually(lambda: "Kafka does not answer" in log.read_text(), 60, "the agent notices")
    eventually(lambda: "a sample was missed" in log.read_text(), 60, "a sample has waited for too long")
    assert source.running
    server.start()
    eventually(lambda: "Kafka answers again" in log.read_text(), 90, "samples flow again")
    before = len(broker.read(topic))
    eventually(lambda: len(broker.read(topic)) > before + 5, 60, "new samples come")
    source.stop()

    told, times = account(log), times_of(broker, topic)
    assert all(later > earlier for earlier, later in pairwise(times))
    missed = int(str(told["missed"]))
    assert missed > 0
    assert told["reason"] == f"Kafka did not take it within {PATIENCE} s"
    # One that was given up may have been written after all: the broker died before it could say so.
    assert int(str(told["events"])) <= len(times) <= int(str(told["events"])) + missed


def test_an_agent_starts_without_a_broker_and_sends_once_there_is_one(server: KafkaServer, tmp_path: Path) -> None:
    broker, log = Broker(server.bootstrap_servers), tmp_path / "log"
    topic = broker.create_topic()
    server.stop()
    source = agent(server, topic, log)
    eventually(lambda: "Kafka does not answer" in log.read_text(), 90, "the agent notices")
    server.start()
    eventually(lambda: len(broker.read(topic)) > 3, 90, "samples come")
    source.stop()
    assert account(log)["unsent"] == 0


def test_a_topic_that_does_not_exist_ends_the_agent_with_the_way_out(server: KafkaServer, tmp_path: Path) -> None:
    source = agent(server, "no-such-topic", tmp_path / "log")
    eventually(lambda: not source.running, 90, "it ends")
    assert "`faultline topics create` makes the topics" in source.tail()
