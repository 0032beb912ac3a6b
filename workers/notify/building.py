"""Puts the worker of one target together from the settings."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from schemas.framing import Resolver
from schemas.records import decode
from workers.notify.carriers import carrier_of
from workers.notify.delivery import Delivery
from workers.notify.kinds import kind_of
from workers.notify.kinds.kind import Kind, Target
from workers.notify.metrics import DeliveryMetrics
from workers.notify.pacing import Pace
from workers.notify.policy import Policy
from workers.notify.silences import Rules
from workers.notify.stage import NotifyStage, address
from workers.notify.standing import Following, Standing
from workers.runtime.clock import SystemClock
from workers.runtime.ports import Controls
from workers.settings import Settings


def target_of(settings: Settings, name: str) -> Target:
    """Raises KeyError for a target that the settings do not name."""
    notify = settings.notify
    return Target(name, notify.targets[name], notify.secret(name), tuple(notify.services))


def topic_of(settings: Settings, name: str) -> str:
    """What a target's worker reads."""
    topics = settings.topics
    return topics.incidents if settings.notify.targets[name].of == "incidents" else topics.groups


class Notifier:
    """One target's stage and rim."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.target = target_of(settings, name)
        self.kind: Kind = kind_of(self.target)
        self._settings, self._clock, self._rules = settings, SystemClock(), Rules()
        self._following: Following | None = None
        self._delivery: Delivery | None = None

    def stage(self, resolver: Resolver | None = None) -> NotifyStage:
        """Decodes once before the first record comes: where kernels are not compiled yet, that takes its time."""
        decode("IncidentEvent", [b"{}"])
        policy = Policy.of_settings(self.target.name, self.target.settings, self.kind.shows_severity)
        return NotifyStage(policy, self._rules, resolver)

    def follow(self, controls: Controls) -> None:
        """The silence rules; before the first step."""
        self._following = Following(self._rules, controls, self._clock)

    def outside(self, registry: CollectorRegistry) -> Delivery:
        from workers.notify.breaker import Breaker  # of an extra: commands do without

        own = self.target.settings
        metrics = DeliveryMetrics(self.target.name, registry)
        self._delivery = Delivery(
            address(self.target.name),
            self.kind,
            carrier_of(self.kind, self.target, self._settings),
            Breaker(self.target.name, own.breaker_failures, own.breaker_pause_ms / 1000, metrics, self._clock),
            Pace(own.gather_ms / 1000, own.max_pages, self.kind.keyed),
            self._clock,
            metrics,
        )
        return self._delivery

    def standing(self) -> Standing:
        """After `follow` and `outside`."""
        assert self._following is not None
        assert self._delivery is not None
        own = self.target.settings
        every = own.resend_ms / 1000 if self.kind.resends else None
        return Standing(self._following, self._delivery, self._clock, every, own.resolved_for_ms * 1_000)
