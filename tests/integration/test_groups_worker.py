"""The groups worker on a real Kafka: one order over all partitions, exactly once, and only one of it at a time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import orjson
import pytest

from tests.support.broker import Broker, Record
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.workers.groups.made_up import core, score, topic
from workers.groups.links import Links
from workers.groups.policy import Policy
from workers.runtime.records import Records

pytestmark = pytest.mark.integration

INCIDENTS, GROUPS, LETTERS = "anomaly.incidents.v1", "anomaly.groups.v1", "telemetry.deadletter.v1"
PARTITIONS = 3


@pytest.fixture
def faultline(kafka: Broker, redis_server: RedisAt) -> Iterator[Installation]:
    with Installation(kafka, redis_server, PARTITIONS, {"FAULTLINE_GROUPS__PATIENCE_MS": "4000"}) as installation:
        yield installation


def traffic(seed: int, windows: int) -> list[Records]:
    """What the incidents worker wrote of two entities a partition."""
    chance = random.Random(seed)
    severities = [None, None, None, "low", "high", "critical"]
    return [
        topic(
            number,
            [
                score(window, chance.choice(severities), entity=f"{'abc'[number]}{entity}")
                for window in range(windows)
                for entity in range(2)
            ],
        )
        for number in range(PARTITIONS)
    ]


def write(faultline: Installation, topics: list[Records], start: float, stop: float) -> None:
    """These parts of each partition, a few records at a time."""
    for records in topics:
        part = records.slice(round(start * len(records)), round(stop * len(records)))
        columns = zip(part.keys, part.values, part.headers, strict=True)
        made = [Record(value, key, tuple(headers or ()), records.partition) for key, value, headers in columns]
        faultline.kafka.produce(faultline.topic(INCIDENTS), made)


def undisturbed(topics: list[Records]) -> list[bytes | None]:
    one = core(Policy(), Links())
    for records in topics:
        one.take(records)
    return [output.value for output in [*one.step(), *one.step(idle=range(PARTITIONS))]]


def started(faultline: Installation, **settings: str) -> Daemon:
    worker = faultline.start("groups", settings)
    worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
    return worker


def written(faultline: Installation) -> list[bytes | None]:
    return [record.value for record in faultline.records(GROUPS)]


def test_killed_at_every_step_it_writes_what_one_that_lives_would_have_written(faultline: Installation) -> None:
    topics = traffic(seed=7, windows=60)
    steps = ["produced:1", "offsets_sent:2", "committed:1"]
    for number, step in enumerate(steps):
        write(faultline, topics, number / len(steps), (number + 1) / len(steps))
        dying = faultline.start("groups", {"FAULTLINE_WORKER__FAIL_AT": f"{step}:SIGKILL"})
        dying.wait(60)
    started(faultline)
    want = undisturbed(topics)
    eventually(lambda: len(written(faultline)) >= len(want), 60, "all groups are written")
    assert written(faultline) == want
    assert len(want) > 8


def test_a_second_one_ends_the_first(faultline: Installation) -> None:
    topics = traffic(seed=3, windows=30)
    first = started(faultline)
    write(faultline, topics, 0, 0.5)
    eventually(lambda: bool(written(faultline)), 60, "the first one writes")
    started(faultline)
    write(faultline, topics, 0.5, 1)
    assert first.wait(60) == 1
    assert any("another groups worker has started" in str(line.get("reason")) for line in events_of(first))
    want = undisturbed(topics)
    eventually(lambda: len(written(faultline)) >= len(want), 60, "the second one goes on")
    assert written(faultline) == want


def test_a_storm_is_one_group_and_what_cannot_be_read_is_a_dead_letter(faultline: Installation) -> None:
    storm = [
        topic(number, [score(1, "high", entity=f"{'abc'[number]}{entity}") for entity in range(400)])
        for number in range(PARTITIONS)
    ]
    started(faultline)
    faultline.kafka.produce(faultline.topic(INCIDENTS), [Record(b"{", b"x", partition=1)])
    write(faultline, storm, 0, 1)
    eventually(lambda: len(faultline.records(LETTERS)) == 1, 60, "the dead letter is written")
    eventually(lambda: bool(written(faultline)), 60, "the storm is told")
    found = [orjson.loads(value or b"") for value in written(faultline)]
    assert [event["type"] for event in found] == ["CREATE"]
