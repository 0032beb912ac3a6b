"""What happens when the input itself is not what the committed offsets speak of: recreated, expired, cut, widened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.broker import Entry, Log
from tests.model.counting import Counting
from tests.model.judge import Oracle
from tests.model.schedules import silence
from tests.model.world import IN, LOG, OUT, Plan, World
from tests.support.toy_stages import Relay, Tally
from workers.runtime.slices import Committed, TopicPartition

FIRST = TopicPartition(IN, 0)


@pytest.fixture(autouse=True)
def quiet() -> None:
    silence()


def world_of(stage: Any, seed: int = 1, **policy: Any) -> World:
    """A world without faults, one partition and one worker, that has processed thirty records."""
    world = World(Plan(seed, records=60, partitions=1, rate=0.0), lambda: stage, Counting(), policy=policy)
    world.judges_views = False  # the input changes under them
    world.feed(0, 30)
    world.start()
    settle(world)
    return world


def settle(world: World, cycles: int = 300) -> None:
    """Let whoever is alive go on until nothing changes any more, or until it has stopped itself."""
    for _ in range(cycles):
        for process in world.processes:
            if process.alive:
                process.cycle()
        world.wait(0.1)


def restart(world: World, flush: bool = False) -> None:
    world.stop_all()
    if flush:
        world.redis.lose(world.chance, everything=True)
    world.start()


def shown(world: World, topic: str = OUT) -> list[tuple[bytes | None, bytes | None]]:
    return [(e.key, e.value) for _, e in world.broker.log(TopicPartition(topic, 0)).committed()]


def undisturbed(world: World, topic: str = OUT) -> list[tuple[bytes | None, bytes | None]]:
    return [(key, value) for key, value, _ in Oracle(world.build(), world.broker).expected(0).outputs.get(topic, [])]


def expire(log: Log, start: int) -> None:
    log.start = start


@pytest.mark.parametrize("while_running", [False, True])
def test_a_recreated_topic_is_processed_from_its_start_with_empty_state(while_running: bool) -> None:
    world = world_of(Tally(OUT, LOG))
    old = undisturbed(world)
    if not while_running:
        world.stop_all()
    world.broker.create(IN, 1)
    world.feed(0, 12)
    if not while_running:
        world.start()
    settle(world)
    assert shown(world) == old + undisturbed(world)
    assert len(undisturbed(world)) > 0


def test_what_was_logged_of_a_recreated_topics_predecessor_is_never_read() -> None:
    world = world_of(Tally(OUT, LOG))
    old = undisturbed(world)
    assert len(shown(world, LOG)) > 0
    world.stop_all()
    world.broker.create(IN, 1)
    world.feed(0, 12)
    world.start()
    settle(world)
    restart(world, flush=True)
    world.feed(0, 18)
    settle(world)
    assert world.chance.seen["stopped itself"] == 0
    assert shown(world) == old + undisturbed(world)


def test_an_expired_offset_stops_the_worker_and_nothing_is_skipped_silently() -> None:
    world = world_of(Relay(OUT))
    before = shown(world)
    world.stop_all()
    world.feed(0, 20)
    expire(world.broker.log(FIRST), len(world.broker.log(FIRST).entries) - 3)
    world.expects_fatal = True
    world.start()
    settle(world)
    assert "has expired" in world.fatal[0]
    assert "--accept-cold-state" in world.fatal[0]
    assert shown(world) == before


def test_an_offset_that_expires_under_a_running_worker_stops_it_too() -> None:
    world = world_of(Relay(OUT))
    before = shown(world)
    world.feed(0, 20)
    expire(world.broker.log(FIRST), len(world.broker.log(FIRST).entries) - 3)
    world.expects_fatal = True
    settle(world)
    assert "has expired" in world.fatal[0]
    assert shown(world) == before


def test_cold_state_once_accepted_goes_on_from_the_oldest_record_left_and_repeats_nothing() -> None:
    world = world_of(Relay(OUT))
    before = shown(world)
    world.stop_all()
    world.feed(0, 20)
    log = world.broker.log(FIRST)
    expire(log, len(log.entries) - 3)
    left = [entry.value for _, entry in log.committed()]
    world.policy["accept_cold_state"] = True
    world.start()
    settle(world)
    assert shown(world)[len(before) :] == [(k, v) for k, v in undisturbed(world)]
    assert len(left) > 0


def test_cold_state_keeps_what_was_logged_and_does_not_turn_time_back() -> None:
    world = world_of(Tally(OUT, LOG))
    totals = dict(shown(world, LOG))
    world.stop_all()
    world.redis.lose(world.chance, everything=True)
    expire(world.broker.log(FIRST), len(world.broker.log(FIRST).entries))
    world.policy["accept_cold_state"] = True
    world.start()
    for key in totals:
        world.broker.append(FIRST, key, b"5000:1")
    world.broker.append(FIRST, b"ada", b"5100:1")
    settle(world)
    after = dict(shown(world, LOG))
    for key, value in totals.items():
        count = int((value or b"").split(b":")[0])
        assert after[key] == b"%d:5010" % (count + 1)


def test_state_older_than_retention_is_restored_from_its_checkpoint_but_never_guessed_without() -> None:
    world = world_of(Tally(OUT, LOG), checkpoint_interval=0.0, max_outputs=1000, max_bytes=1 << 20)
    world.stop_all()
    log, committed = world.broker.log(FIRST), world.broker.offsets[FIRST].offset
    assert committed is not None
    expire(log, committed)
    world.start()
    world.feed(0, 10)
    settle(world)
    shown_with_checkpoint = shown(world)
    log.start = 0
    assert shown_with_checkpoint == undisturbed(world)

    log.start = world.broker.offsets[FIRST].offset or 0
    world.expects_fatal = True
    restart(world, flush=True)
    settle(world)
    assert "state has to be rebuilt from offset" in world.fatal[0]
    assert "retention" in world.fatal[0]


def test_a_log_cut_off_below_the_committed_offset_stops_the_worker() -> None:
    world = world_of(Relay(OUT))
    world.stop_all()
    del world.broker.log(FIRST).entries[-5:]
    world.expects_fatal = True
    world.start()
    settle(world)
    assert "truncated" in world.fatal[0]


def test_more_partitions_than_before_stop_the_worker_because_keys_have_moved() -> None:
    world = world_of(Tally(OUT, LOG))
    world.stop_all()
    world.broker.topics[IN].logs.append(Log())
    world.expects_fatal = True
    world.start()
    settle(world)
    assert "has 2 partitions now and had 1" in world.fatal[0]


def test_offsets_that_another_tool_committed_are_begun_at_with_empty_state() -> None:
    world = world_of(Relay(OUT))
    before = shown(world)
    world.stop_all()
    world.broker.offsets[FIRST] = Committed(0, None)
    world.start()
    settle(world)
    assert shown(world) == before + before


def test_changed_settings_rebuild_the_state_and_do_not_stumble_over_a_half_sent_record() -> None:
    world = World(Plan(3, partitions=1, rate=0.0), lambda: Relay(OUT), Counting(), policy={"max_outputs": 4})
    log = world.broker.log(FIRST)
    log.entries += [Entry(b"k", b"many:40"), Entry(b"k", b"1:1")]
    world.start()
    for _ in range(3):
        world.processes[0].cycle()
        if shown(world):
            break
    world.processes[0].die()
    world.broker.offsets[FIRST] = Committed(
        0, (world.broker.offsets[FIRST].metadata or "").replace("relay-1", "relay-0")
    )
    world.wait(30.0)
    world.start()
    settle(world)
    assert world.fatal == []
    assert shown(world)[-1] == (b"k", b"0 of 1:1")


def test_without_redis_the_output_is_the_same_and_a_worker_stops_before_a_restart_would_take_too_long() -> None:
    world = World(Plan(5, records=60, partitions=1, rate=0.0), lambda: Tally(OUT, LOG), Counting())
    world.redis.down = True
    world.feed(0, 60)
    world.start()
    settle(world)
    assert shown(world) == undisturbed(world)
    assert world.chance.seen["stopped itself"] == 0

    bounded = World(Plan(5, records=60, partitions=1, rate=0.0), lambda: Tally(OUT, LOG), Counting())
    bounded.policy = {"max_replay": 3, "checkpoint_interval": 0.0, "poll_records": 5, "commit_interval": 0.0}
    bounded.redis.down = True
    bounded.expects_fatal = True
    bounded.feed(0, 60)
    bounded.start()
    settle(bounded)
    assert "a restart would replay" in bounded.fatal[0]
    assert shown(bounded) == undisturbed(bounded)[: len(shown(bounded))]
