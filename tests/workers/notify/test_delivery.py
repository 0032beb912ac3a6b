"""The rim: over a real HTTP connection, with targets that are away, slow, full or choosy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.support.process import free_port
from tests.support.receiver import Receiver
from tests.workers.notify.given import Incident, target
from workers.notify.breaker import Breaker
from workers.notify.carriers.http import Answer, HttpCarrier, judge
from workers.notify.delivery import Delivery
from workers.notify.errors import Refused, Slow, Unreachable
from workers.notify.kinds import kind_of
from workers.notify.metrics import DeliveryMetrics
from workers.notify.notice import of_incident
from workers.notify.pacing import Pace
from workers.notify.page import Page
from workers.runtime.clock import SystemClock
from workers.runtime.records import Output


class HandClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_772_366_400.0 + self.now


class Rim:
    """One target's delivery, and what it counts."""

    def __init__(self, kind: str, url: str, seconds: float = 5.0, pause: float = 3600.0, **more: Any) -> None:
        self.clock, self.registry = HandClock(), CollectorRegistry()
        metrics = DeliveryMetrics("t", self.registry)
        self.breaker = Breaker("t", 2, pause, metrics, self.clock)
        one = target(kind, url, **more)
        pace = Pace(one.settings.gather_ms / 1000, one.settings.max_pages, kind_of(one).keyed)
        self.delivery = Delivery("t", kind_of(one), HttpCarrier(seconds), self.breaker, pace, self.clock, metrics)

    def pages(self, outcome: str) -> float:
        return self.registry.get_sample_value("faultline_pages_total", {"target": "t", "outcome": outcome}) or 0.0

    @property
    def open(self) -> float:
        return self.registry.get_sample_value("faultline_breaker_open", {"target": "t"}) or 0.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def outputs(*entities: str) -> list[Output]:
    pages = [Page("trigger", of_incident(Incident(entity).event("CREATE", 1)), 0) for entity in entities]
    return [Output("t", page.notice.key.encode(), page.encode()) for page in pages]


def entities(receiver: Receiver) -> list[str]:
    return [body["entity"] for body in receiver.bodies]


def test_what_a_target_takes_is_not_held(receiver: Receiver) -> None:
    rim = Rim("webhook", receiver.url, gather_ms=0)
    assert list(rim.delivery.deliver(outputs("a", "b"))) == []
    assert entities(receiver) == ["a", "b"]
    assert rim.pages("sent") == 2


def test_pages_gather_and_go_together(receiver: Receiver) -> None:
    rim, held = Rim("webhook", receiver.url), outputs("a", "b")
    assert rim.delivery.deliver(held) == held
    rim.clock.now += 5
    assert list(rim.delivery.deliver(held)) == []


def test_a_server_that_fails_is_left_alone_and_tried_again_later(receiver: Receiver) -> None:
    rim, held = Rim("webhook", receiver.url, pause=0.0, gather_ms=0), outputs("a", "b")
    receiver.answer = 500
    for _ in range(2):
        assert rim.delivery.deliver(held) == held
    assert rim.open == 1
    receiver.answer = 200
    assert list(rim.delivery.deliver(held)) == []
    assert rim.open == 0


def test_while_the_breaker_is_open_nothing_is_asked(receiver: Receiver) -> None:
    rim, held = Rim("webhook", receiver.url, gather_ms=0), outputs("a")
    receiver.answer = 503
    for _ in range(2):
        rim.delivery.deliver(held)
    asked = receiver.asked
    for _ in range(5):
        assert rim.delivery.deliver(held) == held
    assert receiver.asked == asked
    assert rim.breaker.resting


def test_a_target_that_is_not_there_is_held() -> None:
    rim, held = Rim("webhook", f"http://127.0.0.1:{free_port()}", gather_ms=0), outputs("a")
    assert rim.delivery.deliver(held) == held
    assert rim.pages("failed") == 1


def test_a_target_that_never_answers_is_given_up_on_in_time(receiver: Receiver) -> None:
    rim, held = Rim("webhook", receiver.url, seconds=0.3, gather_ms=0), outputs("a")
    receiver.answer = None
    assert rim.delivery.deliver(held) == held
    receiver.answer = 200
    assert list(rim.delivery.deliver(held)) == []


def test_a_target_that_has_enough_is_asked_again_when_it_says(receiver: Receiver) -> None:
    rim, held = Rim("webhook", receiver.url, gather_ms=0), outputs("a")
    receiver.answer, receiver.headers = 429, {"Retry-After": "7"}
    assert rim.delivery.deliver(held) == held
    receiver.answer = 200
    rim.clock.now += 6.9
    assert rim.delivery.deliver(held) == held
    assert receiver.asked == 1
    rim.clock.now += 0.1
    assert list(rim.delivery.deliver(held)) == []
    assert rim.open == 0


def test_a_page_that_is_refused_is_given_up_and_the_next_one_goes(receiver: Receiver) -> None:
    rim = Rim("webhook", receiver.url, gather_ms=0)
    receiver.answer = 400
    assert list(rim.delivery.deliver(outputs("a"))) == []
    receiver.answer = 200
    assert list(rim.delivery.deliver(outputs("b"))) == []
    assert entities(receiver) == ["b"]
    assert (rim.pages("refused"), rim.pages("sent")) == (1, 1)


def test_of_a_batch_that_is_refused_each_is_tried_alone(receiver: Receiver) -> None:
    rim = Rim("alertmanager", receiver.url)
    receiver.answer = 400
    assert list(rim.delivery.deliver(outputs("a", "b", "c"))) == []
    assert receiver.asked == 4
    assert rim.pages("refused") == 3


def test_alerts_for_an_alertmanager_go_in_one_request(receiver: Receiver) -> None:
    rim = Rim("alertmanager", receiver.url)
    assert list(rim.delivery.deliver(outputs(*(f"e{n}" for n in range(400))))) == []
    assert [len(body) for body in receiver.bodies] == [400]


@pytest.mark.parametrize(
    ("status", "retry_after", "becomes"),
    [
        (400, "", Refused),
        (413, "", Refused),
        (422, "", Refused),
        (401, "", Unreachable),
        (403, "", Unreachable),
        (404, "", Unreachable),
        (408, "", Unreachable),
        (302, "", Unreachable),
        (500, "", Unreachable),
        (503, "3", Slow),
        (429, "", Slow),
    ],
)
def test_what_an_answer_means(status: int, retry_after: str, becomes: type[Exception]) -> None:
    with pytest.raises(becomes):
        judge(Answer(status, retry_after, "no"))


@pytest.mark.parametrize(("said", "least", "most"), [("12", 12, 12), ("999999999", 3_600, 3_600), ("soon", 10, 11)])
def test_a_target_that_asks_for_patience_gets_it_within_bounds(said: str, least: float, most: float) -> None:
    with pytest.raises(Slow) as raised:
        judge(Answer(503, said, "no"))
    assert least <= raised.value.seconds <= most
