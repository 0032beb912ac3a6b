"""What groups do, incident event by incident event."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.groups.made_up import incident
from workers.groups.events import EventWriter
from workers.groups.links import Links, read_calls
from workers.groups.policy import Policy
from workers.groups.state import State
from workers.groups.step import pass_time, step
from workers.runtime.errors import Fatal

POLICY = Policy()


def told(events: list[dict[str, Any]], links: Links | None = None, policy: Policy = POLICY) -> list[dict[str, Any]]:
    state, links = State(), links or Links()
    writer = EventWriter(policy, links, "groups")
    return [writer.record(change) for event in events for change in step(policy, links, state, event)]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_incidents_that_open_within_five_minutes_are_one_group() -> None:
    found = told([incident("cart", "CREATE", 0), incident("pay", "CREATE", 4), incident("shop", "CREATE", 6)])
    assert kinds(found) == ["CREATE", "CONTINUE", "CREATE"]
    assert found[1]["entities"] == ["cart", "pay"]
    assert found[2]["entities"] == ["shop"]


def test_a_chain_of_incidents_does_not_keep_a_group_growing_for_ever() -> None:
    found = told([incident(f"e{n}", "CREATE", n) for n in range(20)])
    assert kinds(found).count("CREATE") == 4


def test_entities_whose_calls_are_known_belong_together_only_along_calls_and_then_for_as_long_as_it_is_open() -> None:
    links = Links([("shop", "cart"), ("cart", "db"), ("mail", "smtp")])
    events = [incident("db", "CREATE", 0), incident("smtp", "CREATE", 1), incident("shop", "CREATE", 50)]
    found = told(events, links)
    assert kinds(found) == ["CREATE", "CREATE", "CONTINUE"]
    assert found[2]["entities"] == ["db", "shop"]


def test_labels_keep_apart_what_happens_at_the_same_time() -> None:
    links = Links(labels={"eu": "eu/*", "us": "us/*"})
    found = told([incident(name, "CREATE", 0) for name in ("eu/a", "us/a", "eu/b", "other", "us/b")], links)
    assert [e["entities"] for e in found if e["type"] == "CREATE"] == [["eu/a"], ["us/a"], ["other"]]


def test_a_storm_is_one_group_that_says_so_once_a_minute() -> None:
    found = told([incident(f"e{n:04}", "CREATE", n / 1000) for n in range(4_000)])
    assert kinds(found) == ["CREATE", "CONTINUE", "CONTINUE", "CONTINUE"]
    assert found[-1]["incident_count"] >= 3_000
    assert len(found[-1]["entities"]) == POLICY.listed
    assert found[-1]["reason"] == "All 3,000 incidents of 3,000 entities are open (3,000 high) since 12:00:00 UTC."


def test_what_came_too_early_to_be_said_is_said_when_its_time_has_come_without_any_event() -> None:
    state, links = State(), Links()
    events = [incident("a", "CREATE", 0), incident("b", "CREATE", 0.1)]
    assert [c.kind for event in events for c in step(POLICY, links, state, event)] == ["CREATE"]
    last = events[-1]["time"]
    assert [c.kind for c in pass_time(POLICY, state, last)] == []
    assert [(c.kind, c.time - events[0]["time"]) for c in pass_time(POLICY, state, last + 3_600_000_000)] == [
        ("CONTINUE", POLICY.continue_every)
    ]
    assert list(pass_time(POLICY, state, last + 7_200_000_000)) == []


def test_a_group_lives_as_long_as_the_last_of_its_incidents() -> None:
    found = told(
        [
            incident("a", "CREATE", 0),
            incident("b", "CREATE", 0),
            incident("a", "RESOLVE", 10),
            incident("b", "RESOLVE", 12),
            incident("a", "CLOSED", 25),
            incident("b", "REOPEN", 26),
            incident("b", "RESOLVE", 30),
            incident("b", "CLOSED", 45),
        ]
    )
    assert kinds(found) == ["CREATE", "CONTINUE", "CONTINUE", "RESOLVE", "REOPEN", "RESOLVE", "CLOSED"]
    assert [event["open_count"] for event in found] == [1, 2, 1, 0, 1, 0, 0]
    assert [event["sequence"] for event in found] == list(range(7))
    assert found[3]["reason"] == "All 2 incidents of 2 entities are over, 12 min after the first opened."
    assert found[4]["reason"].startswith("Trouble is back: 1 of 2 incidents of 2 entities is open (1 high)")


def test_a_higher_severity_is_said_at_once_and_a_lower_one_with_the_next_word() -> None:
    found = told(
        [
            incident("a", "CREATE", 0, severity="low"),
            incident("b", "CREATE", 0.1, severity="critical"),
            incident("b", "CONTINUE", 0.2, severity="medium"),
            incident("b", "CONTINUE", 5, severity="medium"),
        ]
    )
    assert [(e["type"], e["severity"]) for e in found] == [
        ("CREATE", "low"),
        ("ESCALATE", "critical"),
        ("CONTINUE", "medium"),
    ]
    assert found[1]["reason"].startswith("It got worse, from low to critical: all 2 incidents of 2 entities are open")


def test_what_feedback_holds_back_and_the_end_of_what_was_never_seen_make_no_group() -> None:
    assert told([incident("a", "SUPPRESS", 0), incident("b", "RESOLVE", 1), incident("b", "CLOSED", 2)]) == []


def test_an_incident_alone_speaks_for_its_group() -> None:
    found = told(
        [incident("a", "CREATE", 0), incident("a", "RESOLVE", 3, reason="a is fine."), incident("a", "CLOSED", 9)]
    )
    assert [event["reason"] for event in found] == ["a is in trouble.", "a is fine.", "a is in trouble."]


def test_the_cause_is_whom_the_others_wait_for() -> None:
    slow = {"metric": "latency_mean_ms", "feature": "x", "share": 1.0, "direction": "up", "low": 10.0, "high": 20.0}
    links = Links([("shop", "cart"), ("cart", "db")])
    events = [
        incident("shop", "CREATE", 0, contributions=[slow | {"actual": 520.0}]),
        incident("cart", "CREATE", 0, contributions=[slow | {"actual": 515.0}]),
        incident("db", "CREATE", 2, contributions=[slow | {"actual": 510.0}]),
    ]
    found = told(events, links)[-1]
    assert found["root_causes"][0]["entity"] == "db"
    assert sum(cause["share"] for cause in found["root_causes"]) == pytest.approx(1.0)
    assert "It probably began with db: its latency rose" in found["reason"]


def test_one_that_fell_silent_is_told_apart() -> None:
    found = told([incident("a", "CREATE", 0, cause="silence", regular=False, contributions=[])])[0]
    assert (found["cause"], found["regular"]) == ("silence", False)
    assert found["root_causes"][0]["reason"] == "It fell silent."


def test_a_file_of_calls_is_read_or_the_field_is_named(tmp_path: Any) -> None:
    good, json, bad = tmp_path / "calls.csv", tmp_path / "calls.json", tmp_path / "bad.csv"
    good.write_text("caller,callee\nshop,cart\n")
    json.write_text('[{"caller": "shop", "callee": "cart"}]')
    bad.write_text("from,to\nshop,cart\n")
    assert read_calls(str(good)) == read_calls(str(json)) == [("shop", "cart")]
    assert read_calls("") == []
    with pytest.raises(Fatal, match="no field 'caller'"):
        read_calls(str(bad))
