"""`faultline status` against a real broker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from models.manifest import FileEntry, Manifest, PeriodEntry, Training
from models.periods import ALL, Calendar
from models.registry import Registry
from schemas.records import encode
from tests.support.broker import Broker, Record
from tests.support.cli import faultline
from workers.cli.status import _span
from workers.runtime.metadata import CommitMetadata
from workers.runtime.stage import RebuildPoint

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


def metadata(watermark: int, config_hash: str = "c1") -> str:
    return CommitMetadata(None, watermark, RebuildPoint(0, 0), "topic", 2, config_hash).encode()


def manifest(profile: str) -> Manifest:
    """The head of a bundle; `status` reads no further."""
    return Manifest(
        profile=profile,
        profile_version=1,
        scope="global",
        feature_set="f" * 32,
        features=("count",),
        calendar=Calendar("UTC", ()),
        training=Training("t", 0, 1, 1, 0, 1, 1.0, 0.01, 0.01, 0),
        libraries={},
        periods={ALL: PeriodEntry("all.npz", ("deviation",), "mean", 1, {})},
        files={"all.npz": FileEntry("0" * 64, 1)},
    )


@pytest.fixture
def env(kafka: Broker) -> dict[str, str]:
    env = {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FAULTLINE_NAMESPACE": kafka.unique("ns"),
        "FAULTLINE_TOPICS__PARTITIONS": "2",
    }
    assert faultline("topics", "create", env=env).code == 0
    return env


@pytest.fixture
def member(kafka: Broker, env: dict[str, str]) -> Iterator[Consumer]:
    """A member of the windows worker's group that owns both partitions of the events topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"{env['FAULTLINE_NAMESPACE']}.faultline-windows",
            "group.protocol": "consumer",
            "client.id": "faultline-windows-here",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([f"{env['FAULTLINE_NAMESPACE']}.telemetry.events.v1"])
    deadline = time.monotonic() + 30
    while len(consumer.assignment()) < 2 and time.monotonic() < deadline:
        consumer.poll(0.1)
    yield consumer
    consumer.close()


@pytest.mark.integration
def test_lag_owners_and_the_oldest_watermark_are_told(kafka: Broker, env: dict[str, str], member: Consumer) -> None:
    topic = f"{env['FAULTLINE_NAMESPACE']}.telemetry.events.v1"
    kafka.produce(topic, [Record(b"{}", partition=p) for p in (0, 0, 0, 1, 1)])
    offsets = [
        TopicPartition(topic, 0, 1, metadata(NOON + 60_000_000)),
        TopicPartition(topic, 1, 2, metadata(NOON, config_hash="c2")),
    ]
    member.commit(offsets=offsets, asynchronous=False)

    workers = {one["worker"]: one for one in faultline("status", "--json", env=env).json["workers"]}
    windows = workers["windows"]
    assert (windows["state"], windows["protocol"]) == ("stable", "consumer")
    assert (windows["partitions"], windows["partitions_owned"]) == (2, 2)
    assert windows["lag_by_topic"] == {topic: 2}
    assert windows["oldest_watermark"] == "2026-03-01T12:00:00Z"
    assert windows["oldest_watermark_at"] == f"{topic}:1"
    assert windows["configurations"] == 2
    (owner,) = windows["members"]
    assert owner["client_id"] == "faultline-windows-here"
    assert owner["partitions"] == [f"{topic}:0", f"{topic}:1"]

    table = faultline("status", "--owners", env=env).out
    assert "faultline-windows-here" in table
    assert "2 different" in table


@pytest.mark.integration
def test_a_worker_that_never_ran_is_absent_and_lags_by_all_there_is(kafka: Broker, env: dict[str, str]) -> None:
    kafka.produce(f"{env['FAULTLINE_NAMESPACE']}.telemetry.raw.v1", [Record(b"{}")] * 4)
    workers = {one["worker"]: one for one in faultline("status", "--json", env=env).json["workers"]}
    assert workers["intake"]["state"] == "absent"
    assert workers["intake"]["lag"] == 4
    assert workers["intake"]["oldest_watermark"] is None
    assert faultline("status", env=env).code == 0


@pytest.mark.integration
def test_the_models_in_force_are_told_and_a_registry_that_is_away_hides_nothing(
    env: dict[str, str], tmp_path: Path
) -> None:
    away = faultline("status", "--json", env={**env, "FAULTLINE_REGISTRY__URL": "nosuchscheme://x"}).json
    assert away["models"] == []
    assert "nosuchscheme" in away["models_error"]
    assert len(away["workers"]) == 4

    version = Registry(str(tmp_path)).save(manifest("service"), {})
    (tmp_path / "service" / "global" / "aliases.json").write_text(f'{{"champion": "{version}", "challenger": null}}')
    told = faultline("status", "--json", env={**env, "FAULTLINE_REGISTRY__URL": str(tmp_path)}).json
    assert told["models"] == [{"profile": "service", "scope": "global", "champion": version, "challenger": None}]
    assert list(told["models_passed_over"]) == [version]
    table = faultline("status", env={**env, "FAULTLINE_REGISTRY__URL": str(tmp_path)}).out
    assert f"{version}: it learned from the feature set {'f' * 32}" in table


def scored(profile: str, entity: str, role: str, version: str, value: float) -> bytes:
    """A score as the worker writes it, of one minute."""
    record: dict[str, object] = {
        "id": "0" * 32,
        "entity": entity,
        "profile": profile,
        "window_start": NOON - 60_000_000,
        "window_end": NOON,
        "event_count": 12,
        "silent": False,
        "retired": False,
        "regular": True,
        "anomaly_score": value,
        "is_anomaly": value >= 1,
        "severity": "low" if value >= 1 else None,
        "confidence": 0.9,
        "model": {"id": "m", "version": version, "role": role, "scope": "global", "period": "all"},
        "expected": [],
        "contributions": [],
        "note": "",
    }
    return encode("Score", [record])[0]


@pytest.mark.integration
def test_champion_and_challenger_are_told_side_by_side(kafka: Broker, env: dict[str, str], tmp_path: Path) -> None:
    registry, env = Registry(str(tmp_path)), {**env, "FAULTLINE_REGISTRY__URL": str(tmp_path)}
    heads = (manifest("service"), replace(manifest("service"), feature_set="e" * 32))
    champion, challenger = (registry.save(head, {}) for head in heads)
    aliases = json.dumps({"champion": champion, "challenger": challenger})
    (tmp_path / "service" / "global" / "aliases.json").write_text(aliases)
    verdicts = {"a": (0.2, 0.4), "b": (1.5, 0.8), "c": (0.1, 0.6)}
    values = [
        scored("service", entity, role, version, value)
        for entity, pair in verdicts.items()
        for role, version, value in zip(("champion", "challenger"), (champion, challenger), pair, strict=True)
    ]
    values += [scored("service", "d", "champion", champion, 0.2), scored("host", "a", "fallback", "untrained", 3.0)]
    topic = f"{env['FAULTLINE_NAMESPACE']}.anomaly.scores.v1"
    kafka.produce(topic, [Record(value, partition=0) for value in values])

    told = faultline("status", "--json", env=env).json
    assert told["shadow_error"] is None
    (scope,) = told["shadow"]["scopes"]
    assert told["shadow"]["records"] == len(values)
    assert scope["champion"] == {"version": champion, "vectors": 4, "mean_score": 0.5, "anomalous": 0.25}
    assert scope["challenger"] == {
        "version": challenger,
        "vectors": 3,
        "mean_score": pytest.approx(0.6),
        "anomalous": 0.0,
    }
    assert (scope["pairs"], scope["agreement"]) == (3, pytest.approx(2 / 3))

    table = faultline("status", env=env).out
    assert "66.67%" in table


@pytest.mark.parametrize(
    ("seconds", "text"), [(12, "12 s"), (240, "4.0 min"), (11_520, "3.2 h"), (432_000, "5.0 d"), (-30, "-30 s")]
)
def test_spans_are_told_in_the_unit_a_person_would_use(seconds: float, text: str) -> None:
    assert _span(seconds) == text


@pytest.mark.timeout(600)  # commands that load everything
def test_without_kafka_the_models_are_told_and_that_kafka_is_away(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    version = registry.save(manifest("service"), {"all.npz": b""})
    (tmp_path / "service" / "global" / "aliases.json").write_text(json.dumps({"champion": version, "challenger": None}))
    env = {"FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "FAULTLINE_REGISTRY__URL": str(tmp_path)}
    told = faultline("status", "--json", env=env)
    assert told.code == 1
    assert told.json["models"] == [{"profile": "service", "scope": "global", "champion": version, "challenger": None}]
    assert told.json["workers"] is None
    assert "127.0.0.1:1" in told.json["kafka_error"]
    assert "no Kafka broker answers at 127.0.0.1:1" in told.err
    seen = faultline("status", env=env)
    assert seen.code == 1
    assert version[:12] in seen.out
