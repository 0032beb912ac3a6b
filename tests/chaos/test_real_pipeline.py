"""The real workers, events to incidents: undisturbed once, and disturbed under both group protocols at once.

All runs read the same topic of events. What each leaves on its own topics, read committed, must be the same for every
key: the same values and headers in the same order. `FAULTLINE_TEST_SEEDS=200` runs a tenth as many seeds of this.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from models.registry import Registry
from schemas.records import decode
from tests.chaos.outside import Outside
from tests.chaos.pipeline import Pipeline, Place, Streams
from tests.chaos.schedule import Schedule
from tests.chaos.traffic import PARTITIONS, Traffic
from tests.support.broker import Broker
from tests.support.redis_server import RedisServer
from tests.support.services import new_kafka
from tests.workers.scoring.vectors import promote, trained
from workers.scoring.own_thresholds import KEY

pytestmark = pytest.mark.integration

SEEDS = max(2, int(os.environ.get("FAULTLINE_TEST_SEEDS", "20")) // 10)
SCORES = "anomaly.scores.v1"
PROTOCOLS = ("consumer", "classic")
ACTS = 3
MODELLED = ("login", "users")
LOGGED = "login"
"""The one of them whose five minutes of an hour, in which its threshold is logged, lie within the traffic's 48."""

PLAY_SECONDS = 30.0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_faults_in_the_real_pipeline_change_nothing_that_readers_see(seed: int, tmp_path: Path) -> None:
    with new_kafka() as kafka, RedisServer() as redis, ThreadPoolExecutor(9) as pool:
        broker = Broker(kafka.bootstrap_servers)
        events = broker.unique("events")  # the first installation creates it
        models = _models(tmp_path / "registry")
        disturbed = [Pipeline(broker, redis.url, events, one, tmp_path / one, models) for one in PROTOCOLS]
        calm = Pipeline(broker, redis.url, events, "auto", tmp_path / "calm", models)
        outside, hurry = Outside(kafka, redis, random.Random(seed)), threading.Event()
        schedules = [
            Schedule(Place(fleet, random.Random(f"{seed} {pipeline.protocol} {stage}")), ACTS)
            for pipeline in disturbed
            for stage, fleet in pipeline.fleets.items()
        ]
        try:
            feeding = pool.submit(Traffic(broker, events, seed).play, PLAY_SECONDS, hurry)
            around = pool.submit(outside.run, broker_acts=1, redis_acts=2)
            acting = [pool.submit(schedule.run) for schedule in schedules]
            _all_well(acting, outside)
            hurry.set()
            _all_well([feeding, around], outside)
            for schedule in schedules:
                schedule.revive_standing()
            _all_well([pool.submit(pipeline.settle) for pipeline in disturbed], outside)
            for fleet in calm.fleets.values():
                fleet.start()
            calm.settle()
            _judge(calm, disturbed, outside)
            _really_happened(disturbed, schedules, outside)
        finally:
            hurry.set()
            for pipeline in (*disturbed, calm):
                pipeline.end()


def _models(folder: Path) -> Path:
    """A registry with a model for two of the services; the others are scored by the untrained rule."""
    registry = Registry(str(folder))
    for service in MODELLED:
        promote(registry, trained(f"entity={service}"))
    return folder


def _all_well(runs: list[Future[Any]], outside: Outside) -> None:
    failures = [f"{run.exception()!r}" for run in runs if run.exception()]
    assert not failures, f"outside: {outside.done}\n" + "\n\n".join(failures)


def _judge(calm: Pipeline, disturbed: list[Pipeline], outside: Outside) -> None:
    types = Counter(calm.incident_types())
    assert {b"create", b"resolve", b"closed"} <= types.keys(), f"the input must open and close incidents: {types}"
    wanted, dead = calm.shown(), calm.dead()
    assert len(dead) > 10
    assert sum(map(len, wanted.values())) > 2_000
    for pipeline in (calm, *disturbed):
        _by_models(pipeline)
    for pipeline in disturbed:
        _assert_same(pipeline.protocol, wanted, pipeline.shown())
        assert pipeline.dead() == dead, f"dead letters under {pipeline.protocol}; outside: {outside.done}"


def _by_models(pipeline: Pipeline) -> None:
    """The modelled services are scored by their models, and found thresholds of their own."""
    values = [value for where, records in pipeline.shown().items() if where[0] == SCORES for value, _ in records]
    scores, _ = decode("Score", values)
    roles = {(score["entity"], score["model"]["role"]) for score in scores if score is not None}
    assert {(service, "champion") for service in MODELLED} <= roles
    assert pipeline.thresholds() == {KEY + orjson.dumps(["service", "champion", LOGGED])}


def _assert_same(protocol: str, wanted: Streams, got: Streams) -> None:
    assert got.keys() == wanted.keys(), f"{protocol}: keys {got.keys() ^ wanted.keys()}"
    for where, records in wanted.items():
        for number, (a, b) in enumerate(zip(got[where], records, strict=False)):
            assert a == b, f"{protocol}: {where}: number {number} is {a}, not {b}"
        assert len(got[where]) == len(records), f"{protocol}: {where}: {len(got[where])} records, not {len(records)}"


def _really_happened(disturbed: list[Pipeline], schedules: list[Schedule], outside: Outside) -> None:
    """Each worker was loaded again after faults, somewhere from a checkpoint and somewhere by a rebuild."""
    seen: Counter[str] = Counter()
    for pipeline in disturbed:
        for stage, fleet in pipeline.fleets.items():
            here = fleet.seen()
            assert here["stopped by a bug; please report it"] == 0
            assert here["loaded"] > PARTITIONS, f"{pipeline.protocol} {stage}: nothing was ever taken over"
            seen += here
    fleets = [fleet for pipeline in disturbed for fleet in pipeline.fleets.values()]
    killed = sum(worker.process.returncode == -9 for fleet in fleets for worker in fleet.workers)
    acts = Counter(act for schedule in schedules for act in schedule.done)
    assert len(outside.done) == 3
    assert acts["kill"] + acts["freeze"] + acts["strike"] > 0
    assert killed >= acts["kill"]
    assert seen["loaded by restore"] > 0
    hit = seen["loaded by rebuild"] + seen["checkpoint skipped, the commit names the one before"]
    assert hit > 0, f"Redis was hit ({outside.done}), and nobody noticed"
