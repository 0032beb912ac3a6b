"""`faultline topics` against a real broker."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from tests.support.broker import Broker, Record
from tests.support.cli import faultline

pytestmark = pytest.mark.integration


@pytest.fixture
def env(kafka: Broker) -> dict[str, str]:
    return {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FAULTLINE_NAMESPACE": kafka.unique("ns"),
        "FAULTLINE_TOPICS__PARTITIONS": "2",
    }


def config_of(kafka: Broker, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = kafka.admin.describe_configs([resource])[resource].result(30)
    return {name: entry.value for name, entry in entries.items()}


def test_a_dry_run_creates_nothing_and_says_what_it_would(kafka: Broker, env: dict[str, str]) -> None:
    done = faultline("topics", "create", "--dry-run", "--json", env=env)
    assert done.code == 0
    assert {entry["action"] for entry in done.json} == {"would create"}
    assert {entry["state"] for entry in faultline("topics", "list", "--json", env=env).json} == {"missing"}


def test_topics_are_created_as_planned_and_a_second_run_changes_nothing(kafka: Broker, env: dict[str, str]) -> None:
    namespace = env["FAULTLINE_NAMESPACE"]
    assert faultline("topics", "create", env=env).code == 0

    assert kafka.partitions(f"{namespace}.telemetry.events.v1") == [0, 1]
    assert kafka.partitions(f"{namespace}.faultline.control.v1") == [0]
    state = config_of(kafka, f"{namespace}.anomaly.incidents.state.v1")
    assert (state["cleanup.policy"], state["message.timestamp.type"]) == ("compact", "LogAppendTime")
    letters = config_of(kafka, f"{namespace}.telemetry.deadletter.v1")
    assert int(letters["max.message.bytes"]) == 1_048_588 + 65_536

    again = faultline("topics", "create", "--json", env=env)
    assert again.code == 0
    assert {entry["action"] for entry in again.json} == {"none"}


def test_the_list_counts_records(kafka: Broker, env: dict[str, str]) -> None:
    faultline("topics", "create", env=env)
    kafka.produce(f"{env['FAULTLINE_NAMESPACE']}.telemetry.events.v1", [Record(b"{}"), Record(b"{}")])
    listed = {entry["role"]: entry for entry in faultline("topics", "list", "--json", env=env).json}
    assert listed["events"]["records"] == 2
    assert listed["scores"]["records"] == 0
    assert {entry["state"] for entry in listed.values()} == {"ok"}


def test_another_number_of_partitions_is_refused_with_the_way_out(kafka: Broker, env: dict[str, str]) -> None:
    faultline("topics", "create", env=env)
    done = faultline("topics", "create", "--partitions", "3", env=env)
    assert done.code == 1
    assert "Use --partitions with the number that is there" in done.err
    assert kafka.partitions(f"{env['FAULTLINE_NAMESPACE']}.telemetry.events.v1") == [0, 1]


def test_settings_that_differ_are_left_alone_until_asked_for(kafka: Broker, env: dict[str, str]) -> None:
    topic = f"{env['FAULTLINE_NAMESPACE']}.telemetry.events.v1"
    kafka.create_topic(topic, partitions=2, config={"message.timestamp.type": "CreateTime"})

    left = faultline("topics", "create", env=env)
    assert left.code == 1
    assert "topics create --update" in left.err
    assert config_of(kafka, topic)["message.timestamp.type"] == "CreateTime"

    assert faultline("topics", "create", "--update", env=env).code == 0
    assert config_of(kafka, topic)["message.timestamp.type"] == "LogAppendTime"


def test_a_raw_topic_of_others_is_theirs_and_dead_letters_fit_its_records(kafka: Broker, env: dict[str, str]) -> None:
    raw = kafka.create_topic(
        partitions=5, config={"message.timestamp.type": "CreateTime", "max.message.bytes": "3000000"}
    )
    done = faultline("topics", "create", env={**env, "FAULTLINE_TOPICS__RAW": raw})
    assert done.code == 0, done.err
    letters = config_of(kafka, f"{env['FAULTLINE_NAMESPACE']}.telemetry.deadletter.v1")
    assert int(letters["max.message.bytes"]) == 3_000_000 + 65_536


def test_an_address_where_nobody_answers_is_named_with_its_setting() -> None:
    done = faultline("topics", "list", env={"FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert done.code == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in done.err
    assert "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS" in done.err
    assert "Traceback" not in done.err
