"""How many messages people get."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.workers.notify.given import Incident
from workers.notify.notice import of_incident
from workers.notify.pacing import MINUTE, Pace, Planned
from workers.notify.page import Action, Page


@dataclass(frozen=True, eq=False)
class Held:
    page: Page
    arrived: float


def held(entity: str, action: Action = "trigger", arrived: float = 0.0) -> Held:
    return Held(Page(action, of_incident(Incident(entity).event("CREATE", 1)), 0), arrived)


def pace(gather: float = 5, most: int = 3, keyed: bool = False) -> Pace:
    return Pace(gather, most, keyed)


def sizes(messages: list[Planned[Held]]) -> list[tuple[int, bool]]:
    return [(len(one.pages), one.digest) for one in messages]


def test_pages_wait_until_the_oldest_has_gathered_and_then_all_go() -> None:
    waiting = [held("a"), held("b", arrived=4.9)]
    assert pace().plan(waiting, 4.9) == []
    assert sizes(pace().plan(waiting, 5.0)) == [(1, False), (1, False)]


def test_more_than_a_minute_allows_is_one_digest() -> None:
    assert sizes(pace().plan([held(f"e{n}") for n in range(1000)], 9)) == [(1000, True)]


def test_what_is_left_of_a_minute_goes_singly_and_the_rest_as_a_digest() -> None:
    one = pace(most=4)
    [first] = one.plan([held("z")], 9)
    one.sent(first, 9)
    assert sizes(one.plan([held(f"e{n}", arrived=9) for n in range(4)], 20)) == [(1, False), (1, False), (2, True)]


def test_a_full_minute_holds_everything_until_it_has_passed() -> None:
    one = pace(most=1)
    [first] = one.plan([held("a")], 10)
    one.sent(first, 10)
    rest = [held("b"), held("c")]
    assert one.plan(rest, 10 + MINUTE - 0.1) == []
    assert sizes(one.plan(rest, 10 + MINUTE)) == [(2, True)]


def test_no_limit_is_no_limit() -> None:
    assert len(pace(most=0).plan([held(f"e{n}") for n in range(100)], 9)) == 100


def test_the_end_of_an_incident_that_a_target_keeps_open_waits_for_nothing() -> None:
    one = pace(most=1, keyed=True)
    [message] = one.plan([held("a", "resolve")], 0.0)
    assert message.free
    one.sent(message, 0.0)
    assert sizes(one.plan([held("b")], 6)) == [(1, False)]


def test_the_end_never_overtakes_the_beginning() -> None:
    waiting = [held("a"), held("a", "resolve")]
    assert pace(keyed=True).plan(waiting, 1.0) == []
    actions = [one.page.action for message in pace(keyed=True).plan(waiting, 6) for one in message.pages]
    assert actions == ["trigger", "resolve"]


def test_what_a_digest_opened_needs_no_end() -> None:
    one = pace(most=1, keyed=True)
    [digest] = one.plan([held("a"), held("b")], 9)
    one.sent(digest, 9)
    [end] = one.plan([held("a", "resolve")], 9)
    assert end.dropped


def test_a_digest_does_not_keep_open_what_was_opened_before_it() -> None:
    waiting = [held("a", "update"), held("a", "resolve"), held("b"), held("b", "resolve")]
    digest, end = pace(most=1, keyed=True).plan(waiting, 9)
    assert [(one.page.notice.entity, one.page.action) for one in digest.pages] == [
        ("a", "update"),
        ("b", "trigger"),
        ("b", "resolve"),
    ]
    assert (end.pages[0].page.notice.entity, end.free) == ("a", True)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(("trigger", "update", "resolve"))), max_size=25),
    st.integers(0, 6),
    st.booleans(),
    st.integers(0, 4),
)
def test_every_page_goes_once_within_the_limit_and_nothing_that_ended_stays_open(
    pages: list[tuple[str, Action]], most: int, keyed: bool, before: int
) -> None:
    one = pace(most=most, keyed=keyed)
    waiting = [held(entity, action) for entity, action in pages]
    for _ in range(min(before, most)):
        one.sent(Planned([held("z")]), 5.0)
    messages = one.plan(waiting, 6.0)
    sent = [page for message in messages for page in message.pages]
    assert len({id(page) for page in sent}) == len(sent)
    if most:
        assert len([message for message in messages if not message.free]) + min(before, most) <= most
    if most and before >= most:
        return  # the minute is full
    assert len(sent) == len(waiting)
    last = dict(pages)
    first = dict(reversed(pages))
    still_open = {entity for entity, action in first.items() if action != "trigger"}  # by a page of its own, before
    for message in messages:
        for page in [] if message.digest or message.dropped else message.pages:
            ends = page.page.action == "resolve"
            (still_open.discard if ends else still_open.add)(page.page.notice.entity)
    if keyed:
        assert not {entity for entity in still_open if last[entity] == "resolve"}
