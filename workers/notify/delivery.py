"""The rim of the notify worker: takes pages to their target, holds what it does not take now, gives up what it never
will."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.notify.carriers import Carries
from workers.notify.errors import NotDelivered, Open, Refused, Slow
from workers.notify.kinds.kind import Kind, Message, Paced
from workers.notify.metrics import DIGESTED, FAILED, REFUSED, RESENT, SENT, DeliveryMetrics
from workers.notify.pacing import Pace, Planned
from workers.notify.page import Page
from workers.runtime.clock import Clock
from workers.runtime.records import Output

if TYPE_CHECKING:
    from workers.notify.breaker import Breaker

log = structlog.get_logger(__name__)

Item = TypeVar("Item")

_BUDGET = 5.0
"""Seconds after which no further message is begun in one go: the group is served in between."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A page in hand since `arrived` (monotonic seconds)."""

    output: Output
    page: Page
    arrived: float


class Delivery:
    """`Outside` of one target."""

    def __init__(
        self,
        address: str,
        kind: Kind,
        carrier: Carries,
        breaker: Breaker,
        pace: Pace,
        clock: Clock,
        metrics: DeliveryMetrics,
    ) -> None:
        self.address = address
        self._kind, self._carrier, self._breaker, self._pace = kind, carrier, breaker, pace
        self._clock, self._metrics = clock, metrics
        self._waiting: dict[int, Waiting] = {}  # by identity of the output, which stays the same while it is held
        self._not_before = float("-inf")

    def deliver(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """See `Outside.deliver`. What the target refuses counts as delivered: it is told in the log and counted."""
        now = self._clock.monotonic()
        known = self._waiting
        self._waiting = {id(one): known.get(id(one)) or _taken_in(one, now) for one in outputs}
        until = now + _BUDGET
        for message in self._messages(now):
            if self._clock.monotonic() >= until or not self._hand_over(message):
                break
        left = [one.output for one in self._waiting.values()]
        self._metrics.held(len(left))
        return left

    def repeat(self, pages: Sequence[Page]) -> bool:
        """Say again what stands, for a target that forgets. False where that did not succeed: it is no page's loss."""
        return all(self._may_call() and self._sent(some, RESENT) for some in _cut(pages, self._kind.batch))

    def close(self) -> None:
        self._carrier.close()

    def _messages(self, now: float) -> Iterator[Planned[Waiting]]:
        waiting = list(self._waiting.values())
        if not waiting or not self._may_call():
            return
        if isinstance(self._kind, Paced):
            yield from self._pace.plan(waiting, now)
        else:
            yield from (Planned(some) for some in _cut(waiting, self._kind.batch))

    def _hand_over(self, planned: Planned[Waiting]) -> bool:
        """False where nothing more is to be tried now."""
        pages = [one.page for one in planned.pages]
        if planned.dropped:
            self._metrics.pages(DIGESTED, len(pages))
        else:
            if not self._sent(pages, DIGESTED if planned.digest else SENT):
                return False
            self._pace.sent(planned, self._clock.monotonic())
        for one in planned.pages:
            del self._waiting[id(one.output)]
        return True

    def _sent(self, pages: Sequence[Page], outcome: str) -> bool:
        """Whether these pages are dealt with: taken, or refused for good."""
        now = int(self._clock.time() * 1_000_000)
        message = self._message(pages, outcome, now)
        try:
            self._breaker.call(lambda: self._carrier.carry(message))
        except Refused as error:
            if len(pages) > 1 and outcome != DIGESTED:
                return all(self._sent([page], outcome) for page in pages)  # one of them it is: not all are given up
            self._metrics.pages(REFUSED, len(pages))
            log.error("the target refuses a page, which is given up", page=message.id, reason=str(error))
            return True
        except Open:
            return False
        except NotDelivered as error:
            if isinstance(error, Slow):
                self._not_before = self._clock.monotonic() + error.seconds
            self._metrics.pages(FAILED, len(pages))
            log.warning("not delivered, held", pages=len(pages), reason=str(error))
            return False
        self._metrics.pages(outcome, len(pages))
        return True

    def _message(self, pages: Sequence[Page], outcome: str, now: int) -> Message:
        if outcome == DIGESTED:
            assert isinstance(self._kind, Paced)
            return self._kind.digest(pages, now)
        return self._kind.message(pages, now)

    def _may_call(self) -> bool:
        return self._clock.monotonic() >= self._not_before and not self._breaker.resting


def _taken_in(output: Output, now: float) -> Waiting:
    return Waiting(output, Page.decode(output.value or b""), now)


def _cut(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), most):
        yield items[start : start + most]
