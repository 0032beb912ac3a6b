"""Who an incident is: the fingerprint of its pattern, the id of its occurrence, the ids of its events."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.ids import stable_id
from workers.incidents.naming import read_metric
from workers.incidents.scores import Window

LEAST_SHARE = 0.25
"""A metric family is part of the pattern from this share of all contributions on: small ones do not change it."""

SILENCE = ("silence", "down")
"""The pattern of windows in which nothing came."""


def pattern(windows: Sequence[Window]) -> tuple[tuple[str, str], ...]:
    """What deviates and which way: (metric family, direction), sorted, over anomalous windows.

    Shares are added up by family and direction; those below `LEAST_SHARE` of the whole are left out. Families, not
    metrics: p95 and p99 taking turns as the largest contribution is one pattern.
    """
    if windows and all(window.silent for window in windows):
        return (SILENCE,)
    shares: dict[tuple[str, str], float] = {}
    for window in windows:
        for one in window.contributions:
            key = (read_metric(one.metric).family, one.direction)
            shares[key] = shares.get(key, 0.0) + one.share
    least = LEAST_SHARE * sum(shares.values())
    return tuple(sorted(key for key, share in shares.items() if share >= least))


def fingerprint_id(entity: str, profile: str, pattern: Sequence[tuple[str, str]]) -> str:
    """The same pattern of the same entity and profile has the same id, today and after any restart."""
    return stable_id(entity, profile, *(part for pair in pattern for part in pair))


def incident_id(fingerprint: str, first_anomalous_at: int) -> str:
    """`first_anomalous_at`: start of the first anomalous window, epoch microseconds."""
    return stable_id(fingerprint, first_anomalous_at)


def event_id(incident: str, sequence: int) -> str:
    """The same for every reading of the same event, so that a reader can drop what it has seen."""
    return stable_id(incident, sequence)
