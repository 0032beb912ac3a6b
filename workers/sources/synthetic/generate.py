"""A plan's events: the one door to every synthetic profile."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.columns import Events
from workers.sources.synthetic.hosts import host_events
from workers.sources.synthetic.services import count_events, service_events
from workers.sources.synthetic.truth import Truth


def generate(truth: Truth) -> Iterator[Events]:
    """All events of the truth's plan in time order, in blocks; the same truth gives the same bytes."""
    return host_events(truth) if truth.plan.profile == "host" else service_events(truth)


def how_many(truth: Truth) -> int:
    """How many events `generate` gives."""
    plan = truth.plan
    return plan.entities * plan.intervals if plan.profile == "host" else count_events(truth)
