"""Drift records gathered by what they were measured against: how many days have shifted, and what shifted most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from models.evaluation.points import ratio
from schemas.times import format_time
from workers.cli.tailing import Tail, tail
from workers.settings import Settings

OWN = "entity=*"
"""The scopes of all models that serve one entity each, as one."""

TOO_FEW = "not judged: too few days learned"

_MOST_NAMED = 3


@dataclass(slots=True)
class ScopeDrift:
    """The days of one profile and scope; `versions` are the champions that they were measured against.

    `features` counts the days in which each had shifted, `judged` those that training had days enough to judge by.
    """

    profile: str
    scope: str
    versions: set[str] = field(default_factory=set)
    entities: set[str] = field(default_factory=set)
    days: int = 0
    judged: int = 0
    shifted: int = 0
    windows: int = 0
    score: float = 0.0
    alarms: float = 0.0
    features: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        windows = record["windows"]
        self.versions.add(record["version"])
        self.entities.add(record["entity"])
        self.days += 1
        self.judged += any(one["usual"] > 0.0 for one in record["psi"])
        self.shifted += bool(record["shifted"])
        self.windows += windows
        self.score += windows * record["score_mean"]
        self.alarms += windows * record["alarm_rate"]
        self.features.update(record["shifted"])

    def row(self) -> tuple[object, ...]:
        most = ", ".join(f"{name} ({days:,})" for name, days in self.features.most_common(_MOST_NAMED))
        version = next(iter(self.versions)) if len(self.versions) == 1 else f"{len(self.versions):,} versions"
        share = f"{self.shifted:,} ({ratio(self.shifted, self.judged):.0%})" if self.judged else TOO_FEW
        mean, alarms = ratio(self.score, self.windows), ratio(self.alarms, self.windows)
        who = (self.profile, self.scope, version, len(self.entities), self.days)
        return (*who, share, f"{mean:.3f}", f"{alarms:.2%}", most)

    def document(self) -> dict[str, object]:
        return {
            "profile": self.profile,
            "scope": self.scope,
            "versions": sorted(self.versions),
            "entities": len(self.entities),
            "days": self.days,
            "days_judged": self.judged,
            "days_shifted": self.shifted,
            "score_mean": self.score / self.windows if self.windows else None,
            "alarm_rate": self.alarms / self.windows if self.windows else None,
            "features": dict(self.features.most_common()),
        }


def written(settings: Settings, since: str, most: int | None = None) -> Iterator[Mapping[str, Any]]:
    """What the scoring workers have written since then, at most so many records. Raises `Failure`."""
    what = Tail(settings.topics.drift, "Drift", since, stop=True, limit=most)
    yield from tail(settings, what, lambda _: True)


COLUMNS = (
    "profile",
    "scope",
    "version",
    "entities",
    "days",
    "shifted",
    "mean score",
    "anomalous",
    "most often (days)",
)


@dataclass(slots=True)
class Drift:
    """What records said: by scope, and the last one of each entity."""

    scopes: dict[tuple[str, str], ScopeDrift] = field(default_factory=dict)
    latest: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Self:
        found = cls()
        for record in records:
            found.add(record)
        return found

    def add(self, record: Mapping[str, Any]) -> None:
        profile, scope = record["profile"], record["scope"]
        name = profile, OWN if scope.startswith("entity=") else scope
        self.scopes.setdefault(name, ScopeDrift(*name)).add(record)
        whose = profile, record["entity"]
        if whose not in self.latest or self.latest[whose]["time"] <= record["time"]:
            self.latest[whose] = record

    @property
    def days(self) -> int:
        return sum(scope.days for scope in self.scopes.values())

    @property
    def judged(self) -> int:
        return sum(scope.judged for scope in self.scopes.values())

    @property
    def shifted(self) -> int:
        return sum(scope.shifted for scope in self.scopes.values())

    def rows(self) -> Iterator[tuple[object, ...]]:
        for _, scope in sorted(self.scopes.items()):
            yield scope.row()

    def worst(self) -> list[Mapping[str, Any]]:
        """The last records in which anything had shifted, what shifted furthest beyond what is usual first."""
        shifted = [record for record in self.latest.values() if record["shifted"]]
        return sorted(shifted, key=lambda record: (-_beyond(record), record["profile"], record["entity"]))

    def document(self) -> dict[str, object]:
        return {
            "scopes": [scope.document() for _, scope in sorted(self.scopes.items())],
            "entities": [{**record, "time": format_time(record["time"])} for record in self.worst()],
        }


LATEST_COLUMNS = ("entity", "profile", "day until", "mean score", "anomalous", "shifted (index, usual)")


def latest_rows(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """A line of a table for each record, its features by how far they shifted."""
    for record in records:
        index = {one["feature"]: one for one in record["psi"]}
        named = [index[name] for name in record["shifted"]]
        told = ", ".join(f"{one['feature']} ({one['psi']:.2f}, {one['usual']:.2f})" for one in named[:_MOST_NAMED])
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        score, alarms = f"{record['score_mean']:.3f}", f"{record['alarm_rate']:.2%}"
        yield record["entity"], record["profile"], format_time(record["time"])[:16], score, alarms, told + more


def _beyond(record: Mapping[str, Any]) -> float:
    """How far the index of any feature lies above what training's own days had."""
    return max(float(one["psi"] - one["usual"]) for one in record["psi"])
