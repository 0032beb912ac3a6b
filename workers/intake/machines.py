"""Which metrics of agents are base metrics of the profile `host`, and whose they are: a small YAML file, checked when
it is read."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.columns import COUNTER, DELTA, GAUGE
from workers.intake.label_rules import LabelRule
from workers.intake.mapping import MetricType
from workers.intake.mapping_files import read_mapping

_TYPES = {"gauge": GAUGE, "counter": COUNTER, "delta": DELTA}

_MOST_NAMES = 100_000
"""Names of metrics whose rules are remembered: a producer with endless names must not fill the memory."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OwnerRule(_Part):
    """Tags that name the machine, in the measurements `from`."""

    measurements: tuple[str, ...] = Field(("*",), alias="from", min_length=1)
    tags: tuple[str, ...] = Field(min_length=1)


class HostRule(LabelRule):
    """One base metric, and the metrics that it is, their names by patterns; see machines.yaml."""

    scale: float = 1.0
    offset: float = 0.0
    type: MetricType | None = None
    part: tuple[str, ...] = ()


class MachineMapping(_Part):
    """What a file may say; the built-in one says all of it."""

    owner: tuple[OwnerRule, ...]
    host: tuple[HostRule, ...]


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
        self.owner_tags = frozenset(tag for rule in mapping.owner for tag in rule.tags)
        self._rules: dict[str, tuple[HostRule, ...]] = {}

    def owner(self, measurement: str, tags: Mapping[str, str]) -> str | None:
        """The machine that was asked, where its name is among the tags; None: the tag `host` says it."""
        if self.owner_tags.isdisjoint(tags):
            return None
        for rule in self._mapping.owner:
            if any(fnmatchcase(measurement, pattern) for pattern in rule.measurements):
                for tag in rule.tags:
                    if tags.get(tag):
                        return tags[tag]
        return None

    def base(self, name: str, value: float, kind: int, labels: Mapping[str, str]) -> Base | None:
        """What a metric is as a base metric; None if no rule takes it, or its part has no name."""
        rules = self._rules.get(name)
        if rules is None:
            if len(self._rules) >= _MOST_NAMES:
                self._rules.clear()
            rules = tuple(rule for rule in self._mapping.host if fnmatchcase(name, rule.source))
            self._rules[name] = rules
        for rule in rules:
            if rule.takes(labels):
                part = next((labels[label] for label in rule.part if labels.get(label)), "")
                if rule.part and not part:
                    return None
                return Base(rule.name, value * rule.scale + rule.offset, _TYPES.get(rule.type or "", kind), part)
        return None


def load_machines(path: str) -> MachineMapping:
    """The built-in mapping, its sections replaced by those of that file, if one is named. Raises MappingError."""
    return read_mapping(
        MachineMapping, path, "mapping of machines", "machines.yaml", "FAULTLINE_INTAKE__MACHINES", True
    )
