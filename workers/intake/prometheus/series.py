"""What the labels of a Prometheus series mean: whose it is, what the metric is called, and whether it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from schemas.columns import COUNTER, GAUGE
from schemas.faults import MALFORMED, Unreadable
from schemas.limits import DEFAULT_LIMITS
from workers.intake.event_rows import labelled
from workers.intake.protobuf_fields import LENGTH, fields
from workers.intake.template import Template

NO_NAME, NO_ENTITY, TOO_LONG = "without_name", "without_entity", "too_long"
"""Why a series is left out."""

_ATTRIBUTES = {"job": "service", "instance": "instance", "environment": "env"}
"""Labels that are attributes under a name of the vocabulary."""

_WHOSE = frozenset({"host", "service", "env", "namespace", "cluster", *_ATTRIBUTES})
"""Labels that are attributes, as are those of the entity template."""

_NAME = "__name__"
_LABELS = 1
"""The field of a series that is a label each."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An entity and the attributes of its events."""

    entity: str
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """`owner` and `name` of a metric, its name with what is put behind it for a histogram, and its type.

    `left_out`: why its points cannot be taken; empty where they can.
    """

    owner: Owner
    name: str
    labels: str
    type: int
    left_out: str = ""

    def called(self, suffix: str) -> str:
        return self.name + suffix + self.labels


class Meaning:
    """The rules: a template of the entity over labels, and the patterns of names that count."""

    def __init__(self, entity: Template, counters: Sequence[str]) -> None:
        self._entity = entity
        self._counters = tuple(counters)
        self._whose = _WHOSE | set(entity.fields)

    @property
    def needs(self) -> str:
        return f"{' and '.join(self._entity.required) or 'a label of the entity template'}, or instance"

    def series(self, encoded: bytes) -> Series:
        """What labels mean, as they stand in a request. Raises `Unreadable`."""
        labels = dict(_labels(encoded))
        name = labels.pop(_NAME, "")
        values = [labels.get(field) for field in self._entity.fields]
        entity = self._entity.render(values)
        # All labels tell series apart: one that is not part of the entity has to be part of the name.
        in_entity = {"instance"} if entity is None else self._entity.shown(values)
        entity = entity or labels.get("instance", "")
        whose = {_ATTRIBUTES.get(label, label): text for label, text in labels.items() if label in self._whose and text}
        marks = labelled("", {label: text for label, text in labels.items() if label not in in_entity})
        counts = any(fnmatchcase(name, pattern) for pattern in self._counters)
        why = NO_NAME if not name else NO_ENTITY if not entity else ""
        longest = max((len(name) + len(marks)) * 4, len(entity) * 4)
        if longest > DEFAULT_LIMITS.name and _too_long(name + "_count" + marks, entity, whose):
            why = TOO_LONG
        return Series(Owner(entity, tuple(sorted(whose.items()))), name, marks, COUNTER if counts else GAUGE, why)


def _too_long(name: str, entity: str, whose: dict[str, str]) -> bool:
    return len(name.encode()) > DEFAULT_LIMITS.name or len(entity.encode()) > DEFAULT_LIMITS.entity


def _labels(data: bytes) -> Iterator[tuple[str, str]]:
    """Names and values of the labels among the fields of a series, in their order."""
    for number, wire, value in fields(data, "a label"):
        if number == _LABELS and wire == LENGTH:
            yield _label(value)


def _label(data: bytes) -> tuple[str, str]:
    texts = {1: b"", 2: b""}
    for number, wire, value in fields(data, "a label"):
        if number not in texts or wire != LENGTH:
            raise Unreadable(MALFORMED, "a label that is no pair of name and value")
        texts[number] = value
    try:
        return texts[1].decode(), texts[2].decode()
    except UnicodeDecodeError as error:
        raise Unreadable(MALFORMED, "a label is not UTF-8") from error
