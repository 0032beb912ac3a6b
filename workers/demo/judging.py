"""What was found against what was true. Pure: tables of episodes and incidents in, numbers out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Episode:
    """A true anomaly: [start, end), epoch microseconds."""

    entity: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as its events told it: from its first to its last anomalous window, epoch microseconds."""

    incident_id: str
    entity: str
    first_anomalous_at: int
    opened_at: int
    last_anomalous_at: int
    severity: str
    reason: str
    resolved_at: int | None = None

    def overlaps(self, episode: Episode) -> bool:
        return (
            self.entity == episode.entity
            and self.first_anomalous_at <= episode.end
            and self.last_anomalous_at > episode.start
        )


@dataclass(frozen=True, slots=True)
class KindResult:
    """One kind of anomaly: how many there were, how many were found, and the median delay until an incident opened."""

    kind: str
    episodes: int
    found: int
    delay_seconds: float | None

    @property
    def missed(self) -> int:
        return self.episodes - self.found


@dataclass(frozen=True, slots=True)
class Verdict:
    """`precision`: share of incidents that overlap an episode of their entity; `recall`: share of episodes found.

    Both are 1 where there is nothing to judge.
    """

    kinds: tuple[KindResult, ...]
    false_alarms: tuple[Incident, ...]
    missed: tuple[Episode, ...]
    precision: float
    recall: float


def judge(episodes: Sequence[Episode], incidents: Sequence[Incident]) -> Verdict:
    """Compare; an incident may overlap several episodes and then finds all of them."""
    found = {episode: [incident for incident in incidents if incident.overlaps(episode)] for episode in episodes}
    true = {incident.incident_id for overlapping in found.values() for incident in overlapping}
    false_alarms = tuple(incident for incident in incidents if incident.incident_id not in true)
    missed = tuple(episode for episode, overlapping in found.items() if not overlapping)
    kinds = tuple(_kind_result(kind, found) for kind in dict.fromkeys(episode.kind for episode in episodes))
    return Verdict(
        kinds,
        false_alarms,
        missed,
        precision=1 - len(false_alarms) / len(incidents) if incidents else 1.0,
        recall=1 - len(missed) / len(episodes) if episodes else 1.0,
    )


def _kind_result(kind: str, found: dict[Episode, list[Incident]]) -> KindResult:
    mine = {episode: overlapping for episode, overlapping in found.items() if episode.kind == kind}
    delays = [
        max(0, min(incident.opened_at for incident in overlapping) - episode.start) / 1e6
        for episode, overlapping in mine.items()
        if overlapping
    ]
    return KindResult(kind, len(mine), len(delays), statistics.median(delays) if delays else None)
