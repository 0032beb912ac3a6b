"""What the formats that speak of machines share: points with tags, a fault for each record that gave nothing."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, GAUGE, Events, Fault
from schemas.faults import INVALID, Unreadable, shown
from schemas.limits import DEFAULT_LIMITS
from workers.intake.event_rows import Distribution, EventRows, Metric, Naming, labelled
from workers.intake.machines import Machines
from workers.intake.remembered import Remembered
from workers.intake.template import Template

_NAMING_TAGS = frozenset({"host", "service", "env", "namespace"})
"""Tags that say whose metric it is; all others tell metrics of one name apart."""

_LONGEST_STEP = 60_000_000
_MOST_NAMES = 100_000
_NOTHING = r"(?!)"


class Point(NamedTuple):
    """Metrics of one moment and machine. `time` in epoch microseconds; `interval_ms` between readings, 0 if unknown."""

    time: int
    tags: Mapping[str, str]
    metrics: list[Metric]
    measurement: str = ""
    interval_ms: int = 0
    distributions: Sequence[Distribution] = ()


class _Whose(NamedTuple):
    """What one event of a record says: when, of what kind, of which machine and part of it."""

    time: int
    kind: str
    part: str
    attributes: tuple[tuple[str, str], ...]


class Names:
    """Whether a name fits any of these patterns (`*` and `?`). Remembers its answers, boundedly: names come again."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._match = re.compile("|".join(translate(pattern) for pattern in patterns) or _NOTHING).match
        self._known: Remembered[str, bool] = Remembered(_MOST_NAMES)

    def __call__(self, name: str) -> bool:
        return self._known.or_made(name, self._fits)

    def _fits(self, name: str) -> bool:
        return self._match(name) is not None


class PointFormat(ABC):
    """A `Format` whose records hold points. Points of one record with the same time and machine become one event of
    kind `host`, with what are base metrics of that profile, and one of kind `metric`, with all others."""

    name: str
    marks: tuple[bytes, ...]

    def __init__(self, template: Template, machines: Machines, counters: Sequence[str] = ()) -> None:
        """`counters` are patterns of names, without labels, that count up though the record does not say so:
        `counts` tells whether a name is one of them."""
        self._naming = Naming(template)
        self._machines = machines
        self._tags = _NAMING_TAGS | set(template.fields)
        self.counts = Names(counters)

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
        """A record whose points hold no number (all texts, or not read this time) is in order, and gives nothing."""
        gathered: dict[_Whose, list[Metric]] = {}
        distributions: dict[_Whose, list[Distribution]] = {}
        for point in self.points(value, arrived):
            naming = self._machines.owner_tags(point.measurement, (name for name, _, _ in point.metrics), point.tags)
            whose = self._attributes(point, naming)
            labels = {tag: text for tag, text in point.tags.items() if tag not in self._tags and tag not in naming}
            for name, number, code in point.metrics:
                base = self._machines.base(name, number, code, labels)
                if base is None:
                    metric = (labelled(name, labels), number, self._type(name, code))
                    gathered.setdefault(_Whose(point.time, "metric", "", whose), []).append(metric)
                else:
                    metric = (base.name, base.value, base.type)
                    gathered.setdefault(_Whose(point.time, "host", base.part, whose), []).append(metric)
            for base in self._machines.of_two(point.metrics, labels):
                metric = (base.name, base.value, base.type)
                gathered.setdefault(_Whose(point.time, "host", base.part, whose), []).append(metric)
            if point.distributions:
                named = [one._replace(name=labelled(one.name, labels)) for one in point.distributions]
                moment = _Whose(point.time, "metric", "", whose)
                distributions.setdefault(moment, []).extend(named)
                gathered.setdefault(moment, [])
        for moment, metrics in gathered.items():
            time, kind, part, known = moment
            attributes = dict(known)
            entity = self._naming.entity(attributes)
            if entity is None:
                raise Unreadable(INVALID, f"no entity: the tags need {self._naming.needs}")
            of = f"{entity}/{part}" if part else entity
            n, spread = len(metrics), distributions.get(moment, [])
            for start in range(0, n + len(spread), DEFAULT_LIMITS.metrics):
                stop = start + DEFAULT_LIMITS.metrics
                some = spread[max(start - n, 0) : max(stop - n, 0)]
                rows.add(record, time, of, kind, attributes, metrics[start:stop], some)

    def _attributes(self, point: Point, naming: Sequence[str]) -> tuple[tuple[str, str], ...]:
        found = {tag: text for tag, text in point.tags.items() if tag in self._tags}
        owner = self._machines.owner(naming, point.tags)
        if owner is not None:
            if found.get("host") not in (None, "", owner):
                found["agent"] = found["host"]
            found["host"] = owner
        if point.interval_ms:
            found["interval_ms"] = str(point.interval_ms)
        return tuple(sorted(found.items()))

    def _type(self, name: str, type_code: int) -> int:
        return COUNTER if type_code == GAUGE and self.counts(name) else type_code


def put_off(time: int, interval: int) -> int:
    """`time` at the next whole interval (microseconds; 0: none is known), of more than a minute at the next whole
    minute: so that what an agent reads in one go, and sends in pieces, is one sample."""
    step = min(interval, _LONGEST_STEP) or 1
    return -(-time // step) * step


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
