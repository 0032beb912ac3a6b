"""What the fields of plain JSON mean: a small YAML file, checked when it is read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from workers.intake.mapping_files import read_mapping

KINDS = ("api", "log", "span", "host", "metric")
UNITS = ("auto", "rfc3339", "s", "ms", "us", "ns")

Kind = Literal["api", "log", "span", "host", "metric"]
MetricType = Literal["gauge", "counter", "delta", "rate"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimestampRule(_Part):
    """Where the event time is. `unit` auto tells numbers apart by their size, and takes text as RFC 3339."""

    paths: tuple[str, ...] = Field(min_length=1)
    unit: str = "auto"

    @field_validator("unit")
    @classmethod
    def _is_known(cls, unit: str) -> str:
        if unit not in UNITS and "%" not in unit:
            raise ValueError(f"must be one of {', '.join(UNITS)}, or a strptime pattern such as '%d/%b/%Y:%H:%M:%S %z'")
        return unit


class KindCase(_Part):
    """`kind` for records of which any of the attributes or metrics in `has` is there."""

    kind: Kind
    has: tuple[str, ...] = Field(min_length=1)


class KindRule(_Part):
    paths: tuple[str, ...] = ()
    when: tuple[KindCase, ...] = ()
    default: Kind = "log"


class MetricRule(_Part):
    """A metric of the event: the first path that is there, times `scale`. Earlier rules of one name win."""

    name: str = Field(min_length=1)
    paths: tuple[str, ...] = Field(min_length=1)
    type: MetricType = "gauge"
    scale: float = 1.0


class PatternRule(_Part):
    """Numeric top-level fields whose name matches (`*` and `?`): a metric of that name with `suffix` behind it."""

    match: str = Field(min_length=1)
    type: MetricType = "gauge"
    scale: float = 1.0
    suffix: str = ""


class Mapping(_Part):
    """How plain JSON becomes events. `entity` overrides the setting of that name; else `entity_else` counts. `below`:
    top-level objects in which all paths are tried as well, after the record itself. `values`: of an attribute, what to
    write for a text (in lower case); any other stays as it is."""

    timestamp: TimestampRule
    below: tuple[str, ...] = ()
    kind: KindRule = KindRule()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    metrics: tuple[MetricRule, ...] = ()
    patterns: tuple[PatternRule, ...] = ()
    entity: str = ""
    entity_else: str = ""

    @field_validator("values")
    @classmethod
    def _in_lower_case(cls, values: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        return {name: {text.lower(): meant for text, meant in texts.items()} for name, texts in values.items()}


def load_mapping(path: str, setting: str = "FAULTLINE_INTAKE__MAPPING") -> Mapping:
    """The mapping in that file, or the built-in one where `path` is empty. Raises MappingError, naming the setting."""
    return read_mapping(Mapping, path, "mapping", "mapping.yaml", setting, False)
