"""Seeded random faults against whole worker processes, a real broker and a real Redis, under both group protocols.

One round is one broker and one Redis, both of its own, and several namespaces beside each other, each with its own
seed, workers and schedule. `make chaos SEEDS=300` runs that many seeds; a failure names its seed.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.field import Field
from tests.chaos.outside import Outside
from tests.chaos.schedule import Schedule, finish
from tests.support.broker import Broker
from tests.support.redis_server import RedisServer
from tests.support.services import new_kafka

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

SEEDS = int(os.environ.get("FAULTLINE_TEST_SEEDS", "20"))
A_ROUND = 7
ACTS = 4


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, SEEDS, A_ROUND))
def test_random_faults_change_nothing_that_readers_see(first: int, tmp_path: Path) -> None:
    seeds = range(first, min(first + A_ROUND, SEEDS))
    with new_kafka() as kafka, RedisServer() as redis, ThreadPoolExecutor(A_ROUND + 1) as pool:
        broker = Broker(kafka.bootstrap_servers)
        places = [Field(broker, redis.url, _kind(seed), _protocol(seed), seed, tmp_path / str(seed)) for seed in seeds]
        schedules = [Schedule(place, ACTS) for place in places]
        outside = Outside(kafka, redis, random.Random(first))
        try:
            around = pool.submit(outside.run, broker_acts=1, redis_acts=3)
            acting = [pool.submit(schedule.run) for schedule in schedules]
            problems = [_problem(seed, "during", run) for seed, run in zip(seeds, acting, strict=True)]
            around.result()
            ending = [pool.submit(finish, place) for place in places]
            problems += [_problem(seed, "after", run) for seed, run in zip(seeds, ending, strict=True)]
            problems = [problem for problem in problems if problem]
            assert not problems, f"outside: {outside.done}\n" + "\n\n".join(problems)
            _really_happened(places, schedules, outside)
        finally:
            for place in places:
                place.fleet.end()


def _kind(seed: int) -> str:
    return "relay" if seed % 5 == 4 else "tally"


def _protocol(seed: int) -> str:
    return "classic" if seed % 2 else "consumer"


def _problem(seed: int, when: str, run: object) -> str:
    failure = run.exception()  # type: ignore[attr-defined]
    return f"seed {seed} ({_protocol(seed)}), {when}: {failure!r}" if failure else ""


def _really_happened(places: list[Field], schedules: list[Schedule], outside: Outside) -> None:
    """A round proves nothing about faults that left no trace in the workers' logs."""
    seen: Counter[str] = Counter()
    acts = Counter(act for schedule in schedules for act in schedule.done)
    for place in places:
        seen += place.fleet.seen()
    assert seen["stopped by a bug; please report it"] == 0
    killed = sum(worker.process.returncode == -9 for place in places for worker in place.fleet.workers)
    assert killed >= acts["kill"]
    assert seen["loaded"] > sum(map(len, (place.fleet.workers for place in places)))
    assert len(outside.done) == 4
    assert seen["loaded by rebuild"] > 0, f"Redis was hit ({outside.done}), and nobody had to rebuild"
    assert seen["loaded by restore"] > 0
    if sum(schedule.outlived for schedule in schedules) > 1:
        assert seen["lost"] + seen["transaction not committed"] > 0, "no zombie noticed that it was one"
