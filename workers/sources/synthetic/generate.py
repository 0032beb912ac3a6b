"""A plan's events: the one door to every synthetic profile."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.columns import Events
from workers.sources.synthetic.hosts import host_events
from workers.sources.synthetic.services import service_events
from workers.sources.synthetic.truth import Truth


def generate(truth: Truth) -> Iterator[Events]:
    """All events of the truth's plan in time order, in blocks; the same truth gives the same bytes."""
    return host_events(truth) if truth.plan.profile == "host" else service_events(truth)
