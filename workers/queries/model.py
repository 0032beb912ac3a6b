"""What a file of queries may say."""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.knowledge import Rule
from workers.queries.placeholders import placeholders, unknown_placeholders
from workers.units import UNITS

RESERVED = frozenset({"timestamp", "entity", "split", "label", "anomaly_point", "segment"})
"""Columns of training tables that are never metrics."""

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Known(_Part):
    """What is known of metrics: see the setting `metrics`."""

    direction: Literal["both", "up", "down"] | None = None
    least: float | None = Field(None, ge=0)
    least_ratio: float | None = Field(None, ge=0)
    valid: tuple[float, float] | None = None

    def rule(self, metric: str, entity: str = "*") -> Rule:
        return Rule(metric, entity, self.direction, self.least, self.least_ratio, valid=self.valid)


class Query(Known):
    """One metric of every service. `query` gives one series a service, named by the label."""

    name: str
    query: str = Field(min_length=1)
    unit: str = ""

    @field_validator("name")
    @classmethod
    def _can_be_a_metric(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: letters, digits and _, a letter first")
        return name

    @field_validator("unit")
    @classmethod
    def _is_known(cls, unit: str) -> str:
        if unit and unit not in UNITS:
            near = difflib.get_close_matches(unit, UNITS, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{unit!r} is no unit: {meant}there are {', '.join(sorted(UNITS))}")
        return unit

    @field_validator("query")
    @classmethod
    def _has_known_placeholders(cls, query: str) -> str:
        unknown = unknown_placeholders(query)
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)} would be put in by nobody: there are {{service}}, {{label}}, {{window}} and "
                "{filter} (a time such as $__rate_interval is {window})"
            )
        return " ".join(query.split())

    @model_validator(mode="after")
    def _is_no_reserved_column(self) -> Self:
        if self.metric in RESERVED:
            raise ValueError(f"name {self.metric!r} is a column of training tables that is never a metric")
        return self

    @property
    def metric(self) -> str:
        """What the metric is called in events and tables: the name with its unit."""
        return self.name if not self.unit or self.name.endswith(f"_{self.unit}") else f"{self.name}_{self.unit}"

    @property
    def by_service(self) -> bool:
        """Whether it is asked for each service by itself, not for all at once."""
        return "service" in placeholders(self.query)


class CategoryMetric(Known):
    metric: str = Field(min_length=1)


class Category(_Part):
    """Services alike in how much depends on them: patterns of their names, and what else is known of their metrics."""

    name: str = Field(min_length=1)
    services: list[str] = Field(min_length=1)
    metrics: list[CategoryMetric] = Field(default_factory=list)


class QueryFile(_Part):
    """`label` names a service in what the queries give. The first category that fits is a service's own."""

    label: str
    queries: list[Query] = Field(min_length=1)
    categories: list[Category] = Field(default_factory=list)
    otherwise: str = "standard"

    @field_validator("label")
    @classmethod
    def _is_a_label(cls, label: str) -> str:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label):
            raise ValueError(f"{label!r} is no name of a label: letters, digits and _")
        return label

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        for what, names in (
            ("queries", [one.metric for one in self.queries]),
            ("categories", [one.name for one in self.categories]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what}: {', '.join(twice)} is there more than once")
        return self

    @property
    def metrics(self) -> list[str]:
        return [one.metric for one in self.queries]

    def category(self, service: str) -> str:
        for one in self.categories:
            if any(fnmatchcase(service, pattern) for pattern in one.services):
                return one.name
        return self.otherwise

    @property
    def rules(self) -> list[Rule]:
        """What the file knows of metrics, later ones overriding earlier ones: of a category more than of a query, of
        an earlier category more than of a later one.
        """
        found = [one.rule(one.metric) for one in self.queries]
        for category in reversed(self.categories):
            found += [known.rule(known.metric, pattern) for known in category.metrics for pattern in category.services]
        return found
