"""Without transactions: what a crash interrupts may come again, and nothing is lost, changed or out of order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.broker import Broker, Record
from tests.support.installation import Installation, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.support.requests import EVENTS, LETTERS, Requests
from tests.support.undisturbed import assert_undisturbed, settle, vectors, wanted

pytestmark = pytest.mark.integration

AT_LEAST_ONCE = {"FAULTLINE_WORKER__DELIVERY": "at-least-once"}


@pytest.fixture
def faultline(kafka: Broker, redis_server: RedisAt) -> Iterator[Installation]:
    with Installation(kafka, redis_server, settings={"FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0"}) as installation:
        yield installation


def _started(faultline: Installation, **settings: str) -> Daemon:
    worker = faultline.start("windows", AT_LEAST_ONCE | settings)
    worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
    return worker


def _poison(faultline: Installation) -> None:
    partitions = range(faultline.partitions)
    faultline.kafka.produce(faultline.topic(EVENTS), [Record(b"{", b"cart", partition=p) for p in partitions])


def _dead_of(traffic: Requests, worker: Daemon) -> bool:
    if worker.running:
        traffic.write(4)
    return not worker.running


def test_undisturbed_it_writes_the_same_as_with_transactions(faultline: Installation) -> None:
    traffic = Requests(faultline)
    _started(faultline)
    for _ in range(3):
        traffic.write(5)
        _poison(faultline)
        settle(faultline)
    assert_undisturbed(faultline)


@pytest.mark.parametrize("step", ["produced", "offsets_sent", "committed"])
def test_a_crash_loses_nothing_and_what_comes_again_is_the_same(faultline: Installation, step: str) -> None:
    traffic = Requests(faultline)
    for count in (1, 3):
        _poison(faultline)
        # Not waited for: what was written before may be all that it takes to die.
        worker = faultline.start("windows", {**AT_LEAST_ONCE, "FAULTLINE_WORKER__FAIL_AT": f"{step}:{count}:SIGKILL"})
        eventually(partial(_dead_of, traffic, worker), 90, f"the worker dies at {step}")
    _started(faultline)
    settle(faultline)
    want, got = wanted(faultline), vectors(faultline)
    assert any(want.vectors)
    for mine, theirs in zip(got, want.vectors, strict=True):
        assert list(dict.fromkeys(mine)) == theirs  # first appearances, in order
    letters = {tuple(dict(record.headers).items()) for record in faultline.records(LETTERS)}
    assert len(letters) == sum(map(len, want.letters))
