"""What holds for all incidents of all partitions, however they are read, and wherever the worker dies."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import orjson
import pytest

from tests.workers.groups.made_up import as_records, core, score, topic
from workers.groups.core import Core
from workers.groups.links import Links
from workers.groups.policy import Policy
from workers.groups.position import Position
from workers.runtime.records import Output, Records
from workers.runtime.stage import Logged

LIVELY = Policy(join_within=60_000_000, hops=1, continue_every=40_000_000, listed=3)
LINKS = Links([("a0", "b1"), ("b1", "c0")], {"c": "c*"}, hops=1)

PARTITIONS = 3


def partitions(seed: int) -> list[Records]:
    """Incidents of three partitions, two entities each, over some minutes."""
    chance = random.Random(seed)
    found = []
    for partition in range(PARTITIONS):
        severities = [None, None, None, "low", "high", "critical"]
        scores = [
            score(window, chance.choice(severities), entity=f"{'abc'[partition]}{entity}")
            for window in range(chance.randrange(30))
            for entity in range(2)
        ]
        found.append(topic(partition, scores))
    return found


class Broker:
    """What was committed: outputs, the compacted log, positions."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.log: dict[bytes, bytes | None] = {}
        self.positions: dict[int, tuple[int, Position]] = {}

    def commit(self, outputs: list[Output], core: Core) -> None:
        self.outputs += outputs
        for record in core.log():
            assert record.key is not None
            self.log.pop(record.key, None)
            self.log[record.key] = record.value
        self.positions |= core.positions()

    def places(self, topics: list[Records]) -> list[int]:
        """Where reading goes on, as indices."""
        return [_index(records, self.positions.get(partition)) for partition, records in enumerate(topics)]

    def start(self) -> Core:
        logged = [Logged(key, value) for key, value in self.log.items() if value is not None]
        return core(LIVELY, LINKS, logged=logged, positions=self.positions)


def undisturbed(topics: list[Records]) -> list[Output]:
    one, outputs = core(LIVELY, LINKS), []
    for records in topics:
        if len(records):
            one.take(records)
    outputs += one.step()
    outputs += one.step(idle=range(PARTITIONS))
    return outputs


@pytest.mark.parametrize("seed", range(40))
def test_neither_the_order_of_reading_nor_a_death_at_any_moment_changes_what_is_written(seed: int) -> None:
    topics, chance, broker = partitions(seed), random.Random(seed), Broker()
    one, place, pending = broker.start(), [0] * PARTITIONS, list[Output]()
    for _ in range(40):
        partition, count = chance.randrange(PARTITIONS), chance.randint(1, 12)
        records = topics[partition]
        if place[partition] < len(records):
            one.take(records.slice(place[partition], place[partition] + count))
            place[partition] = min(len(records), place[partition] + count)
        pending += one.step()
        what = chance.choice(["go on", "go on", "commit", "die"])
        if what == "commit" and one.positions():
            broker.commit(pending, one)
            pending = []
        elif what == "die":
            one, place, pending = broker.start(), broker.places(topics), []
    pending += read_rest(one, topics, place)
    broker.commit(pending, one)
    one = broker.start()
    rest = read_rest(one, topics, broker.places(topics))
    broker.commit([*rest, *one.step(idle=range(PARTITIONS))], one)
    assert broker.outputs == undisturbed(topics)


def read_rest(one: Core, topics: list[Records], place: list[int]) -> list[Output]:
    for records, start in zip(topics, place, strict=True):
        if start < len(records):
            one.take(records.slice(start, len(records)))
    return one.step()


def _index(records: Records, position: tuple[int, Position] | None) -> int:
    return 0 if position is None else int((records.offsets < position[0]).sum())


@pytest.mark.parametrize("seed", range(100, 140))
def test_the_rules_of_a_groups_life(seed: int) -> None:
    topics = partitions(seed)
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for output in undisturbed(topics):
        groups[(output.key or b"").decode()].append(orjson.loads(output.value or b""))
    created = 0
    for events in groups.values():
        assert [event["sequence"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events].count("CREATE") == 1
        assert events[0]["type"] == "CREATE"
        assert "CLOSED" not in [event["type"] for event in events[:-1]]
        assert [event["time"] for event in events] == sorted(event["time"] for event in events)
        for event in events:
            assert (event["open_count"] == 0) == (event["type"] in ("RESOLVE", "CLOSED"))
            assert event["incident_count"] >= event["open_count"]
            assert len(event["entities"]) <= LIVELY.listed
        created += events[-1]["incident_count"]
    incidents = {
        orjson.loads(value or b"")["incident_id"]
        for records in topics
        for key, value in zip(records.keys, records.values, strict=True)
        if key is not None
    }
    assert created <= len(incidents)  # what was not said yet when the input ended is missing
    if all(events[-1]["type"] == "CLOSED" for events in groups.values()):
        assert created == len(incidents)


def test_records_that_cannot_be_read_are_told_and_the_others_are_taken() -> None:
    records = topic(0, [score(window, "high") for window in range(3)])
    columns = zip(records.keys, records.values, records.headers, strict=True)
    outputs = [Output("incidents", key, value, headers or ()) for key, value, headers in columns]
    one = core(LIVELY, LINKS)
    letters = one.take(
        as_records(0, [Output("incidents", b"x", b"{"), Output("incidents", b"x", b'{"type":"NO"}'), *outputs])
    )
    assert [(letter.index, letter.error_class) for letter in letters] == [(0, "malformed"), (1, "invalid")]
    assert [output.topic for output in one.step(idle=range(PARTITIONS))] == ["groups"]


def test_what_is_committed_is_the_end_of_a_partition_that_was_read_and_taken_whole() -> None:
    one, records = core(LIVELY, LINKS), topic(0, [score(window, "high") for window in range(3)])
    one.take(records)
    end = int(records.offsets[-1]) + 2  # behind the mark of a transaction
    for partition in range(PARTITIONS):
        one.ended(partition, end if partition == 0 else 0)
    assert one.positions()[0][0] < end
    one.step(idle=range(PARTITIONS))
    assert {partition: offset for partition, (offset, _) in one.positions().items()} == {0: end, 1: 0, 2: 0}
