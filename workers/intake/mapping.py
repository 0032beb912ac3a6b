"""What the fields of plain JSON mean: a small YAML file, checked when it is read."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

KINDS = ("api", "log", "span", "host", "metric")
UNITS = ("auto", "rfc3339", "s", "ms", "us", "ns")

Kind = Literal["api", "log", "span", "host", "metric"]
MetricType = Literal["gauge", "counter", "delta", "rate"]


class MappingError(ValueError):
    """The mapping cannot be used; the message names the file, the field and the fix."""


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
    """How plain JSON becomes events. `entity` overrides the setting of that name."""

    timestamp: TimestampRule
    kind: KindRule = KindRule()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    metrics: tuple[MetricRule, ...] = ()
    patterns: tuple[PatternRule, ...] = ()
    entity: str = ""


def load_mapping(path: str) -> Mapping:
    """The mapping in that file, or the built-in one where `path` is empty. Raises MappingError."""
    name = path or "built-in mapping"
    try:
        text = Path(path).read_text("utf-8") if path else _built_in()
        return Mapping.model_validate(yaml.safe_load(text))
    except OSError as error:
        raise MappingError(
            f"the mapping {name} cannot be read ({error.strerror}); set FAULTLINE_INTAKE__MAPPING to a YAML file"
        ) from None
    except yaml.YAMLError as error:
        raise MappingError(f"the mapping {name} is not YAML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise MappingError(f"the mapping {name} is wrong: {problems}") from None


def _built_in() -> str:
    return resources.files("workers.intake").joinpath("mapping.yaml").read_text("utf-8")
