"""The notify stage keeps the contract of every stage, whatever events come in whatever order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
    run,
)
from tests.workers.notify.given import MINUTE, NOON, PROGRESS, Incident, records, silence, stage
from workers.notify.page import Page
from workers.notify.stage import NotifyStage
from workers.runtime.stage import NO_WATERMARK

SEVERITIES = ("low", "medium", "high", "critical")
ONGOING = ("CREATE", "CONTINUE", "ESCALATE", "REOPEN")


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Any], list[float]]:
    """Events of a few incidents, mixed, some stale, some no events at all; nothing follows CLOSED of an incident."""
    open_ones: list[Incident] = []
    events: list[Any] = []
    for number in range(draw(st.integers(1, 30))):
        what = draw(st.sampled_from(("new", "event", "event", "event", "over", "closed", "poison", "progress")))
        if what == "new" or (what != "poison" and not open_ones):
            open_ones.append(Incident(f"e{number % 4}", number, regular=draw(st.booleans())))
        if what in ("poison", "progress"):
            events.append(b"{" if what == "poison" else PROGRESS)
            continue
        place = draw(st.integers(0, len(open_ones) - 1))
        kind = {"over": "RESOLVE", "closed": "CLOSED"}.get(what) or draw(st.sampled_from(ONGOING))
        cause = draw(st.sampled_from(("deviation", "silence")))
        minute = number + draw(st.integers(-2, 2))
        events.append(open_ones[place].event(kind, minute, draw(st.sampled_from(SEVERITIES)), cause=cause))
        if kind == "CLOSED":
            del open_ones[place]
    return events, draw(st.lists(st.sampled_from((0.0, 90.0)), min_size=len(events), max_size=len(events)))


def a_stage(shows_severity: bool) -> NotifyStage:
    return stage(silence(8, 14, entity="e1"), min_rank=2, shows_severity=shows_severity)


@examples(max_examples=60)
@given(logs(), st.booleans(), st.integers(0, 30), st.integers(0, 99))
def test_cuts_restores_and_rebuilds_change_no_page(
    log: tuple[list[Any], list[float]], shows: bool, at: int, seed: int
) -> None:
    batch = records(*log)
    at = min(at, len(batch))
    assert_cuts_do_not_matter(a_stage(shows), batch, (1, 7, random_cut(len(batch), seed)))
    assert_restore_is_exact(a_stage(shows), batch, at)
    assert_rebuild_is_exact(a_stage(shows), batch, at)


@examples(max_examples=60)
@given(logs(), st.booleans())
def test_a_trigger_and_a_resolve_take_turns_and_updates_lie_between_them(
    log: tuple[list[Any], list[float]], shows: bool
) -> None:
    one = a_stage(shows)
    got = run(one, one.start(3, NO_WATERMARK, []), records(*log))
    by_key: dict[str, list[Page]] = {}
    for value in got.values("notify:oncall"):
        page = Page.decode(value or b"")
        by_key.setdefault(page.notice.key, []).append(page)
    for pages in by_key.values():
        shown: str | None = None
        for page in pages:
            assert (page.action == "trigger") == (shown is None)
            if page.action == "update":
                assert page.before is not None
                assert page.before != page.notice.severity
                assert not shows or page.before == shown
            shown = None if page.action == "resolve" else page.notice.severity


def test_a_rebuild_goes_back_to_the_first_event_of_the_oldest_open_incident() -> None:
    first, second = Incident("a"), Incident("b")
    events = [
        first.event("CREATE", 1),
        second.event("CREATE", 2),
        first.event("CLOSED", 3),
        second.event("CONTINUE", 4),
    ]
    one = stage()
    state = one.start(3, NO_WATERMARK, [])
    run(one, state, records(events))
    point = one.rebuild_point(state)
    assert point is not None
    assert (point.offset, point.watermark) == (101, NOON + MINUTE)


def test_nothing_is_remembered_of_closed_incidents() -> None:
    incident = Incident()
    one = stage()
    state = one.start(3, NO_WATERMARK, [])
    run(one, state, records([incident.event("CREATE", 1), incident.event("CLOSED", 2)]))
    assert one.rebuild_point(state) is None
    assert list(one.parts(state)) == ["head"]


def test_every_setting_of_a_target_that_pages_depend_on_changes_the_hash() -> None:
    hashes = {
        stage(**policy).config_hash
        for policy in (
            {},
            {"min_rank": 2},
            {"shows_severity": True},
            {"entities": ("a",)},
            {"any_silence": frozenset({"host"})},
        )
    }
    assert len(hashes) == 5
    assert stage(profiles=frozenset("abc")).config_hash == stage(profiles=frozenset("cba")).config_hash
