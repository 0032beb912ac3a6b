"""Whose telemetry a resource's is: entities and attributes, worked out once for each distinct resource."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.faults import INVALID, Unreadable
from workers.intake.otlp.mapping import OtlpMapping
from workers.intake.otlp.values import attributes
from workers.intake.remembered import Remembered
from workers.intake.template import parse_template

_MOST_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Resource:
    """`entity` owns spans and logs, `of_metrics` metrics; `host` is the machine, empty where none is named.

    `fault` says why there is no entity, or why the resource cannot be read: error class and message.
    """

    entity: str
    of_metrics: str
    host: str
    attributes: dict[str, str]
    fault: tuple[str, str] | None = None


class Resources:
    """A cache of resources by their bytes."""

    def __init__(self, mapping: OtlpMapping, entity: str) -> None:
        self._mapping = mapping
        self._template = parse_template(mapping.entity.service or entity)
        self._metrics = parse_template(mapping.entity.metrics)
        self._otherwise = [parse_template(text) for text in mapping.entity.otherwise]
        self._kept: Remembered[bytes, Resource] = Remembered(_MOST_KEPT)

    def of(self, data: bytes) -> Resource:
        """The resource of a `Resource` message."""
        found = self._kept.get(data)
        if found is None:
            try:
                found = self._read(attributes(data, 1))
            except Unreadable as error:
                found = Resource("", "", "", {}, (error.error_class, f"the resource: {error.message}"))
            self._kept.keep(data, found, len(data))
        return found

    def _read(self, said: dict[str, str]) -> Resource:
        named = {
            name: text
            for name, keys in self._mapping.attributes.items()
            if (text := next((said[key] for key in keys if key in said), ""))
        }
        entity = self._template.render([named.get(field) for field in self._template.fields])
        if entity is None:
            names = (one.render([said.get(field) for field in one.fields]) for one in self._otherwise)
            entity = next((name for name in names if name is not None), None)
            if entity is None:
                return Resource("", "", "", named, (INVALID, self._missing(said)))
            return Resource(entity, entity, named.get("host", ""), named)
        known = {**named, "entity": entity}
        of_metrics = self._metrics.render([known.get(field) for field in self._metrics.fields]) or entity
        return Resource(entity, of_metrics, named.get("host", ""), named)

    def _missing(self, said: dict[str, str]) -> str:
        names = [name for name in self._template.required if name not in said]
        keys = [key for name in names for key in self._mapping.attributes.get(name, ())]
        wanted = ", ".join([*keys, *dict.fromkeys(field for one in self._otherwise for field in one.required)])
        there = ", ".join(sorted(said)[:10]) or "nothing"
        return (
            f"no entity: the resource has {there}, and needs one of {wanted}; set service.name in the SDK, or "
            "let the Collector's processor resourcedetection add host.name"
        )
