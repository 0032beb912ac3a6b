"""Redis forgets, hangs, is full or away under a running worker: it costs time, and never a byte of the output."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support.broker import Broker
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisServer
from tests.support.requests import Requests
from tests.support.undisturbed import assert_undisturbed, committed, settle

pytestmark = pytest.mark.integration

QUICK = {
    "FAULTLINE_WORKER__CHECKPOINT_INTERVAL_MS": "100",
    "FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "5000",
    "FAULTLINE_REDIS__TIMEOUT_MS": "300",
    "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0",
}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def faultline(kafka: Broker, redis: RedisServer) -> Iterator[Installation]:
    with Installation(kafka, redis, partitions=1, settings=QUICK) as installation:
        yield installation


def _flush(redis: RedisServer) -> None:
    redis.flush()


def _restart(redis: RedisServer) -> None:
    redis.kill()
    redis.start()


def _lose_half(redis: RedisServer) -> None:
    """As an evicting Redis would: any keys, also parts of what belongs together."""
    chance = random.Random(7)
    with redis.client() as client:
        keys = sorted(client.scan_iter("*checkpoint*"))
        assert len(keys) > 2
        client.delete(*chance.sample(keys, len(keys) // 2))


def test_what_redis_has_lost_is_built_anew_from_the_log(faultline: Installation, redis: RedisServer) -> None:
    traffic = Requests(faultline)
    traffic.write(12)
    worker = _started(faultline)
    settle(faultline)
    for lose in (_flush, _restart, _lose_half):  # under a worker that goes on: what it writes next must be whole
        lose(redis)
        written = _checkpoints(faultline, worker, "written")
        _until(partial(_goes_on, faultline, traffic, worker, written), f"a checkpoint after {lose.__name__}")
    worker.kill()
    worker = _started(faultline)
    assert _loaded(worker)["how"] == "restore"
    for lose in (_flush, _lose_half):  # while nobody runs: what the commit names is not there
        settle(faultline)
        traffic.write(1)
        settle(faultline)
        worker.kill()
        lose(redis)
        worker = _started(faultline)
        assert _loaded(worker)["how"] == "rebuild"
        assert has_logged(worker, "checkpoint missing or different, rebuilding")
        written = _checkpoints(faultline, worker, "written")
        _until(partial(_goes_on, faultline, traffic, worker, written), f"a checkpoint after {lose.__name__}")
    assert_undisturbed(faultline)


def test_a_redis_that_takes_nothing_is_gone_on_without(faultline: Installation, redis: RedisServer) -> None:
    traffic = Requests(faultline)
    traffic.write(5)
    worker = _started(faultline)
    settle(faultline)
    _strike(faultline, traffic, worker, redis.freeze, redis.thaw, "Timeout")
    _strike(faultline, traffic, worker, redis.stop, redis.start, "Connection")
    full, free = partial(redis.configure, maxmemory="1"), partial(redis.configure, maxmemory="0")
    _strike(faultline, traffic, worker, full, free, "OutOfMemory")
    worker.kill()
    assert _loaded(_started(faultline))["how"] == "restore"
    assert_undisturbed(faultline)


def _strike(
    faultline: Installation,
    traffic: Requests,
    worker: Daemon,
    strike: Callable[[], None],
    mend: Callable[[], None],
    reason: str,
) -> None:
    """The worker goes on through it without checkpoints, says why, and writes them again afterwards."""
    skipped = _checkpoints(faultline, worker, "skipped")
    known = len(events_of(worker))
    strike()
    try:
        for _ in range(2):
            traffic.write(3)
            settle(faultline, 20)
        assert _checkpoints(faultline, worker, "skipped") > skipped
        # Whichever call of a commit meets it first says so; the others are then not tried for a while.
        assert reason in str([event["error"] for event in events_of(worker)[known:] if "error" in event])
    finally:
        mend()
    written = _checkpoints(faultline, worker, "written")
    _until(partial(_goes_on, faultline, traffic, worker, written), f"checkpoints again after {reason}")


def test_a_worker_starts_without_redis_and_stops_before_a_restart_would_take_too_long(
    faultline: Installation, redis: RedisServer
) -> None:
    redis.stop()
    traffic = Requests(faultline)
    traffic.write(3)
    worker = _started(faultline, {"FAULTLINE_WORKER__MAX_REPLAY_RECORDS": "1000"})
    assert has_logged(worker, "Redis cannot be reached; going on without checkpoints until it can")
    settle(faultline)
    traffic.write(12)
    assert worker.wait(30) == 1
    last = events_of(worker)[-1]
    assert "no checkpoint could be written for so long" in str(last["reason"])
    assert "Bring Redis back" in str(last["way_out"])
    redis.start()
    _started(faultline, {"FAULTLINE_WORKER__MAX_REPLAY_RECORDS": "1000"})
    settle(faultline)
    assert_undisturbed(faultline)


def test_a_redis_that_may_evict_is_refused_before_anything_is_read(faultline: Installation, redis: RedisServer) -> None:
    Requests(faultline).write(1)
    redis.configure(maxmemory="50mb", maxmemory_policy="allkeys-lru")
    worker = faultline.start("windows")
    assert worker.wait(30) == 1
    last = events_of(worker)[-1]
    assert "maxmemory-policy is allkeys-lru" in str(last["reason"])
    assert "noeviction" in str(last["way_out"])
    assert committed(faultline) == [-1001]


def _started(faultline: Installation, settings: dict[str, str] | None = None) -> Daemon:
    worker = faultline.start("windows", settings)
    worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
    return worker


def _goes_on(faultline: Installation, traffic: Requests, worker: Daemon, written: float) -> bool:
    traffic.write(1)
    settle(faultline)
    return _checkpoints(faultline, worker, "written") > written


def _until(check: Callable[[], bool], what: str) -> None:
    eventually(check, 30, what)


def _loaded(worker: Daemon) -> dict[str, object]:
    return next(event for event in events_of(worker) if event["event"] == "loaded")


def _checkpoints(faultline: Installation, worker: Daemon, result: str) -> float:
    found = faultline.metrics(worker)
    return found.get(f'faultline_checkpoints_total{{result="{result}",worker="windows"}}', 0.0)
