"""When a member is in its group, and when it has been outside for longer than the group needs."""

from __future__ import annotations

import orjson
import pytest

from workers.runtime.kafka_membership import INTERVAL_MS, Membership

PATIENCE = 10 * INTERVAL_MS / 1000
"""Ten tellings."""


def say(membership: Membership, state: str, join_state: str, times: int = 1, age: int = 60_000) -> None:
    group = {"state": state, "join_state": join_state, "stateage": age}
    for _ in range(times):
        membership.on_statistics(orjson.dumps({"cgrp": group}).decode())


def classic() -> Membership:
    return Membership(classic=True, patience=PATIENCE, max_poll_interval=PATIENCE)


@pytest.mark.parametrize(("state", "join_state"), [("query-coord", "init"), ("up", "wait-metadata"), ("up", "init")])
def test_a_member_that_waits_for_nobody_is_overdue_after_its_own_patience(state: str, join_state: str) -> None:
    membership = classic()
    say(membership, state, join_state, 9)
    assert not membership.overdue
    say(membership, state, join_state)
    assert membership.overdue
    assert membership.state == f"{state}, {join_state}"


@pytest.mark.parametrize("join_state", ["wait-join", "wait-sync"])
def test_a_member_that_waits_for_the_others_has_their_time_as_well(join_state: str) -> None:
    membership = classic()
    say(membership, "up", join_state, 19)
    assert not membership.overdue
    say(membership, "up", join_state)
    assert membership.overdue


def test_being_in_the_group_forgives_all() -> None:
    membership = classic()
    say(membership, "query-coord", "init", 9)
    assert not membership.joined
    say(membership, "up", "steady")
    assert membership.joined
    say(membership, "query-coord", "init", 9)
    assert not membership.overdue


def test_while_nobody_can_be_asked_patience_begins_again() -> None:
    membership = classic()
    say(membership, "query-coord", "init", 10)
    membership.wait_again()
    say(membership, "query-coord", "init", 9)
    assert not membership.overdue


def test_under_the_newer_protocol_a_member_without_partitions_is_in_by_its_heartbeat() -> None:
    membership = Membership(classic=False, patience=PATIENCE, max_poll_interval=PATIENCE)
    say(membership, "up", "init", age=100)
    assert not membership.joined
    say(membership, "up", "init", age=5_000)
    assert membership.joined


def test_statistics_without_a_group_say_nothing() -> None:
    membership = classic()
    membership.on_statistics("{}")
    assert (membership.joined, membership.overdue, membership.state) == (False, False, "")
