"""Which metrics of agents are base metrics of the profile `host`, and whose they are: a small YAML file, checked when
it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isfinite
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.columns import COUNTER, DELTA, GAUGE
from workers.intake.event_rows import Metric
from workers.intake.mapping import MetricType
from workers.intake.mapping_files import read_mapping
from workers.intake.remembered import Remembered
from workers.intake.rule_labels import all_fit, any_fits

_TYPES = {"gauge": GAUGE, "counter": COUNTER, "delta": DELTA}

_MOST_NAMES = 100_000
"""Names whose rules are remembered."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OwnerRule(_Part):
    """Tags that name the machine, in the measurements `from`, and in those with a metric of a name in `metrics`."""

    measurements: tuple[str, ...] = Field(("*",), alias="from")
    metrics: tuple[str, ...] = ()
    tags: tuple[str, ...] = Field(min_length=1)


class HostRule(_Part):
    """One base metric, and the metrics that it is; see machines.yaml. `over` and `times`: patterns of a second metric
    of the same point, by which the number is divided or multiplied first.
    """

    source: str = Field(alias="from", min_length=1)
    name: str = Field(min_length=1)
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = Field(default_factory=dict, alias="except")
    scale: float = 1.0
    offset: float = 0.0
    type: MetricType | None = None
    part: tuple[str, ...] = ()
    over: str = ""
    times: str = ""

    @property
    def of_two(self) -> bool:
        return bool(self.over or self.times)

    def part_of(self, labels: Mapping[str, str]) -> str | None:
        """The part of the machine, empty for all of it; None where the part has no name."""
        part = next((labels[label] for label in self.part if labels.get(label)), "")
        return part if part or not self.part else None

    def number(self, value: float, metrics: Iterable[Metric]) -> float | None:
        """Of a rule of two: what comes out, or None where the second is missing, or a zero to divide by."""
        for pattern, divides in ((self.over, True), (self.times, False)):
            if pattern:
                second = next((number for name, number, _ in metrics if fnmatchcase(name, pattern)), None)
                if second is None or (divides and not second):
                    return None
                value = value / second if divides else value * second
        found = value * self.scale + self.offset
        return found if isfinite(found) else None

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether a metric with these labels is meant."""
        return all_fit(self.where, labels) and not any_fits(self.without, labels)


class MachineMapping(_Part):
    """What a file may say; the built-in one says all of it."""

    owner: tuple[OwnerRule, ...]
    host: tuple[HostRule, ...]
    counters: tuple[str, ...] = ()


class Base(NamedTuple):
    """A base metric. `part`: of the machine; empty if it is of the whole machine."""

    name: str
    value: float
    type: int
    part: str


class Machines:
    """A mapping at work. Remembers which rules a name can meet."""

    def __init__(self, mapping: MachineMapping) -> None:
        self._mapping = mapping
        self._rules: Remembered[str, tuple[HostRule, ...]] = Remembered(_MOST_NAMES)
        self._of_two: Remembered[str, tuple[tuple[int, HostRule], ...]] = Remembered(_MOST_NAMES)
        self._by_measurement: Remembered[str, tuple[str, ...]] = Remembered(_MOST_NAMES)
        self._by_metric: Remembered[str, tuple[str, ...]] = Remembered(_MOST_NAMES)
        self._asked = frozenset(tag for rule in mapping.owner if rule.metrics for tag in rule.tags)

    def owner_tags(self, measurement: str, names: Iterable[str], tags: Mapping[str, str]) -> tuple[str, ...]:
        """The tags that name the machine in this measurement with these metrics, the one that counts first. In others
        they are labels."""
        found = self._by_measurement.or_made(measurement, self._tags_of_measurement)
        if self._asked.isdisjoint(tags) or not self._asked.isdisjoint(found):
            return found
        return found + next(
            (also for name in names if (also := self._by_metric.or_made(name, self._tags_of_metric))), ()
        )

    def owner(self, owner_tags: Sequence[str], tags: Mapping[str, str]) -> str | None:
        """The machine that was asked, where its name is among the tags; None: the tag `host` says it."""
        return next((tags[tag] for tag in owner_tags if tags.get(tag)), None)

    def _tags_of_measurement(self, measurement: str) -> tuple[str, ...]:
        return tuple(tag for rule in self._mapping.owner if _fits(measurement, rule.measurements) for tag in rule.tags)

    def _tags_of_metric(self, name: str) -> tuple[str, ...]:
        return tuple(tag for rule in self._mapping.owner if _fits(name, rule.metrics) for tag in rule.tags)

    def base(self, name: str, value: float, kind: int, labels: Mapping[str, str]) -> Base | None:
        """What a metric is as a base metric; None if no rule takes it, or its part has no name."""
        for rule in self._rules.or_made(name, self._rules_of):
            if rule.takes(labels):
                part = rule.part_of(labels)
                if part is None:
                    return None
                return Base(rule.name, value * rule.scale + rule.offset, _TYPES.get(rule.type or "", kind), part)
        return None

    def of_two(self, metrics: Sequence[Metric], labels: Mapping[str, str]) -> list[Base]:
        """What a point's metrics come to two by two, beside what each is for itself; one for each name and part."""
        meant = [
            (place, number, rule)
            for name, number, _ in metrics
            for place, rule in self._of_two.or_made(name, self._rules_of_two)
        ]
        found: dict[tuple[str, str], Base] = {}
        for _, number, rule in sorted(meant, key=lambda one: one[0]):
            part = rule.part_of(labels) if rule.takes(labels) else None
            if part is None or (rule.name, part) in found:
                continue
            value = rule.number(number, metrics)
            if value is not None:
                found[rule.name, part] = Base(rule.name, value, GAUGE, part)
        return list(found.values())

    def _rules_of(self, name: str) -> tuple[HostRule, ...]:
        return tuple(rule for rule in self._mapping.host if not rule.of_two and fnmatchcase(name, rule.source))

    def _rules_of_two(self, name: str) -> tuple[tuple[int, HostRule], ...]:
        return tuple(
            (i, rule) for i, rule in enumerate(self._mapping.host) if rule.of_two and fnmatchcase(name, rule.source)
        )


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def load_machines(path: str) -> MachineMapping:
    """The built-in mapping, its sections replaced by those of that file, if one is named. Raises MappingError."""
    return read_mapping(
        MachineMapping, path, "mapping of machines", "machines.yaml", "FAULTLINE_INTAKE__MACHINES", True
    )
