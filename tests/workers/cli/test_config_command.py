"""`faultline config` against a real broker and a real Redis, good and bad."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from tests.support.broker import Broker
from tests.support.cli import faultline
from tests.support.kafka_server import KafkaServer
from tests.support.redis_server import RedisAt, RedisServer
from tests.support.services import new_kafka
from workers.cli.checks import check_workers, clock_offset, group_protocol
from workers.settings import load_settings


@pytest.fixture
def env(kafka: Broker, redis_server: RedisAt) -> dict[str, str]:
    return {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FAULTLINE_REDIS__URL": redis_server.url,
        "FAULTLINE_NAMESPACE": kafka.unique("ns"),
        "FAULTLINE_TOPICS__PARTITIONS": "2",
        "FAULTLINE_REGISTRY__URL": "",
    }


def findings(env: dict[str, str], code: int) -> dict[str, list[dict[str, Any]]]:
    done = faultline("config", "check", "--json", env=env)
    assert done.code == code, done.out + done.err
    by_check: dict[str, list[dict[str, Any]]] = {}
    for finding in done.json["findings"]:
        by_check.setdefault(finding["check"], []).append(finding)
    return by_check


@pytest.mark.integration
def test_a_good_installation_passes_every_check_and_leaves_no_trace(kafka: Broker, env: dict[str, str]) -> None:
    assert faultline("topics", "create", env=env).code == 0
    found = findings(env, 0)
    assert {one["state"] for several in found.values() for one in several} == {"ok"}
    assert found.keys() == {
        "workers",
        "kafka",
        "group protocol",
        "topics",
        "permissions",
        "transactions",
        "clock of broker",
        "redis",
        "redis eviction",
        "clock of redis",
        "model registry",
        "history",
        "archive",
    }
    assert kafka.read(f"{env['FAULTLINE_NAMESPACE']}.telemetry.deadletter.v1") == []


@pytest.mark.integration
def test_missing_and_differing_topics_are_named_with_the_command_that_helps(kafka: Broker, env: dict[str, str]) -> None:
    namespace = env["FAULTLINE_NAMESPACE"]
    kafka.create_topic(
        f"{namespace}.telemetry.events.v1", partitions=2, config={"message.timestamp.type": "CreateTime"}
    )
    kafka.create_topic(f"{namespace}.anomaly.scores.v1", partitions=3)
    told = {one["found"]: one["fix"] for one in findings(env, 1)["topics"]}
    assert told[f"{namespace}.telemetry.features.v1 does not exist"] == "faultline topics create"
    assert told[f"{namespace}.anomaly.scores.v1 has 3 partitions, the others have 2"]
    differing = next(text for text in told if text.startswith(f"{namespace}.telemetry.events.v1"))
    assert "message.timestamp.type is CreateTime, must be LogAppendTime" in differing
    assert told[differing] == "faultline topics create --update"


@pytest.mark.integration
def test_a_redis_that_evicts_fails_the_check(env: dict[str, str]) -> None:
    with RedisServer() as server:
        server.configure(maxmemory_policy="allkeys-lru")
        found = findings({**env, "FAULTLINE_REDIS__URL": server.url}, 1)
    (eviction,) = found["redis eviction"]
    assert eviction["state"] == "failed"
    assert "CONFIG SET maxmemory-policy noeviction" in eviction["fix"]


@pytest.mark.integration
def test_whoever_does_not_answer_is_named_with_its_setting_and_the_others_are_checked_all_the_same(
    env: dict[str, str],
) -> None:
    away = {"FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "FAULTLINE_REDIS__URL": "redis://127.0.0.1:1/0"}
    found = findings({**env, **away}, 1)
    assert "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS" in found["kafka"][0]["found"]
    assert "FAULTLINE_REDIS__URL" in found["redis"][0]["fix"]
    assert found["model registry"][0]["state"] == "ok"


def test_a_file_that_a_worker_could_not_start_with_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: [")
    settings = load_settings({"FAULTLINE_WINDOWS__PROFILES": str(tmp_path), "FAULTLINE_REGISTRY__URL": ""})
    (finding,) = check_workers(settings)
    assert (finding.check, finding.state) == ("worker windows", "failed")
    assert "broken.yaml" in finding.found


@pytest.fixture(scope="module")
def guarded() -> Iterator[KafkaServer]:
    """A broker with a user who may do nothing but what is granted."""
    with new_kafka(users={"worker": "secret"}) as server:
        yield server


@pytest.mark.integration
def test_a_right_that_is_lacking_is_named(guarded: KafkaServer, redis_server: RedisAt, env: dict[str, str]) -> None:
    namespace = env["FAULTLINE_NAMESPACE"]
    admin = {**env, "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": guarded.bootstrap_servers}
    assert faultline("topics", "create", env=admin).code == 0
    operations = [AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS]
    grant(guarded, ResourceType.TOPIC, namespace, operations)
    options = {
        f"FAULTLINE_KAFKA__OPTIONS__{n.upper().replace('.', '_')}": v for n, v in guarded.as_user("worker").items()
    }
    servers = options.pop("FAULTLINE_KAFKA__OPTIONS__BOOTSTRAP_SERVERS")
    user = {**env, **options, "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": servers}

    found = findings(user, 1)
    lacking = {one["found"] for one in found["permissions"]}
    assert f"{namespace}.telemetry.features.v1: no WRITE" in lacking
    assert f"{namespace}.telemetry.raw.v1: no WRITE" not in lacking
    assert found["transactions"][0]["state"] == "failed"
    assert f"transactional ids beginning with {namespace}.faultline-" in found["transactions"][0]["fix"]

    grant(guarded, ResourceType.TOPIC, namespace, [AclOperation.WRITE])
    grant(guarded, ResourceType.TRANSACTIONAL_ID, namespace, [AclOperation.WRITE, AclOperation.DESCRIBE])
    assert {one["state"] for several in findings(user, 0).values() for one in several} == {"ok"}


def grant(server: KafkaServer, resource: ResourceType, prefix: str, operations: list[AclOperation]) -> None:
    rules = [
        AclBinding(
            resource, prefix, ResourcePatternType.PREFIXED, "User:worker", "*", operation, AclPermissionType.ALLOW
        )
        for operation in operations
    ]
    broker = Broker(server.bootstrap_servers)  # kept until the answers are there
    for future in broker.admin.create_acls(rules).values():
        future.result(30)


@pytest.mark.parametrize(
    ("wish", "least", "state", "word"),
    [
        ("auto", "6000", "ok", "consumer (KIP-848)"),
        ("auto", "45000", "ok", "classic, because"),
        ("auto", None, "ok", "classic, because"),
        ("consumer", "45000", "warning", "stand still"),
        ("classic", "6000", "ok", "classic, as set"),
    ],
)
def test_the_protocol_that_will_be_spoken_is_told_with_the_reason(
    wish: str, least: str | None, state: str, word: str
) -> None:
    broker = {} if least is None else {"group.consumer.min.session.timeout.ms": least}
    finding = group_protocol(load_settings({"FAULTLINE_KAFKA__GROUP_PROTOCOL": wish}), broker)
    assert finding.state == state
    assert word in finding.found


@pytest.mark.parametrize(
    ("theirs", "state"), [(100.5, "ok"), (103.0, "ok"), (103.1, "failed"), (98.0, "ok"), (97.9, "failed")]
)
def test_a_clock_is_off_by_what_the_time_of_asking_cannot_explain(theirs: float, state: str) -> None:
    assert clock_offset("broker", theirs, before=100.0, after=101.0).state == state


def test_a_wrong_setting_ends_with_code_two_before_anything_is_connected_to() -> None:
    done = faultline("config", "check", env={"FAULTLINE_REDIS__URI": "redis://x"})
    assert done.code == 2
    assert "Did you mean FAULTLINE_REDIS__URL?" in done.err


def test_settings_are_shown_with_their_variables_and_without_secrets() -> None:
    env = {"FAULTLINE_WINDOWS__LATENESS_MS": "5", "FAULTLINE_KAFKA__OPTIONS__SASL_PASSWORD": "hunter2"}
    changed = faultline("config", "show", "--changed", env=env)
    assert changed.code == 0
    assert "FAULTLINE_WINDOWS__LATENESS_MS" in changed.out
    assert "FAULTLINE_REDIS__URL" not in changed.out
    assert "hunter2" not in changed.out
    shown = faultline("config", "show", "--json", env=env).json
    assert shown["windows"]["lateness_ms"] == 5
    assert shown["kafka"]["options"] == {"sasl.password": "***"}
