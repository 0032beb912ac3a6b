"""Scores taken through the incidents worker's own step, in memory, and the lives of what opens on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.ids import stable_id
from schemas.records import decode, encode
from workers.cli.offline import Feed
from workers.incidents.scores import ROLES, SEVERITIES
from workers.incidents.stage import build
from workers.runtime.records import Output
from workers.settings import IncidentsSettings, Settings

Score = Mapping[str, Any]

_BATCH = 5_000
_PAGES = frozenset({"CREATE", "REOPEN"})
_RANKS = {name: rank for rank, name in enumerate(SEVERITIES)}


@dataclass(slots=True)
class Life:
    """One incident from its first anomalous window on; times in epoch microseconds.

    `resolved_at` is None while it goes on. `rank` is the highest of its severities, `pages` how often somebody is
    called: at the opening and at each reopening.
    """

    incident_id: str
    entity: str
    profile: str
    began_at: int
    opened_at: int
    last_anomalous_at: int
    resolved_at: int | None
    severity: str
    rank: int
    pages: int
    reason: str

    def overlaps(self, other: Life) -> bool:
        """Whether both were about the same trouble: some anomalous stretch of one lies in the other's."""
        return self.began_at < other.last_anomalous_at and other.began_at < self.last_anomalous_at


class Replay:
    """The incidents worker's step under given rules, a state of its own for every partition."""

    def __init__(self, settings: Settings, rules: IncidentsSettings) -> None:
        self._settings = settings.model_copy(update={"incidents": rules})
        self._feeds: dict[int, Feed] = {}
        self._lives: dict[str, Life] = {}

    def take(self, scores: Iterable[Score], partition: int = 0) -> None:
        """Scores of one partition in the order of its log; those of challengers change nothing."""
        if partition not in self._feeds:
            self._feeds[partition] = Feed(build(self._settings), self._settings.topics.scores)
        feed, batch = self._feeds[partition], list[Score]()
        for score in scores:
            if score["model"]["role"] in ROLES:
                batch.append(score)
            if len(batch) >= _BATCH:
                self._step(feed, batch)
                batch = []
        if batch:
            self._step(feed, batch)

    @property
    def lives(self) -> list[Life]:
        """What has opened, by entity and time."""
        return sorted(self._lives.values(), key=lambda life: (life.entity, life.profile, life.opened_at))

    def _step(self, feed: Feed, scores: list[Score]) -> None:
        topic = self._settings.topics.scores
        values = encode("Score", scores)
        given = [Output(topic, str(s["entity"]).encode(), value) for s, value in zip(scores, values, strict=True)]
        events = [
            one.value
            for one in feed.take_outputs(given)
            if one.topic == self._settings.topics.incidents and one.key is not None
        ]
        for event in decode("IncidentEvent", events)[0]:
            if event is not None:
                self._follow(event)

    def _follow(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "SUPPRESS":
            return
        known = self._lives.get(event["incident_id"])
        if known is None:
            known = self._lives[event["incident_id"]] = Life(
                event["incident_id"],
                event["entity"],
                event["profile"],
                event["first_anomalous_at"],
                event["opened_at"],
                event["last_anomalous_at"],
                None,
                event["severity"],
                0,
                0,
                event["reason"],
            )
        known.pages += event["type"] in _PAGES
        known.last_anomalous_at, known.resolved_at = event["last_anomalous_at"], event["resolved_at"]
        rank = _RANKS.get(event["severity"], 0)
        if rank > known.rank:
            known.rank, known.severity = rank, event["severity"]


def score_of(
    entity: str, end: int, start: int, value: float, severity: str | None, contributions: Iterable[Mapping[str, Any]]
) -> Score:
    """A score of which a file tells no more than this, with all else as it usually is."""
    anomalous = value >= 1.0
    return {
        "id": stable_id(entity, end),
        "entity": entity,
        "profile": "generic",
        "window_start": start,
        "window_end": end,
        "event_count": 1,
        "silent": False,
        "retired": False,
        "regular": True,
        "anomaly_score": value,
        "is_anomaly": anomalous,
        "severity": (severity or "low") if anomalous else None,
        "confidence": 1.0,
        "model": {"id": "file", "version": "", "role": "champion", "scope": "", "period": ""},
        "expected": [],
        "contributions": [{"feature": one["metric"], **one} for one in contributions],
        "note": "",
    }
