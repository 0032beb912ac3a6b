"""The log is not as it was: topics missing, records expired, settings changed. No silent jump, nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from schemas.vectors import decode_vectors
from tests.support.broker import Broker
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisServer
from tests.support.requests import EVENTS, FEATURES, Requests
from tests.support.undisturbed import Shown, assert_undisturbed, committed, settle, vectors

pytestmark = pytest.mark.integration

QUICK = {
    "FAULTLINE_WORKER__CHECKPOINT_INTERVAL_MS": "100",
    "FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "4000",
    "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0",
}
STATE = "faultline.state.windows.v1"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def faultline(kafka: Broker, redis: RedisServer) -> Iterator[Installation]:
    with Installation(kafka, redis, partitions=1, settings=QUICK) as installation:
        yield installation


@pytest.mark.parametrize("name", ["EVENTS", "FEATURES", "DEADLETTER", "STATE_PREFIX"])
def test_a_topic_that_is_missing_stops_the_start_and_is_named_with_the_command_that_makes_it(
    name: str, faultline: Installation
) -> None:
    worker = faultline.start("windows", {f"FAULTLINE_TOPICS__{name}": "nowhere"})
    assert worker.wait(60) == 1
    last = events_of(worker)[-1]
    assert "topic nowhere" in str(last["reason"])
    assert "faultline topics create" in str(last["way_out"])


def test_an_expired_offset_stops_the_worker_and_cold_state_goes_on_behind_the_gap(
    faultline: Installation, redis: RedisServer
) -> None:
    traffic = Requests(faultline)
    traffic.write(10)
    worker = _started(faultline)
    settle(faultline)
    worker.freeze()  # a long stop, as long as retention
    gap = traffic.write(1)  # what the fetch that is under way may still bring it
    gap += traffic.write(10)
    start = committed(faultline)[0] + gap
    _expire(faultline, start)
    traffic.write(15)
    worker.thaw()
    assert worker.wait(60) == 1, worker.tail()
    _assert_stopped(worker, "has expired")
    before = vectors(faultline)[0]
    again = faultline.start("windows")
    assert again.wait(60) == 1
    _assert_stopped(again, f"the log starts at {start}")
    assert vectors(faultline)[0] == before
    _started(faultline, cold=True)
    settle(faultline)
    _assert_continued(faultline, before)


def test_state_that_is_older_than_the_log_stops_a_rebuild_and_a_checkpoint_makes_it_needless(
    faultline: Installation, redis: RedisServer
) -> None:
    traffic = Requests(faultline)
    traffic.write(10)
    worker = _started(faultline, settings={"FAULTLINE_WORKER__CHECKPOINT_RECORDS": "1"})  # one with every commit
    settle(faultline)
    worker.stop()
    _expire(faultline, committed(faultline)[0] - 1)
    traffic.write(5)
    worker = _started(faultline)
    assert events_of(worker)[-1]["how"] == "restore"
    settle(faultline)
    worker.kill()
    redis.flush()
    before = vectors(faultline)[0]
    refused = faultline.start("windows")
    assert refused.wait(60) == 1
    _assert_stopped(refused, "state has to be rebuilt from offset")
    assert vectors(faultline)[0] == before
    _started(faultline, cold=True)
    traffic.write(15)
    settle(faultline)
    _assert_continued(faultline, before)


def test_a_smaller_limit_of_an_output_stops_the_worker_before_it_writes_anything_without_it(
    faultline: Installation,
) -> None:
    traffic = Requests(faultline)
    traffic.write(10)
    worker = _started(faultline)
    settle(faultline)
    worker.stop()
    before = vectors(faultline)[0]
    _alter(faultline, FEATURES, "max.message.bytes", "1100")
    traffic.write(5)
    worker = faultline.start("windows")
    assert worker.wait(60) == 1
    last = events_of(worker)[-1]
    assert f"larger than {faultline.topic(FEATURES)} takes (1100)" in str(last["reason"])
    assert vectors(faultline)[0] == before
    updated = faultline.run("topics", "create", "--update")
    assert updated.returncode == 0, updated.stdout + updated.stderr
    _started(faultline)
    settle(faultline)
    assert_undisturbed(faultline)


def test_topics_that_cannot_keep_the_promise_are_refused(faultline: Installation) -> None:
    traffic = Requests(faultline)
    traffic.write(3)
    _alter(faultline, EVENTS, "cleanup.policy", "compact")
    _assert_refused(faultline, f"the input topic {faultline.topic(EVENTS)} is compacted", "topics create --update")
    _alter(faultline, EVENTS, "cleanup.policy", "delete")
    _alter(faultline, STATE, "cleanup.policy", "delete")
    _assert_refused(faultline, f"the topic {faultline.topic(STATE)} is not compacted", "topics create --update")
    assert faultline.run("topics", "create", "--update").returncode == 0
    worker = _started(faultline)
    settle(faultline)
    worker.stop()
    _widen(faultline, FEATURES)
    _assert_refused(faultline, "must have the same number of partitions", "topics list")
    for topic in (EVENTS, STATE):
        _widen(faultline, topic)
    _assert_refused(faultline, "has 2 partitions now and had 1", "--accept-cold-state")
    assert_undisturbed(faultline)


def _started(faultline: Installation, cold: bool = False, settings: Mapping[str, str] | None = None) -> Daemon:
    cold_state = {"FAULTLINE_WORKER__ACCEPT_COLD_STATE": "true"} if cold else {}
    worker = faultline.start("windows", {**cold_state, **(settings or {})})
    worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
    return worker


def _assert_stopped(worker: Daemon, reason: str) -> None:
    last = events_of(worker)[-1]
    assert reason in str(last["reason"]), last
    assert "--accept-cold-state" in str(last["way_out"])


def _assert_refused(faultline: Installation, reason: str, way_out: str) -> None:
    worker = faultline.start("windows")
    assert worker.wait(60) == 1, worker.tail()
    last = events_of(worker)[-1]
    assert reason in str(last["reason"]), last
    assert way_out in str(last["way_out"])


def _assert_continued(faultline: Installation, before: list[Shown]) -> None:
    """What was there is there unchanged, something follows, and no pane of an entity comes twice or runs backwards."""
    found = vectors(faultline)[0]
    assert found[: len(before)] == before
    assert len(found) > len(before)
    tables, faults = decode_vectors([value for _, value, _ in found])
    assert not faults
    panes = sorted(
        (int(number), entity, int(end))
        for table in tables
        for number, entity, end in zip(table.at, table.entity, table.window_end, strict=True)
    )
    newest: dict[str, int] = {}
    for _, entity, end in panes:
        assert end > newest.get(entity, 0), f"{entity}: a pane came twice, or time ran backwards"
        newest[entity] = end


def _expire(faultline: Installation, before: int) -> None:
    """As retention does, at once."""
    place = TopicPartition(faultline.topic(EVENTS), 0, before)
    faultline.kafka.admin.delete_records([place])[place].result(timeout=10)


def _alter(faultline: Installation, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, faultline.topic(topic), incremental_configs=[entry])
    for future in faultline.kafka.admin.incremental_alter_configs([resource]).values():
        future.result(timeout=10)


def _widen(faultline: Installation, topic: str) -> None:
    for future in faultline.kafka.admin.create_partitions([NewPartitions(faultline.topic(topic), 2)]).values():
        future.result(timeout=10)
    eventually(lambda: len(faultline.kafka.partitions(faultline.topic(topic))) == 2, 20, f"two partitions of {topic}")
