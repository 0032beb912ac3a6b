"""How OTLP becomes events: a small YAML file, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from workers.intake.mapping_files import read_mapping
from workers.intake.rule_labels import all_fit, any_fits

SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SPAN_KINDS: tuple[SpanKind, ...] = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""By their numbers in OTLP."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntityRule(_Part):
    service: str = ""
    metrics: str = "{entity}[/{instance}]"
    otherwise: tuple[str, ...] = ()


class SpanRule(_Part):
    kinds: tuple[SpanKind, ...] = ("server", "consumer")
    roots: bool = True


class MetricRule(_Part):
    together_ms: int = Field(1000, ge=0)
    labels_left_out: tuple[str, ...] = ()
    units: dict[str, str] = Field(default_factory=dict)
    ratio: str = "ratio"


class HostRule(_Part):
    """One base metric of the profile `host`: which points it is made of, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(min_length=1)
    source: str = Field(min_length=1, alias="from")
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = Field(default_factory=dict, alias="except")
    among: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    how: Literal["sum", "share"] = "sum"
    by: str = ""
    take: Literal["sum", "max", "mean", "std"] = "sum"
    per_second: bool = False

    def counts(self, labels: Mapping[str, str]) -> bool:
        """Whether a point with these labels is one of those that are summed."""
        return all_fit(self.where, labels) and not any_fits(self.without, labels)

    def is_among(self, labels: Mapping[str, str]) -> bool:
        """Whether it is one of those that a share is taken of."""
        return all_fit(self.among, labels)


class OtlpMapping(_Part):
    """What a file may say; the built-in one says all of it."""

    attributes: dict[str, tuple[str, ...]]
    entity: EntityRule
    spans: SpanRule
    metrics: MetricRule
    host: tuple[HostRule, ...]


def load_otlp_mapping(path: str) -> OtlpMapping:
    """The built-in mapping, its sections replaced by those of that file, if one is named. Raises MappingError."""
    return read_mapping(OtlpMapping, path, "OTLP mapping", "otlp/otlp.yaml", "FAULTLINE_INTAKE__OTLP", True)
