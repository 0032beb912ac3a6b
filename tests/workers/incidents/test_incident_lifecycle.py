"""When incidents open, change, resolve, come back and close, told as runs of windows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.workers.incidents.given import NOON, PANE, SECOND, events, outputs_of, run_of, score, silent, story
from workers.incidents.policy import DAY, HOUR, MINUTE, Policy

SHORT = Policy(close_after=60 * SECOND, continue_every=HOUR)
"""A minute of grace and no reminders, so that a run of windows shows one thing."""


def other(window: int) -> dict[str, object]:
    """A clean score of another entity: nothing but the passing of time."""
    return score(window, entity="somebody else")


@pytest.mark.parametrize(
    ("marks", "opened"),
    [
        ("..m.m.m", True),
        ("mm...m", False),
        ("mmm", True),
        ("m.m..m.m", False),
        ("mm", False),
        ("c", True),
        ("bbbbbbb", False),
        ("ssm", True),
    ],
)
def test_three_anomalous_of_five_windows_open_an_incident_and_one_critical_does_at_once(
    marks: str, opened: bool
) -> None:
    assert (story(run_of(marks), SHORT) == ["CREATE"]) is opened


def test_the_opening_says_which_windows_made_it() -> None:
    (created,) = events(outputs_of(run_of(".m.hm"), SHORT))
    assert created["rule"] == {"name": "anomalous windows among the last 5", "have": 3, "need": 3}
    assert created["severity"] == "high"
    assert created["first_anomalous_at"] == NOON + PANE
    assert created["opened_at"] == created["last_anomalous_at"] == created["time"] == NOON + 5 * PANE
    assert (created["window_count"], created["occurrence_count"], created["sequence"]) == (3, 1, 0)
    assert created["cause"] == "deviation"
    assert created["score_id"] == score(5, "medium")["id"]


def test_a_critical_window_opens_alone_but_the_incident_begins_with_the_first_anomalous_window() -> None:
    (created,) = events(outputs_of(run_of("m.c"), SHORT))
    assert created["rule"] == {"name": "critical windows", "have": 1, "need": 1}
    assert created["first_anomalous_at"] == NOON
    assert created["window_count"] == 2


def test_three_clean_windows_in_a_row_resolve_and_anything_between_the_boundaries_starts_the_count_anew() -> None:
    assert story(run_of("mmm..b..m..b.."), SHORT) == ["CREATE"]
    told = events(outputs_of(run_of("mmm..b..."), SHORT))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE"]
    assert told[1]["rule"] == {"name": "clean windows", "have": 3, "need": 3}
    assert told[1]["resolved_at"] == NOON + 9 * PANE
    assert told[1]["last_anomalous_at"] == NOON + 3 * PANE


def test_a_resolved_incident_closes_when_the_grace_is_over_although_its_entity_sends_nothing_more() -> None:
    told = events(outputs_of([*run_of("mmm..."), other(11), other(12), other(13)], SHORT))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE", "CLOSED"]
    closed = told[2]
    assert closed["resolved_at"] == NOON + 6 * PANE
    assert closed["closed_at"] == closed["time"] == NOON + 12 * PANE
    assert closed["score_id"] == other(12)["id"]
    assert closed["entity"] == "checkout"


def test_time_that_jumps_past_the_grace_closes_at_the_moment_the_grace_ended() -> None:
    closed = events(outputs_of([*run_of("mmm..."), other(500)], SHORT))[-1]
    assert (closed["closed_at"], closed["time"]) == (NOON + 12 * PANE, NOON + 500 * PANE)


def test_the_opening_rule_within_the_grace_reopens_and_keeps_the_identity() -> None:
    told = events(outputs_of(run_of("mmm...m.mm"), SHORT))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE", "REOPEN"]
    assert {e["incident_id"] for e in told} == {told[0]["incident_id"]}
    assert told[2]["occurrence_count"] == 1
    assert told[2]["window_count"] == 6
    assert told[2]["resolved_at"] is None


def test_one_anomalous_window_within_the_grace_does_not_reopen() -> None:
    assert story(run_of("mmm...m........."), SHORT) == ["CREATE", "RESOLVE", "CLOSED"]


def test_after_the_grace_a_new_incident_of_the_same_fingerprint_counts_one_occurrence_more() -> None:
    told = events(outputs_of([*run_of("mmm..."), *run_of("mmm", first=20)], SHORT))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE", "CLOSED", "CREATE"]
    first, again = told[0], told[3]
    assert first["fingerprint_id"] == again["fingerprint_id"]
    assert first["incident_id"] != again["incident_id"]
    assert again["occurrence_count"] == 2


def test_occurrences_are_counted_for_ninety_days_and_not_longer() -> None:
    day = DAY // PANE
    scores = [*run_of("mmm..."), *run_of("mmm...", first=60 * day), *run_of("mmm", first=120 * day)]
    created = [e for e in events(outputs_of(scores, SHORT)) if e["type"] == "CREATE"]
    assert [e["occurrence_count"] for e in created] == [1, 2, 2]


def test_a_higher_severity_escalates_at_once_and_a_lower_one_only_after_six_windows() -> None:
    told = events(outputs_of(run_of("mmmhmmmmmmm"), SHORT))
    assert [(e["type"], e["severity"]) for e in told] == [
        ("CREATE", "medium"),
        ("ESCALATE", "high"),
        ("CONTINUE", "medium"),
    ]
    assert told[1]["rule"] == {"name": "high windows", "have": 1, "need": 1}
    assert told[2]["rule"] == {"name": "windows below high", "have": 6, "need": 6}


def test_a_severity_that_only_dips_does_not_come_down() -> None:
    assert story(run_of("hhhmmmmmhmmmmmh"), SHORT) == ["CREATE"]


def test_an_open_incident_reports_at_most_every_five_minutes_with_its_progress() -> None:
    policy = Policy()
    told = events(outputs_of(run_of("mmm" + "m" * 61), policy))
    assert [e["type"] for e in told] == ["CREATE", "CONTINUE", "CONTINUE"]
    assert [told[i + 1]["time"] - told[i]["time"] for i in range(2)] == [5 * MINUTE, 5 * MINUTE]
    assert told[1]["rule"] == {"name": "clean windows", "have": 0, "need": 3}
    recovering = events(outputs_of(run_of("mmm" + "m" * 28 + "..."), policy))[1]
    assert (recovering["type"], recovering["rule"]["have"]) == ("CONTINUE", 2)


def test_the_third_reopening_makes_it_flapping_which_takes_twelve_clean_windows_to_resolve() -> None:
    flapping = run_of("mmm..." * 4)
    assert story(flapping, SHORT) == ["CREATE", "RESOLVE", "REOPEN", "RESOLVE", "REOPEN", "RESOLVE", "REOPEN"]
    told = events(outputs_of(run_of("mmm..." * 4 + "........."), SHORT))
    assert told[-1]["type"] == "RESOLVE"
    assert told[-1]["rule"] == {"name": "clean windows", "have": 12, "need": 12}


def test_silence_opens_an_incident_that_says_so_and_the_return_resolves_it() -> None:
    told = events(outputs_of(run_of("..sss..."), SHORT))
    assert [(e["type"], e["cause"]) for e in told] == [("CREATE", "silence"), ("RESOLVE", "silence")]


def test_silence_does_not_resolve_an_incident_even_where_a_silent_window_scores_low() -> None:
    hushed = [silent(w, severity=None) for w in range(4, 30)]
    assert story([*run_of("mmm"), *hushed], SHORT) == ["CREATE"]


def test_windows_without_events_are_no_proof_of_health() -> None:
    empty = [score(w, event_count=0) for w in range(4, 10)]
    assert story([*run_of("mmm.."), *empty[2:]], SHORT) == ["CREATE"]
    assert story([*run_of("mmm.."), *empty[2:], score(10)], SHORT) == ["CREATE", "RESOLVE"]


def test_an_entity_that_returns_deviating_turns_silence_into_deviation_and_says_so_at_once() -> None:
    told = events(outputs_of(run_of("sssm"), SHORT))
    assert [(e["type"], e["cause"]) for e in told] == [("CREATE", "silence"), ("CONTINUE", "deviation")]
    assert told[0]["fingerprint_id"] == told[1]["fingerprint_id"]


def test_retirement_resolves_and_the_grace_closes() -> None:
    told = events(outputs_of([*run_of("sss" + "s" * 5 + "R"), other(16)], SHORT))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE", "CLOSED"]
    assert told[1]["rule"] == {"name": "retirements", "have": 1, "need": 1}


def test_retirement_itself_opens_nothing() -> None:
    assert story(run_of("ssR"), SHORT) == []


def test_an_entity_of_which_no_score_comes_any_more_is_given_up_in_the_end() -> None:
    policy = replace(SHORT, abandon_after=10 * MINUTE)
    told = events(outputs_of([*run_of("mmm"), other(62), other(63), other(69)], policy))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE", "CLOSED"]
    assert told[1]["time"] == NOON + 63 * PANE
    assert told[1]["resolved_at"] == NOON + 3 * PANE + 10 * MINUTE


def test_what_lasts_longer_than_the_maximum_age_is_closed_and_opens_anew() -> None:
    policy = replace(SHORT, max_age=20 * PANE)
    told = events(outputs_of(run_of("m" * 26), policy))
    assert [e["type"] for e in told] == ["CREATE", "RESOLVE", "CLOSED", "CREATE"]
    assert told[1]["time"] == told[2]["time"] == NOON + 23 * PANE
    assert told[3]["occurrence_count"] == 2


def test_profiles_of_one_entity_have_incidents_of_their_own() -> None:
    both = [s for pair in zip(run_of("mmm"), run_of("mmm", profile="host"), strict=True) for s in pair]
    told = events(outputs_of(both, SHORT))
    assert [(e["type"], e["profile"]) for e in told] == [("CREATE", "service"), ("CREATE", "host")]
    assert told[0]["incident_id"] != told[1]["incident_id"]


def test_a_challenger_neither_opens_incidents_nor_moves_time() -> None:
    assert story(run_of("mmm", role="challenger"), SHORT) == []
    assert story([*run_of("mmm..."), score(500, role="challenger")], SHORT) == ["CREATE", "RESOLVE"]
    assert story(run_of("mmm", role="fallback"), SHORT) == ["CREATE"]
