"""Champion and challenger side by side, by the latest scores of a running installation."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from models.evaluation.comparison import Agreement
from models.evaluation.points import ratio
from workers.cli import cluster
from workers.cli.reading import offsets_at, to_end
from workers.cli.tailing import decoded
from workers.settings import Settings

RECENT_HOURS = 1
MOST_RECORDS = 20_000
"""Read over all partitions: about two seconds' work."""

PATIENCE = 10.0
"""Seconds after which what was read has to do."""

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Served:
    """The versions in force for a profile and scope that has a challenger."""

    profile: str
    scope: str
    champion: str | None
    challenger: str


@dataclass(slots=True)
class Said:
    """What one version said of vectors."""

    vectors: int = 0
    anomalous: int = 0
    total: float = 0.0

    def add(self, score: Mapping[str, Any]) -> None:
        self.vectors += 1
        self.anomalous += score["is_anomaly"]
        self.total += score["anomaly_score"]

    def document(self) -> dict[str, object]:
        known = self.vectors > 0
        return {
            "vectors": self.vectors,
            "mean_score": self.total / self.vectors if known else None,
            "anomalous": self.anomalous / self.vectors if known else None,
        }


@dataclass(slots=True)
class Shadow:
    """What both versions of a scope said of late.

    `pairs` counts the vectors that the challenger has scored by the verdict in force (of the champion, whatever its
    scope, or of the untrained rule) and its own.
    """

    served: Served
    champion: Said = field(default_factory=Said)
    challenger: Said = field(default_factory=Said)
    pairs: dict[tuple[bool, bool], int] = field(default_factory=lambda: defaultdict(int))

    @property
    def agreement(self) -> Agreement:
        return Agreement(*(self.pairs[pair] for pair in ((True, True), (True, False), (False, True), (False, False))))


@dataclass(frozen=True, slots=True)
class Recent:
    """The records of scores that were read, and what they say of each scope with a challenger."""

    records: int
    shadows: list[Shadow]


def in_shadow(models: Iterable[Mapping[str, str | None]]) -> list[Served]:
    """Of the versions in force (`status.registered_models`) those with a challenger."""
    return [
        Served(str(one["profile"]), str(one["scope"]), one["champion"], one["challenger"])
        for one in models
        if one["challenger"] is not None
    ]


def recent(settings: Settings, admin: AdminClient, served: Sequence[Served]) -> Recent:
    """Read the last hour's scores, at most so many of them and for so long. Raises `Failure` and `KafkaException`."""
    since = int((time.time() - RECENT_HOURS * 3_600) * 1_000)
    starts = offsets_at(admin, settings.topics.scores, since)
    ends = cluster.ends(admin, starts)
    share = max(1, MOST_RECORDS // max(1, len(starts)))
    starts = {at: max(start, ends[at] - share) for at, start in starts.items()}
    return compared(_until(to_end(settings, starts, ends), time.monotonic() + PATIENCE), served)


def compared(messages: Iterator[Message], served: Sequence[Served]) -> Recent:
    """Count the scores by version, and pair the challengers' with those in force for the same vectors.

    A vector's two scores are in one partition, the challenger's behind the other.
    """
    shadows = [Shadow(one) for one in served]
    champions = {(s.served.profile, s.served.scope, s.served.champion): s for s in shadows}
    challengers = {(s.served.profile, s.served.scope, s.served.challenger): s for s in shadows}
    in_force: dict[tuple[str, str, int], deque[bool]] = defaultdict(deque)
    records = 0
    while batch := list(itertools.islice(messages, _BATCH)):
        score: Any
        for score in decoded("Score", batch):
            records += 1
            model, vector = score["model"], (score["profile"], score["entity"], score["window_end"])
            version = (score["profile"], model["scope"], model["version"])
            if model["role"] != "challenger":
                in_force[vector].append(score["is_anomaly"])
                if version in champions:
                    champions[version].champion.add(score)
            elif version in challengers:
                shadow = challengers[version]
                shadow.challenger.add(score)
                if in_force[vector]:
                    shadow.pairs[in_force[vector].popleft(), score["is_anomaly"]] += 1
    return Recent(records, shadows)


def _until(messages: Iterator[Message], deadline: float) -> Iterator[Message]:
    return itertools.takewhile(lambda _: time.monotonic() < deadline, messages)


def rows(shadows: Iterable[Shadow]) -> Iterator[tuple[object, ...]]:
    """Two lines of a table for each: what is in force, and the challenger."""
    for shadow in shadows:
        served, agreement = shadow.served, shadow.agreement
        for role, version, said, agreed in (
            ("champion", served.champion, shadow.champion, ""),
            ("challenger", served.challenger, shadow.challenger, _share(agreement.same)),
        ):
            mean = f"{said.total / said.vectors:.3f}" if said.vectors else ""
            anomalous = _share(ratio(said.anomalous, said.vectors))
            yield served.profile, served.scope, role, version, said.vectors, mean, anomalous, agreed


def document(found: Recent) -> dict[str, object]:
    return {
        "records": found.records,
        "scopes": [
            {
                "profile": one.served.profile,
                "scope": one.served.scope,
                "champion": {"version": one.served.champion, **one.champion.document()},
                "challenger": {"version": one.served.challenger, **one.challenger.document()},
                "pairs": sum(one.pairs.values()),
                "agreement": one.agreement.same if one.pairs else None,
            }
            for one in found.shadows
        ],
    }


def _share(value: float) -> str:
    return "" if value != value else f"{value:.2%}"
