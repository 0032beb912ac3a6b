"""When a member is in its group, and when it has been outside for longer than the group needs."""

from __future__ import annotations

import orjson
import pytest

from workers.runtime.kafka_membership import INTERVAL_MS, Membership

PATIENCE = 10 * INTERVAL_MS / 1000
"""Ten tellings."""


def overdue_after(
    membership: Membership, times: int, state: str, join_state: str, age: int = 60_000, answers: bool = True
) -> bool:
    """Whether it is, when the client has said so that many times, and a broker was asked whenever that was due."""
    group = {"state": state, "join_state": join_state, "stateage": age}
    for _ in range(times):
        membership.on_statistics(orjson.dumps({"cgrp": group}).decode())
        if membership.due and not membership.overdue:
            membership.asked(answers)
    return membership.overdue


def classic() -> Membership:
    return Membership(classic=True, patience=PATIENCE, max_poll_interval=PATIENCE)


@pytest.mark.parametrize(("state", "join_state"), [("query-coord", "init"), ("up", "wait-metadata"), ("up", "init")])
def test_a_member_that_waits_for_nobody_is_overdue_after_its_own_patience_with_a_broker_that_answers(
    state: str, join_state: str
) -> None:
    membership = classic()
    assert not overdue_after(membership, 2 + 9, state, join_state)  # the broker first answers after two tellings
    assert overdue_after(membership, 1, state, join_state)
    assert membership.state == f"{state}, {join_state}"


@pytest.mark.parametrize("join_state", ["wait-join", "wait-sync"])
def test_a_member_that_waits_for_the_others_has_their_time_as_well(join_state: str) -> None:
    membership = classic()
    assert not overdue_after(membership, 2 + 19, "up", join_state)
    assert overdue_after(membership, 1, "up", join_state)


def test_new_clients_are_worth_a_try_ever_more_seldom_while_a_broker_answers() -> None:
    membership, tried = Membership(classic=True, patience=1_000, max_poll_interval=0), list[int]()
    for telling in range(1, 2 + 40 + 1):
        overdue_after(membership, 1, "query-coord", "init")
        if membership.stuck:
            membership.renewed()
            tried.append(telling - 2)
    assert tried == [2, 4, 8, 16, 32]
    overdue_after(membership, 1, "up", "steady")
    assert not membership.stuck
    overdue_after(membership, 100, "query-coord", "init", answers=False)
    assert not membership.stuck


def test_being_in_the_group_forgives_all() -> None:
    membership = classic()
    overdue_after(membership, 2 + 9, "query-coord", "init")
    overdue_after(membership, 1, "up", "steady")
    assert membership.joined
    assert not overdue_after(membership, 2 + 9, "query-coord", "init")


def test_while_no_broker_answers_no_time_counts() -> None:
    membership = classic()
    assert not overdue_after(membership, 100, "query-coord", "init", answers=False)
    assert not overdue_after(membership, 2 + 9, "query-coord", "init")
    membership.asked(answers=False)
    assert not overdue_after(membership, 2 + 9, "query-coord", "init")
    assert overdue_after(membership, 1, "query-coord", "init")


def test_what_was_told_while_nobody_listened_counts_no_longer_than_until_a_broker_could_be_asked() -> None:
    membership = classic()
    overdue_after(membership, 2, "query-coord", "init")
    for _ in range(50):  # served all at once, after a pause of four minutes
        membership.on_statistics('{"cgrp": {"state": "query-coord", "join_state": "init", "stateage": 1}}')
    assert membership.due
    assert not membership.overdue


def test_a_member_with_little_patience_asks_sooner() -> None:
    membership = Membership(classic=True, patience=INTERVAL_MS / 1000, max_poll_interval=0)
    membership.on_statistics('{"cgrp": {"state": "query-coord", "join_state": "init", "stateage": 1}}')
    assert membership.due


@pytest.mark.parametrize(("age", "joined"), [(100, False), (5_000, True)])
def test_under_the_newer_protocol_a_member_without_partitions_is_in_by_its_heartbeat(age: int, joined: bool) -> None:
    membership = Membership(classic=False, patience=PATIENCE, max_poll_interval=PATIENCE)
    overdue_after(membership, 1, "up", "init", age)
    assert membership.joined is joined


def test_statistics_without_a_group_say_nothing() -> None:
    membership = classic()
    membership.on_statistics("{}")
    assert (membership.joined, membership.overdue, membership.state) == (False, False, "")
