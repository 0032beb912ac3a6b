"""What the worker does beside its cycle: follow the silence rules, and say again what stands to targets that forget."""

from __future__ import annotations

import structlog

from workers.notify.deciding import standing
from workers.notify.delivery import Delivery
from workers.notify.lives import PartitionState
from workers.notify.page import Page
from workers.notify.silences import Rules, read_rule
from workers.runtime.clock import Clock
from workers.runtime.errors import Retriable
from workers.runtime.partitions import Partition
from workers.runtime.ports import Controls
from workers.runtime.slices import TopicPartition

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.2
_AGAIN_SECONDS = 5.0


class Following:
    """Keeps `rules` as the control topic has them.

    Rules are not taken up as aliases of models are, offset by offset: a rule says by event time from when to when it
    acts, and stays on the topic when it has ended, so that a replay under all of them decides as it was decided.
    """

    def __init__(self, rules: Rules, controls: Controls, clock: Clock) -> None:
        self._rules, self._controls, self._clock = rules, controls, clock
        self._read = 0
        self._looked = clock.monotonic()
        self._take()

    def __call__(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        try:
            self._controls.refresh()
        except Retriable as error:
            log.warning("silence rules cannot be read, going on with those there are", reason=str(error))
        self._take()

    def _take(self) -> None:
        for control in self._controls.after(self._read):
            try:
                found = read_rule(control)
            except ValueError as error:
                log.warning("a silence rule cannot be understood, left out", offset=control.offset, reason=str(error))
                continue
            if found is not None:
                self._rules.take(*found)
        self._read = self._controls.end


class Standing:
    """Called for each partition in every cycle. `every`: seconds between two repetitions; None: the target remembers.

    `resolved_for`: microseconds for which it is repeated that something is over.
    """

    def __init__(
        self, following: Following, delivery: Delivery, clock: Clock, every: float | None, resolved_for: int
    ) -> None:
        self._following, self._delivery, self._clock = following, delivery, clock
        self._every, self._resolved_for = every, resolved_for
        self._due: dict[TopicPartition, float] = {}

    def __call__(self, partition: Partition[PartitionState]) -> None:
        self._following()
        now = self._clock.monotonic()
        if self._every is None or partition.replaying or now < self._due.get(partition.tp, now):
            return
        pages = self._pages(partition.state)
        done = self._delivery.repeat(pages) if pages else True
        self._due[partition.tp] = now + (self._every if done else min(self._every, _AGAIN_SECONDS))

    def _pages(self, state: PartitionState) -> list[Page]:
        oldest = int(self._clock.time() * 1_000_000) - self._resolved_for
        found = [page for page in map(standing, state.lives.values()) if page is not None]
        return [page for page in found if page.action != "resolve" or page.notice.ended_at >= oldest]
