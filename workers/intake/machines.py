"""Which metrics of agents are base metrics of the profile `host`, and whose they are: a small YAML file, checked when
it is read."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.columns import COUNTER, DELTA, GAUGE
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
    """Tags that name the machine, in the measurements `from`."""

    measurements: tuple[str, ...] = Field(("*",), alias="from", min_length=1)
    tags: tuple[str, ...] = Field(min_length=1)


class HostRule(_Part):
    """One base metric, and the metrics that it is; see machines.yaml."""

    source: str = Field(alias="from", min_length=1)
    name: str = Field(min_length=1)
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = Field(default_factory=dict, alias="except")
    scale: float = 1.0
    offset: float = 0.0
    type: MetricType | None = None
    part: tuple[str, ...] = ()

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
        self._tags: Remembered[str, tuple[str, ...]] = Remembered(_MOST_NAMES)

    def owner(self, measurement: str, tags: Mapping[str, str]) -> str | None:
        """The machine that was asked, where its name is among the tags; None: the tag `host` says it."""
        return next((tags[tag] for tag in self.owner_tags(measurement) if tags.get(tag)), None)

    def owner_tags(self, measurement: str) -> tuple[str, ...]:
        """The tags that name the machine in this measurement, the one that counts first; in others they are labels."""
        found = self._tags.get(measurement)
        if found is None:
            rules = [
                rule for rule in self._mapping.owner if any(fnmatchcase(measurement, p) for p in rule.measurements)
            ]
            found = tuple(tag for rule in rules for tag in rule.tags)
            self._tags.keep(measurement, found, len(measurement))
        return found

    def base(self, name: str, value: float, kind: int, labels: Mapping[str, str]) -> Base | None:
        """What a metric is as a base metric; None if no rule takes it, or its part has no name."""
        for rule in self._rules_of(name):
            if rule.takes(labels):
                part = next((labels[label] for label in rule.part if labels.get(label)), "")
                if rule.part and not part:
                    return None
                return Base(rule.name, value * rule.scale + rule.offset, _TYPES.get(rule.type or "", kind), part)
        return None

    def _rules_of(self, name: str) -> tuple[HostRule, ...]:
        found = self._rules.get(name)
        if found is None:
            found = tuple(rule for rule in self._mapping.host if fnmatchcase(name, rule.source))
            self._rules.keep(name, found, len(name))
        return found


def load_machines(path: str) -> MachineMapping:
    """The built-in mapping, its sections replaced by those of that file, if one is named. Raises MappingError."""
    return read_mapping(
        MachineMapping, path, "mapping of machines", "machines.yaml", "FAULTLINE_INTAKE__MACHINES", True
    )
