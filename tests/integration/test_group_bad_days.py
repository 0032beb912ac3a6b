"""A worker that gets no partition stands by; one that gets no place in the group at all says so and stops."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.broker import Broker
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.support.services import new_kafka

pytestmark = pytest.mark.integration


@pytest.fixture
def one_partition(kafka: Broker, redis_server: RedisAt) -> Iterator[Installation]:
    with Installation(kafka, redis_server, partitions=1) as installation:
        yield installation


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_who_gets_no_partition_is_ready_to_take_over(one_partition: Installation, protocol: str) -> None:
    settings = {"FAULTLINE_KAFKA__GROUP_PROTOCOL": protocol}
    workers = [one_partition.start("windows", settings) for _ in range(2)]
    for worker in workers:
        worker.wait_ready(partial(_is_ready, worker), 60)
    loaded = [worker for worker in workers if has_logged(worker, "loaded")]
    assert len(loaded) == 1
    (spare,) = set(workers) - set(loaded)
    loaded[0].stop()
    eventually(partial(has_logged, spare, "loaded"), 30, "the spare one takes over")


def test_a_group_without_a_coordinator_ends_the_worker_and_names_the_usual_reason(redis_server: RedisAt) -> None:
    with (
        new_kafka(settings={"offsets.topic.replication.factor": "3"}) as server,
        Installation(
            Broker(server.bootstrap_servers), redis_server, 1, {"FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "5000"}
        ) as faultline,
    ):
        worker = faultline.start("windows")
        assert worker.wait(60) == 1, worker.tail()
        last = events_of(worker)[-1]
        assert "no place in the group" in str(last["reason"])
        assert "offsets.topic.replication.factor" in str(last["way_out"])


def _is_ready(worker: Daemon) -> bool:
    started = next((event for event in events_of(worker) if event["event"] == "started"), None)
    if started is None:
        return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{started['http_port']}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False
