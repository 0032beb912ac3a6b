"""kill -9 and SIGSTOP at every named step of the commit, against the real broker: nothing lost, nothing doubled.

The struck worker owns all partitions; a second one takes over; the frozen one then wakes up as a zombie.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.field import Field
from tests.chaos.schedule import STEPS, Schedule, finish
from tests.support.broker import Broker
from tests.support.redis_server import RedisAt

pytestmark = pytest.mark.integration

AT_ONCE = 5


def strike(place: Field, step: str, signal: str, count: int) -> None:
    fleet = place.fleet
    try:
        place.feed(40)
        victim = fleet.start(FAULTLINE_WORKER__FAIL_AT=f"{step}:{count}:{signal}")
        schedule = Schedule(place, acts=0)
        schedule.until(lambda: victim.standing or not victim.running, 40)
        assert fleet.seen()[f"struck at {step}"] == 1, f"{step} was never reached:\n{fleet.tail(victim)}"
        heir = fleet.start()
        if signal == "SIGSTOP":
            fleet.await_event(heir, "loaded", timeout=60)
            place.feed(20)
            schedule.live(0.6)
            fleet.thaw(victim)
            schedule.live(1.0)
        else:
            assert victim.process.wait(5) == -9
        finish(place)
        assert fleet.seen()["stopped by a bug; please report it"] == 0
    finally:
        fleet.end()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", ["consumer", "classic"])
@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSTOP"])
def test_a_worker_struck_at_any_step_of_the_commit_changes_nothing_that_readers_see(
    kafka: Broker, redis_server: RedisAt, tmp_path: Path, signal: str, protocol: str
) -> None:
    def one(number: int, step: str) -> None:
        place = Field(kafka, redis_server.url, "tally", protocol, number, tmp_path / step)
        strike(place, step, signal, count=2 + number % 3)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(one, number, step) for number, step in enumerate(STEPS)]
    failures = [f"{step}: {run.exception()}" for step, run in zip(STEPS, runs, strict=True) if run.exception()]
    assert not failures, "\n\n".join(failures)
