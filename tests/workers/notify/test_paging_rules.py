"""When an event pages: the rules of docs/notify.md, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.ids import stable_id
from tests.contract.stage_contract import run
from tests.workers.notify.given import MINUTE, NOON, Incident, group, records, silence, stage
from workers.notify.page import Page
from workers.notify.silences import Rule
from workers.runtime.stage import NO_WATERMARK

Told = list[tuple[str, str]]


def told(events: list[Any], *rules: Rule, delays: tuple[float, ...] = (), **policy: Any) -> Told:
    """(action, severity) of every page that these events give."""
    return [(page.action, page.notice.severity) for page in pages_of(events, *rules, delays=delays, **policy)]


def pages_of(events: list[Any], *rules: Rule, delays: tuple[float, ...] = (), **policy: Any) -> list[Page]:
    name = "GroupEvent" if policy.get("of") == "groups" else "IncidentEvent"
    one = stage(*rules, **policy)
    got = run(one, one.start(3, NO_WATERMARK, []), records(events, delays, name))
    return [Page.decode(value or b"") for value in got.values("notify:oncall")]


def life(*steps: tuple[str, float, str], **fields: Any) -> list[dict[str, Any]]:
    incident = Incident(**fields)
    return [incident.event(*step) for step in steps]


def test_a_life_pages_when_it_opens_gets_worse_comes_back_and_ends() -> None:
    events = life(
        ("CREATE", 1, "medium"),
        ("CONTINUE", 6, "medium"),
        ("ESCALATE", 7, "critical"),
        ("RESOLVE", 9, "critical"),
        ("REOPEN", 12, "medium"),
        ("RESOLVE", 20, "medium"),
        ("CLOSED", 35, "medium"),
    )
    assert told(events) == [
        ("trigger", "medium"),
        ("update", "critical"),
        ("resolve", "critical"),
        ("trigger", "medium"),
        ("resolve", "medium"),
    ]


def test_every_page_of_an_incident_has_the_same_key_and_an_event_of_its_own() -> None:
    pages = pages_of(life(("CREATE", 1, "low"), ("ESCALATE", 2, "high"), ("RESOLVE", 3, "high")))
    assert {page.notice.key for page in pages} == {Incident().id}
    assert len({page.notice.id for page in pages}) == 3


def test_a_fall_of_severity_pages_only_where_severity_is_shown() -> None:
    events = life(("CREATE", 1, "critical"), ("CONTINUE", 6, "low"), ("ESCALATE", 7, "medium"))
    assert told(events) == [("trigger", "critical"), ("update", "medium")]
    assert told(events, shows_severity=True) == [("trigger", "critical"), ("update", "low"), ("update", "medium")]


def test_an_update_says_what_was_shown_before_and_since_when() -> None:
    page = pages_of(life(("CREATE", 1, "low"), ("ESCALATE", 4, "high")))[1]
    assert (page.before, page.before_since, page.since) == ("low", NOON + MINUTE, NOON + 4 * MINUTE)


def test_what_is_older_than_an_hour_pages_nobody_but_the_first_fresh_event_does() -> None:
    events = life(("CREATE", 1, "high"), ("CONTINUE", 6, "high"), ("CONTINUE", 11, "high"), ("RESOLVE", 12, "high"))
    assert told(events, delays=(61, 60.5, 59)) == [("trigger", "high"), ("resolve", "high")]
    assert pages_of(events, delays=(61, 60.5, 59))[0].notice.time == NOON + 11 * MINUTE


def test_the_end_of_what_was_paged_is_told_however_late() -> None:
    events = life(("CREATE", 1, "high"), ("RESOLVE", 12, "high"))
    assert told(events, delays=(0, 500)) == [("trigger", "high"), ("resolve", "high")]


def test_what_nobody_was_told_of_does_not_end_either() -> None:
    assert told(life(("CREATE", 1, "high"), ("RESOLVE", 12, "high"), ("CLOSED", 27, "high")), delays=(61, 61)) == []


def test_silence_pages_only_of_entities_that_report_regularly_unless_all_are_wanted() -> None:
    irregular = life(("CREATE", 1, "high"), ("CONTINUE", 6, "high"), cause="silence", regular=False)
    assert told(irregular) == []
    assert told(irregular, any_silence=frozenset({"service"})) == [("trigger", "high")]
    assert told(life(("CREATE", 1, "high"), cause="silence")) == [("trigger", "high")]


def test_silence_that_turns_out_a_deviation_pages_then() -> None:
    incident = Incident(regular=False)
    events = [incident.event("CREATE", 1, cause="silence"), incident.event("CONTINUE", 3, cause="deviation")]
    assert [page.notice.time for page in pages_of(events)] == [NOON + 3 * MINUTE]


def test_a_suppressed_incident_pages_nobody() -> None:
    assert told(life(("SUPPRESS", 1, "critical"))) == []


@pytest.mark.parametrize(
    ("policy", "pages"),
    [
        ({"min_rank": 4}, 0),
        ({"min_rank": 3}, 1),
        ({"entities": ("shop/*", "check*")}, 1),
        ({"entities": ("shop/*",)}, 0),
        ({"profiles": frozenset({"host"})}, 0),
        ({"severities": frozenset({"high"})}, 1),
        ({"severities": frozenset({"critical"})}, 0),
    ],
)
def test_a_target_hears_of_what_it_asked_for(policy: dict[str, Any], pages: int) -> None:
    assert len(told(life(("CREATE", 1, "high")), **policy)) == pages


def test_an_incident_that_rises_to_what_a_target_wants_opens_for_it_then() -> None:
    events = life(("CREATE", 1, "low"), ("ESCALATE", 2, "critical"), ("RESOLVE", 3, "critical"))
    assert told(events, min_rank=3) == [("trigger", "critical"), ("resolve", "critical")]


def test_a_silence_rule_holds_pages_back_until_the_first_event_after_it() -> None:
    events = life(("CREATE", 1, "high"), ("CONTINUE", 6, "high"), ("CONTINUE", 11, "high"))
    pages = pages_of(events, silence(0, 10, entity="check*"))
    assert [(page.action, page.notice.time) for page in pages] == [("trigger", NOON + 11 * MINUTE)]


def test_a_rule_acts_from_its_start_to_before_its_end_by_event_time() -> None:
    for start, end, paged in ((1, 2, False), (0, 1, True), (1.1, 2, True), (1, None, False)):
        assert bool(told(life(("CREATE", 1, "high")), silence(start, end))) == paged


@pytest.mark.parametrize(
    ("matchers", "paged"),
    [
        ({"entity": "cart"}, True),
        ({"profile": "service"}, False),
        ({"profile": "host"}, True),
        ({"severity": "medium"}, True),
        ({"severity": "high"}, False),
        ({"severity": "critical"}, False),
        ({"fingerprint": stable_id("fingerprint", "checkout")}, False),
        ({"entity": "checkout", "profile": "host"}, True),
    ],
)
def test_all_matchers_of_a_rule_must_fit(matchers: dict[str, str], paged: bool) -> None:
    assert bool(told(life(("CREATE", 1, "high")), silence(0, 9, **matchers))) == paged


def test_an_escalation_that_was_silenced_is_told_afterwards_as_one() -> None:
    events = life(("CREATE", 1, "low"), ("ESCALATE", 6, "high"), ("CONTINUE", 11, "high"))
    pages = pages_of(events, silence(5, 10))
    assert [(p.action, p.before, p.notice.severity) for p in pages] == [
        ("trigger", None, "low"),
        ("update", "low", "high"),
    ]


def test_the_end_of_what_was_paged_is_told_though_silenced() -> None:
    assert told(life(("CREATE", 1, "low"), ("RESOLVE", 6, "low")), silence(5, 10)) == [
        ("trigger", "low"),
        ("resolve", "low"),
    ]


def test_closed_ends_what_no_resolve_has_ended() -> None:
    assert told(life(("CREATE", 1, "low"), ("CLOSED", 6, "low"))) == [("trigger", "low"), ("resolve", "low")]


def test_events_that_come_twice_page_once() -> None:
    events = life(("CREATE", 1, "low"), ("ESCALATE", 2, "high"))
    assert told([*events, *events]) == [("trigger", "low"), ("update", "high")]


def test_groups_page_under_their_own_key_with_all_their_entities() -> None:
    events = [group("CREATE", 1, 0), group("CONTINUE", 2, 1, "critical"), group("CLOSED", 9, 2, "critical")]
    pages = pages_of(events, of="groups")
    assert [(p.action, p.notice.key) for p in pages] == [
        ("trigger", stable_id("group")),
        ("update", stable_id("group")),
        ("resolve", stable_id("group")),
    ]
    first, last = pages[0].notice, pages[-1].notice
    assert (first.entity, list(first.entities)) == ("cart", ["checkout", "cart"])
    assert "checkout, cart" in first.reason
    assert last.opened_at == first.time


def test_a_rule_holds_a_group_back_only_if_it_fits_all_of_it() -> None:
    assert told([group("CREATE", 1, 0)], silence(0, 9, entity="cart"), of="groups")
    assert not told([group("CREATE", 1, 0)], silence(0, 9, entity="c*"), of="groups")
