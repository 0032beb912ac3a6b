"""What stops a worker before it takes anything."""

from __future__ import annotations

import pytest

from workers.runtime.errors import Fatal
from workers.runtime.preflight import Use, check

USE = Use(reads=["in"], writes=["out", "state", "dead"], latest=["state", "control"])
RIGHTS = {
    "in": frozenset({"READ", "DESCRIBE"}),
    "out": frozenset({"WRITE", "DESCRIBE"}),
    "state": frozenset({"READ", "WRITE", "DESCRIBE"}),
    "dead": frozenset({"WRITE"}),
    "control": frozenset({"READ"}),
}
CLEANUP = {"in": "delete", "out": "delete", "state": "compact", "control": "compact"}


def test_just_enough_rights_and_the_right_policies_are_enough() -> None:
    check(USE, RIGHTS, CLEANUP)


def test_what_the_broker_does_not_tell_is_taken_for_granted() -> None:
    check(USE, {}, {})


def test_all_rights_that_are_lacking_are_named_at_once() -> None:
    with pytest.raises(Fatal, match=r"not allowed to READ on in, READ on control, WRITE on dead\. Grant the ACLs"):
        check(USE, {**RIGHTS, **dict.fromkeys(("in", "dead", "control"), frozenset({"DESCRIBE"}))}, CLEANUP)


def test_a_state_topic_must_be_written_and_read_back() -> None:
    with pytest.raises(Fatal, match="READ on state"):
        check(USE, {**RIGHTS, "state": frozenset({"WRITE"})}, CLEANUP)
    with pytest.raises(Fatal, match="WRITE on state"):
        check(USE, {**RIGHTS, "state": frozenset({"READ"})}, CLEANUP)


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
def test_a_compacted_input_is_refused_because_a_rebuild_would_read_less(policy: str) -> None:
    with pytest.raises(Fatal, match="the input topic in is compacted"):
        check(USE, RIGHTS, {**CLEANUP, "in": policy})


@pytest.mark.parametrize("topic", ["state", "control"])
@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_what_must_be_kept_for_ever_may_not_lie_in_a_topic_that_expires(topic: str, policy: str) -> None:
    with pytest.raises(Fatal, match=f"the topic {topic} is not compacted"):
        check(USE, RIGHTS, {**CLEANUP, topic: policy})
