"""What is said of incidents holds others back: which, until when, what is told of it, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.stage_contract import assert_rebuild_is_exact, assert_restore_is_exact
from tests.workers.incidents.given import (
    NOON,
    PANE,
    SECOND,
    TOPICS,
    events,
    fingerprint,
    offset_of,
    records,
    run_of,
    said,
    score,
    stage,
    taken_back,
    told,
)
from workers.incidents.policy import HOUR, Policy
from workers.incidents.rule_table import KEPT, RuleTable, Taken
from workers.runtime.stage import NO_WATERMARK, Control, Controlled

SHORT = Policy(close_after=60 * SECOND, continue_every=HOUR)
FALSE_ALARM = said("false_alarm", fingerprint_id=fingerprint(), severity="medium")


def types(marks: str, takings: dict[int, list[Control]], policy: Policy = SHORT) -> list[str]:
    return [event["type"] for event in events(told(run_of(marks), takings, policy))]


def calm(window: int) -> dict[str, Any]:
    return score(window, entity="calm")


def test_the_stage_can_be_controlled() -> None:
    assert isinstance(stage(), Controlled)


def test_a_false_alarm_is_held_back_by_one_event_that_cites_the_rule_and_says_why() -> None:
    (event,) = events(told(run_of("mmmmmm"), {0: [FALSE_ALARM]}, SHORT))
    assert event["type"] == "SUPPRESS"
    assert event["rule"] == {
        "name": "feedback rule: false alarm until 2026-03-02T15:46:40Z",
        "have": 1,
        "need": 1,
    }
    assert event["reason"] == (
        "p99 latency of checkout is 2.3 s, expected 180–420 ms; errors rose with it; no incident is opened: ann called "
        "this a false alarm, which holds until 2026-03-02 15:46:40 UTC."
    )
    assert "feedback undo rule" in event["recommendation"]
    assert (event["sequence"], event["severity"], event["occurrence_count"]) == (0, "medium", 0)


def test_it_has_the_ids_of_the_incident_that_would_have_opened_and_leaves_no_state() -> None:
    outputs = told(run_of("mmm"), {0: [FALSE_ALARM]}, SHORT)
    (held,), (opened,) = events(outputs), events(told(run_of("mmm"), {}, SHORT))
    for name in ("id", "incident_id", "fingerprint_id", "sequence", "first_anomalous_at", "opened_at", "severity"):
        assert held[name] == opened[name]
    assert not [output for output in outputs if output.topic == TOPICS.states]


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        (said("false_alarm", fingerprint_id=fingerprint("other")), False),
        (said("false_alarm", fingerprint_id=fingerprint(pattern=(("errors", "up"),))), False),
        (said("false_alarm", fingerprint_id=fingerprint(), severity="low"), False),
        (said("real", fingerprint_id=fingerprint()), False),
        (said("expected", entity="check*"), True),
        (said("expected", entity="pay-*"), False),
        (said("expected", entity="*", profile="service"), True),
        (said("expected", entity="*", profile="host"), False),
        (said("expected", entity="*", since=3), False),
        (said("expected", entity="*", since=2), True),
        (said("expected", entity="*", until=3), True),
        (said("expected", entity="*", until=2), False),
        (said("expected", entity="*", ended="undone"), False),
        (said("expected"), False),
        (said("perhaps", entity="*"), False),
        (Control(1, b"feedback/rule", b"{}"), False),
        (Control(1, b"silence/rule", b"{}"), False),
    ],
)
def test_a_rule_holds_back_what_it_was_said_of(rule: Control, held: bool) -> None:
    assert types("mmm", {0: [rule]}) == (["SUPPRESS"] if held else ["CREATE"])


def test_what_is_worse_than_the_rule_opens_at_once() -> None:
    assert types("mmmmc", {0: [FALSE_ALARM]}) == ["SUPPRESS", "CREATE"]
    assert types("mmmmh", {0: [FALSE_ALARM]}) == ["SUPPRESS", "CREATE"]


def test_when_the_rule_ends_while_the_trouble_goes_on_it_opens_with_the_next_number() -> None:
    ending = said("false_alarm", fingerprint_id=fingerprint(), until=5)
    first, second = events(told(run_of("mmmmmmm"), {0: [ending]}, SHORT))
    assert (first["type"], second["type"]) == ("SUPPRESS", "CREATE")
    assert first["incident_id"] == second["incident_id"]
    assert (second["sequence"], second["opened_at"]) == (1, NOON + 6 * PANE)
    assert (second["window_count"], second["occurrence_count"]) == (6, 1)
    assert second["first_anomalous_at"] == first["first_anomalous_at"]


def test_undone_it_opens_with_the_next_window_that_the_opening_rule_takes() -> None:
    assert types("mmmmm", {0: [FALSE_ALARM], 4: [taken_back()]}) == ["SUPPRESS", "CREATE"]
    assert types("mmm..", {0: [FALSE_ALARM], 3: [taken_back()]}) == ["SUPPRESS"]


def test_held_trouble_is_told_of_once_however_it_comes_and_goes_until_its_grace_is_over() -> None:
    assert types("mmm...mmm...mmm", {0: [FALSE_ALARM]}) == ["SUPPRESS"]
    later = [*run_of("mmm..."), calm(40), *run_of("mmm", first=41)]
    first, second = events(told(later, {0: [FALSE_ALARM]}, SHORT))
    assert (first["type"], second["type"]) == ("SUPPRESS", "SUPPRESS")
    assert first["incident_id"] != second["incident_id"]
    assert first["fingerprint_id"] == second["fingerprint_id"]


def test_the_reopening_of_a_resolved_incident_is_held_back_and_it_closes_as_it_would_have() -> None:
    scores = [*run_of("mmm..."), *run_of("mmm...", first=7), calm(40)]
    outputs = told(scores, {6: [FALSE_ALARM]}, SHORT)
    found = events(outputs)
    assert [event["type"] for event in found] == ["CREATE", "RESOLVE", "SUPPRESS", "CLOSED"]
    assert [event["sequence"] for event in found] == [0, 1, 2, 3]
    assert "its incident is not reopened" in found[2]["reason"]
    assert [o.value is None for o in outputs if o.topic == TOPICS.states] == [False] * 4 + [True]


def test_an_incident_that_is_open_already_lives_on() -> None:
    assert types("mmmmm...", {3: [FALSE_ALARM]}) == ["CREATE", "RESOLVE"]


def test_too_many_rules_leave_those_that_last_longest() -> None:
    most = Policy(most_rules=1)
    rules = [said("expected", id="a", at=1, entity="check*", until=50), said("expected", id="b", at=2, entity="x")]
    assert types("mmm", {0: rules}, most) == ["CREATE"]
    assert types("mmm", {0: rules[:1]}, most) == ["SUPPRESS"]


@pytest.mark.parametrize("at", range(15))
def test_a_replay_meets_each_record_under_the_rules_of_then(at: int) -> None:
    """Nothing is logged of the entity between SUPPRESS and the end of the rule, so that a rebuild replays it."""
    takings = {offset_of(1): [FALSE_ALARM], offset_of(5): [taken_back(2)], offset_of(6): [said("expected", at=3)]}
    takings |= {offset_of(8): [said("expected", at=4, entity="*")], offset_of(11): [taken_back(5)]}
    batch = records(run_of("mmmmm.bmmbb.mm..."[:15]))
    assert_rebuild_is_exact(stage(SHORT), batch, at, takings)
    assert_restore_is_exact(stage(SHORT), batch, at, takings)


def test_what_was_taken_back_is_forgotten_once_no_replay_can_meet_it() -> None:
    one = stage(SHORT)
    state = one.start(3, NO_WATERMARK, [])
    logged = one.take_up(state, 100, [FALSE_ALARM])
    assert [output.value is None for output in logged] == [False]
    assert one.take_up(state, 100, [FALSE_ALARM]) == [], "the same again"
    for _ in one.step(state, records([calm(1)])):
        pass
    assert [output.value is None for output in one.take_up(state, 101, [taken_back()])] == [False]
    soon, later = 60, SHORT.replay_most // PANE
    for _ in one.step(state, records([calm(soon)], first_offset=101)):
        pass
    assert one.take_up(state, 102, []) == [], "a rebuild may still begin before it was taken back"
    for _ in one.step(state, records([calm(1 + later)], first_offset=102)):
        pass
    (gone,) = one.take_up(state, 103, [])
    assert (gone.key, gone.value) == (logged[0].key, None)
    assert len(state.rules) == 0


def test_what_expired_long_ago_is_not_taken_up_and_what_expires_is_forgotten() -> None:
    one = stage(SHORT)
    state = one.start(3, NO_WATERMARK, [])
    one.take_up(state, 100, [said("expected", entity="*", until=5)])
    for _ in one.step(state, records([calm(6 + 49 * 360)])):
        pass
    assert [output.value for output in one.take_up(state, 101, [said("expected", id="old", entity="*", until=5)])] == [
        None
    ]
    assert len(state.rules) == 0


def test_the_table_answers_by_offset_survives_its_log_and_is_bounded() -> None:
    from workers.incidents.controls import read_control

    table = RuleTable()
    for number in range(2 * KEPT):
        read = read_control(said("expected", at=number, entity="*", until=number + 1))
        assert read is not None
        table.put("rule", Taken(10 * number, number, NOON, read[1]))
    copies = [RuleTable.restore(table.encode()), RuleTable()]
    key, value = table.log("rule")
    assert value is not None
    assert copies[1].decode(key, value)
    assert not copies[1].decode(b"checkout", b"{}")
    for one in (table, *copies):
        for offset in (10 * KEPT, 10 * KEPT + 15, 10 * KEPT + 9, 1_000_000):
            held = one.at(offset).holding("a", "p", "f", 1, NOON + 1)
            assert held is not None
            assert held.expires_at == NOON + (min(offset // 10, 2 * KEPT - 1) + 1) * PANE
        assert one.at(0).holding("a", "p", "f", 1, NOON + 1) is None
