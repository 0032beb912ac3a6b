"""This machine's own metrics through all workers for a while: nothing grows. For an hour: docs/operating.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.redis_server import RedisServer
from tests.support.soak import EVENTS, Bounds, Soak, growth

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SECONDS = 60
INTERVAL = 0.2


def test_the_host_source_runs_through_all_workers_without_growth(kafka: Broker, tmp_path: Path) -> None:
    with RedisServer() as redis, Soak(kafka, redis, INTERVAL, tmp_path / "source.log") as soak:
        soak.run(SECONDS, every=1.0)
        samples = soak.faultline.records(EVENTS)
        scores = soak.faultline.values("anomaly.scores.v1")
        letters = soak.faultline.records("telemetry.deadletter.v1")
    assert len(samples) > SECONDS / INTERVAL * 0.7  # a loaded machine skips beats
    assert len(scores) > len(samples) - 20 / INTERVAL  # the last samples wait for the lateness
    assert {score["entity"] for score in scores} == {"soak"}
    assert letters == []
    assert growth(soak.readings, Bounds()) == []
