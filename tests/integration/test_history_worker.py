"""The history worker on a real broker: killed between the database's commit and Kafka's, and with its database away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.records import encode
from tests.support.broker import Broker, Record
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.postgresql import PostgreSQL
from tests.support.redis_server import RedisAt
from tests.workers.history.given import lives, tables
from workers.history.rows import Event

AWAY = "the history's database takes nothing: events are held"
pytestmark = pytest.mark.integration

EVENTS = [event for n in range(6) for event in lives("h" + "." * 12, entity=f"service-{n}")]


@pytest.fixture
def faultline(kafka: Broker, redis_server: RedisAt) -> Iterator[Installation]:
    with Installation(kafka, redis_server) as installation:
        yield installation


def publish(faultline: Installation, events: list[Event]) -> None:
    """As the incidents worker does: keyed by entity, with a record of progress between them."""
    values = encode("IncidentEvent", events)
    records = [Record(v, str(e["entity"]).encode()) for v, e in zip(values, events, strict=True)]
    records.insert(1, Record(b'{"time":"2026-03-01T12:00:00Z"}', None, (("faultline-progress", b"1"),), partition=0))
    faultline.kafka.produce(faultline.topic("anomaly.incidents.v1"), records)


def count(url: str) -> int:
    return len(tables(url)["incident_events"])


def test_killed_between_the_two_commits_it_loses_and_doubles_nothing(faultline: Installation, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    faultline.settings["FAULTLINE_HISTORY__URL"] = url
    publish(faultline, EVENTS[:9])
    faultline.kafka.produce(faultline.topic("anomaly.incidents.v1"), [Record(b"{", b"x", partition=0)])
    worker = faultline.start("history", {"FAULTLINE_WORKER__FAIL_AT": "delivered:1:SIGKILL"})
    eventually(lambda: not worker.running, 60, "the worker is killed after its first delivery")
    assert count(url) > 0
    assert faultline.values("telemetry.deadletter.v1") == []
    publish(faultline, EVENTS[9:])
    second = faultline.start("history")
    eventually(lambda: count(url) == len(EVENTS), 60, "all events are in the history")
    second.stop()
    found = tables(url)
    assert sorted(row[2] for row in found["incident_events"]) == sorted(event["id"] for event in EVENTS)
    assert {row[4] for row in found["incidents"]} == {"closed"}
    assert len(faultline.records("telemetry.deadletter.v1")) == 1
    listed = faultline.run("incidents", "list", "--severity", "high")
    assert listed.stdout.count("service-") >= 6
    assert "history" in faultline.run("status").stdout


def test_while_the_file_is_locked_it_lives_on_and_writes_all_of_it_afterwards(
    faultline: Installation, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    faultline.settings["FAULTLINE_HISTORY__URL"] = url
    worker = faultline.start("history")
    eventually(lambda: has_logged(worker, "loaded"), 60, "the worker has its partitions")
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    publish(faultline, EVENTS)
    eventually(lambda: has_logged(worker, AWAY), 60, "it says so")
    other.execute("ROLLBACK")
    eventually(lambda: count(url) == len(EVENTS), 60, "all events are in the history")
    eventually(lambda: has_logged(worker, "the history's database is back"), 60, "it says so")
    assert worker.running


def test_a_server_stopped_for_a_while_holds_the_worker_up_and_nothing_is_lost(faultline: Installation) -> None:
    with PostgreSQL() as server:
        url = server.new_database()
        faultline.settings["FAULTLINE_HISTORY__URL"] = url
        worker = faultline.start("history")
        eventually(lambda: has_logged(worker, "loaded"), 60, "the worker has its partitions")
        server.stop()
        publish(faultline, EVENTS)
        eventually(lambda: has_logged(worker, AWAY), 60, "it says so")
        server.start()
        eventually(lambda: count(url) == len(EVENTS), 60, "all events are in the history")
        assert worker.running
        told = [line["event"] for line in events_of(worker)]
        assert told.count(AWAY) == 1


@pytest.fixture(autouse=True)
def _needs_a_server(request: pytest.FixtureRequest) -> None:
    if "server" in request.node.name:
        request.getfixturevalue("postgresql")
