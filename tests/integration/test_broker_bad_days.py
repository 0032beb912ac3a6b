"""The broker dies, stays away, refuses: a worker goes on or stops with the way out, and readers see nothing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.support.broker import Broker
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.kafka_server import KafkaServer
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.support.requests import Requests
from tests.support.services import new_kafka
from tests.support.undisturbed import assert_undisturbed, settle

pytestmark = pytest.mark.integration

LACKING = ("read", "write", "state", "group", "transaction")
"""Users that may do all but one thing; `whole` may do what docs/operating.md lists and nothing else."""

QUICK = {"FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "4000", "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0"}


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with new_kafka(users=dict.fromkeys(("whole", "demoted", *LACKING), "secret")) as server:
        yield server


@pytest.fixture
def faultline(server: KafkaServer, redis_server: RedisAt) -> Iterator[Installation]:
    with Installation(Broker(server.bootstrap_servers), redis_server, partitions=1, settings=QUICK) as installation:
        yield installation


def test_a_broker_that_dies_is_waited_for_and_one_that_stays_away_ends_an_unfinished_commit(
    faultline: Installation, server: KafkaServer
) -> None:
    patient = {"FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "30000"}
    traffic = Requests(faultline)
    traffic.write(10)
    worker = _started(faultline, patient)
    for end in (server.kill, server.stop):
        end()
        server.start()
        traffic.write(5)
        settle(faultline)
    assert worker.running
    worker.stop()

    worker = _started(faultline, {"FAULTLINE_WORKER__FAIL_AT": "offsets_sent:1:SIGSTOP"})
    traffic.write(5)
    eventually(partial(has_logged, worker, "failing on purpose"), 30, "a commit is half done")
    server.kill()
    worker.thaw()
    try:
        assert worker.wait(100) == 1, worker.tail()
    finally:
        server.start()
    assert "Check the brokers, then restart" in str(events_of(worker)[-1]["way_out"])
    _started(faultline, patient)
    settle(faultline)
    assert_undisturbed(faultline)


def test_whoever_is_refused_stops_and_says_what_is_lacking(faultline: Installation, server: KafkaServer) -> None:
    for user in ("whole", *LACKING):
        _grant(faultline, user)
    Requests(faultline).write(10)
    refused = {user: faultline.start("windows", _as_user(server, user)) for user in LACKING}
    said = {}
    for user, worker in refused.items():
        assert worker.wait(90) == 1, f"{user}:\n{worker.tail()}"
        said[user] = str(events_of(worker)[-1]["reason"])
    assert f"READ on {faultline.topic('telemetry.events.v1')}" in said["read"]
    assert f"WRITE on {faultline.topic('telemetry.features.v1')}" in said["write"]
    assert f"WRITE on {faultline.topic('faultline.state.windows.v1')}" in said["state"]
    assert "roup" in said["group"]
    assert "ransactional" in said["transaction"]
    assert faultline.records("telemetry.features.v1") == []
    _started(faultline, _as_user(server, "whole"))
    settle(faultline)
    assert_undisturbed(faultline)


def test_a_right_that_is_taken_away_stops_a_running_worker_and_costs_nothing(
    faultline: Installation, server: KafkaServer
) -> None:
    _grant(faultline, "demoted")
    traffic = Requests(faultline)
    traffic.write(10)
    worker = _started(faultline, _as_user(server, "demoted"))
    settle(faultline)
    everything = AclBindingFilter(
        ResourceType.TOPIC,
        faultline.topic("telemetry.features.v1"),
        ResourcePatternType.LITERAL,
        "User:demoted",
        "*",
        AclOperation.WRITE,
        AclPermissionType.ALLOW,
    )
    faultline.kafka.admin.delete_acls([everything])[everything].result(timeout=10)
    traffic.write(5)
    assert worker.wait(60) == 1
    last = events_of(worker)[-1]
    assert "authorization failed" in str(last["reason"])
    assert "ACLs" in str(last["way_out"])
    _grant(faultline, "demoted")
    _started(faultline, _as_user(server, "demoted"))
    settle(faultline)
    assert_undisturbed(faultline)


def _started(faultline: Installation, settings: dict[str, str]) -> Daemon:
    worker = faultline.start("windows", settings)
    worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
    return worker


def _as_user(server: KafkaServer, name: str) -> dict[str, str]:
    options = server.as_user(name)
    servers = options.pop("bootstrap.servers")
    return {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": servers,
        **{f"FAULTLINE_KAFKA__OPTIONS__{key.upper().replace('.', '_')}": value for key, value in options.items()},
    }


def _grant(faultline: Installation, user: str) -> None:
    """What docs/operating.md says a worker needs, but for the one thing that the user's name says."""
    topic, group, transaction, cluster = (
        ResourceType.TOPIC,
        ResourceType.GROUP,
        ResourceType.TRANSACTIONAL_ID,
        ResourceType.BROKER,
    )
    see = {AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS}
    read, write = AclOperation.READ, AclOperation.WRITE
    rights: dict[tuple[ResourceType, str], set[AclOperation]] = {
        (topic, faultline.topic("telemetry.events.v1")): {*see, *({read} if user != "read" else ())},
        (topic, faultline.topic("telemetry.features.v1")): {*see, *({write} if user != "write" else ())},
        (topic, faultline.topic("faultline.state.windows.v1")): {*see, read, *({write} if user != "state" else ())},
        (topic, faultline.topic("telemetry.deadletter.v1")): {*see, write},
        (group, f"{faultline.namespace}.faultline-windows"): (
            {read, AclOperation.DESCRIBE} if user != "group" else {AclOperation.DESCRIBE}
        ),
        (transaction, f"{faultline.namespace}.faultline-"): (
            {write, AclOperation.DESCRIBE} if user != "transaction" else {AclOperation.DESCRIBE}
        ),
        (cluster, "kafka-cluster"): {AclOperation.DESCRIBE_CONFIGS},
    }
    bindings = [
        AclBinding(
            kind,
            name,
            ResourcePatternType.PREFIXED if kind == transaction else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for (kind, name), operations in rights.items()
        for operation in operations
    ]
    for granted in faultline.kafka.admin.create_acls(bindings).values():
        granted.result(timeout=10)
