"""What the formats that speak of machines share: points with tags, a fault for each record that gave nothing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, GAUGE, Events, Fault
from schemas.faults import INVALID, Unreadable, shown
from workers.intake.event_rows import EventRows, Metric, Naming, labelled
from workers.intake.template import Template

_NAMING_TAGS = frozenset({"host", "service", "env", "namespace"})
"""Tags that say whose metric it is; all others tell metrics of one name apart."""


class Point(NamedTuple):
    """Metrics of one moment and machine. `time` in epoch microseconds."""

    time: int
    tags: Mapping[str, str]
    metrics: list[Metric]


class PointFormat(ABC):
    """A `Format` whose records hold points. Points of one record with the same time and machine become one event."""

    name: str
    marks: tuple[bytes, ...]

    def __init__(self, template: Template, counters: Sequence[str] = ()) -> None:
        """`counters` are patterns of names, without labels, that count up though the record does not say so."""
        self._naming = Naming(template)
        self._tags = _NAMING_TAGS | set(template.fields)
        self._counters = tuple(counters)

    @abstractmethod
    def claims(self, value: bytes) -> bool: ...

    @abstractmethod
    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        """The points of a record; raises `Unreadable` for one that cannot be understood."""

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        rows, faults = EventRows(), []
        for record, (value, at) in enumerate(zip(values, arrived.tolist(), strict=True)):
            size = len(rows)
            try:
                self._add(rows, record, value, at)
            except Unreadable as error:
                rows.drop(size)
                faults.append(Fault(record, error.error_class, error.message))
        return rows.events(), faults

    def _add(self, rows: EventRows, record: int, value: bytes, arrived: int) -> None:
        gathered: dict[tuple[int, tuple[tuple[str, str], ...]], list[Metric]] = {}
        for point in self.points(value, arrived):
            whose = {tag: text for tag, text in point.tags.items() if tag in self._tags}
            labels = {tag: text for tag, text in point.tags.items() if tag not in self._tags}
            metrics = [(labelled(name, labels), value, self._type(name, code)) for name, value, code in point.metrics]
            gathered.setdefault((point.time, tuple(sorted(whose.items()))), []).extend(metrics)
        if not any(gathered.values()):
            raise Unreadable(INVALID, "the record holds no number that could be a metric")
        for (time, whose_tags), metrics in gathered.items():
            attributes = dict(whose_tags)
            entity = self._naming.entity(attributes)
            if entity is None:
                raise Unreadable(INVALID, f"no entity: the tags need {self._naming.needs}")
            for part in range(0, len(metrics), _MOST_METRICS):
                rows.add(record, time, entity, "metric", attributes, metrics[part : part + _MOST_METRICS])

    def _type(self, name: str, type_code: int) -> int:
        if type_code == GAUGE and any(fnmatchcase(name, pattern) for pattern in self._counters):
            return COUNTER
        return type_code


_MOST_METRICS = 256
"""As many as one event may hold; more of one moment become further events of it."""


def number(name: str, value: object) -> float | None:
    """A metric's value; None for text. Truth values are 1 and 0. Raises `Unreadable` for what is not finite."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise Unreadable(INVALID, f"metric {shown(name)} is {value}: send a finite number")
    return found
