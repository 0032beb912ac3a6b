"""Beside the cycle: silence rules are followed, and what stands is said again to those that forget."""

from __future__ import annotations

from typing import Any

from schemas.records import encode
from tests.contract.stage_contract import run
from tests.workers.notify.given import MINUTE, NOON, Incident, notice, records, silence, stage
from workers.notify.page import Page
from workers.notify.silences import Rules, control_key, control_record
from workers.notify.standing import Following, Standing
from workers.runtime.clock import SystemClock
from workers.runtime.slices import TopicPartition
from workers.runtime.stage import NO_WATERMARK, Control


class HandClock(SystemClock):
    """Ten minutes after noon, until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return (NOON + 10 * MINUTE) / 1e6 + self.now


class Topic:
    """The control topic in memory."""

    def __init__(self) -> None:
        self.records: list[Control] = []

    @property
    def end(self) -> int:
        return len(self.records)

    def refresh(self) -> None: ...

    def after(self, offset: int) -> list[Control]:
        return [control for control in self.records if control.offset >= offset]

    def write(self, key: bytes, value: bytes | None) -> None:
        self.records.append(Control(len(self.records), key, value))


class Repeated:
    """Takes what is said again, or does not."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.there = True

    def repeat(self, pages: list[Page]) -> bool:
        self.pages += pages
        return self.there


class Place:
    """A partition as the loop hands it over."""

    def __init__(self, *events: Any) -> None:
        one = stage(shows_severity=True)
        self.tp, self.replaying = TopicPartition("incidents", 3), False
        self.state = one.start(3, NO_WATERMARK, [])
        run(one, self.state, records(events))


def test_rules_are_taken_up_changed_and_forgotten_and_nonsense_is_left_out() -> None:
    topic, clock, rules = Topic(), HandClock(), Rules()
    rule = silence(0, None, entity="check*")
    topic.write(b"alias/service/global", b"{")
    topic.write(control_key("r"), encode("Control", [control_record(rule)])[0])
    following = Following(rules, topic, clock)
    assert rules.hold(notice())
    topic.write(control_key("x"), b"{")
    topic.write(control_key("r"), encode("Control", [control_record(silence(0, 1, entity="check*"))])[0])
    following()
    assert rules.hold(notice())  # it does not look all the time
    clock.now += 1
    following()
    assert not rules.hold(notice())
    assert rules.hold(notice(minute=0.5))  # while it acted, it acted
    topic.write(control_key("r"), None)
    clock.now += 1
    following()
    assert not rules.hold(notice(minute=0.5))


def test_what_fires_is_said_again_and_what_is_over_for_a_while() -> None:
    fires, over = Incident("fires"), Incident("over")
    place: Any = Place(
        fires.event("CREATE", 1, "low"),
        over.event("CREATE", 2),
        fires.event("ESCALATE", 3, "critical"),
        over.event("RESOLVE", 5),
    )
    clock, target = HandClock(), Repeated()
    delivery: Any = target
    standing = Standing(Following(Rules(), Topic(), clock), delivery, clock, 60.0, 15 * MINUTE)
    standing(place)
    said = [(page.action, page.notice.entity, page.notice.severity, page.since) for page in target.pages]
    assert said == [("trigger", "fires", "critical", NOON + 3 * MINUTE), ("resolve", "over", "high", NOON + 2 * MINUTE)]
    clock.now = 59.9
    standing(place)
    assert len(target.pages) == 2
    clock.now = 60.0
    standing(place)
    assert len(target.pages) == 4
    clock.now = 601.0
    standing(place)
    assert [page.notice.entity for page in target.pages[4:]] == ["fires"]


def test_what_could_not_be_said_again_is_tried_soon() -> None:
    place: Any = Place(Incident().event("CREATE", 1))
    clock, target = HandClock(), Repeated()
    delivery: Any = target
    standing = Standing(Following(Rules(), Topic(), clock), delivery, clock, 60.0, 0)
    target.there = False
    standing(place)
    clock.now = 5.0
    standing(place)
    assert len(target.pages) == 2


def test_nothing_is_said_while_a_partition_is_replayed_or_to_those_that_remember() -> None:
    place: Any = Place(Incident().event("CREATE", 1))
    clock, target = HandClock(), Repeated()
    delivery: Any = target
    Standing(Following(Rules(), Topic(), clock), delivery, clock, None, 0)(place)
    place.replaying = True
    Standing(Following(Rules(), Topic(), clock), delivery, clock, 60.0, 0)(place)
    assert target.pages == []
