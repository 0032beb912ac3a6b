"""What a mapping means for records of one set of keys: which fields can be there, in the order in which they count."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from schemas.columns import COUNTER, DELTA, GAUGE
from workers.intake.mapping import Mapping, PatternRule

_TYPES = {"gauge": GAUGE, "counter": COUNTER, "delta": DELTA}


class Place(NamedTuple):
    """Where a value may be: a top-level key, and the keys below it. `scale` and `type` are a metric's."""

    key: str
    below: tuple[str, ...]
    scale: float = 1.0
    type: int = GAUGE


Places = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Attributes and metrics by name, each with the places to look at; `patterns` are top-level fields by pattern."""

    time: Places
    kind: Places
    attributes: tuple[tuple[str, Places], ...]
    metrics: tuple[tuple[str, Places], ...]
    patterns: tuple[tuple[str, Places], ...]


def make_plan(mapping: Mapping, keys: Collection[str]) -> Plan:
    """Follow the mapping's paths into records with these top-level keys."""
    metrics: dict[str, list[Place]] = {}
    for rule in mapping.metrics:
        metrics.setdefault(rule.name, []).extend(_places(rule.paths, keys, rule.scale, _TYPES[rule.type]))
    attributes = ((name, _places(paths, keys)) for name, paths in mapping.attributes.items())
    taken = {place.key for places in metrics.values() for place in places}
    loose = (_match(key, mapping.patterns) for key in keys if key not in taken)
    return Plan(
        time=_places(mapping.timestamp.paths, keys),
        kind=_places(mapping.kind.paths, keys),
        attributes=tuple((name, places) for name, places in attributes if places),
        metrics=tuple((name, tuple(places)) for name, places in metrics.items() if places),
        patterns=tuple(one for one in loose if one is not None),
    )


def column(rows: list[dict[str, Any]], places: Places) -> list[Any]:
    """One value a row: the first that is there and is neither null, an object nor a list; else None."""
    if len(places) == 1 and not places[0].below:
        key = places[0].key
        return [None if type(value := row[key]) is dict or type(value) is list else value for row in rows]
    return [find(row, places)[0] for row in rows]


def find(row: dict[str, Any], places: Places) -> tuple[Any, Place | None]:
    """The value as in `column`, and where it was."""
    for place in places:
        value = row[place.key]
        for key in place.below:
            value = value.get(key) if type(value) is dict else None
        if value is not None and type(value) is not dict and type(value) is not list:
            return value, place
    return None, None


def _places(paths: Iterable[str], keys: Collection[str], scale: float = 1.0, type_code: int = GAUGE) -> Places:
    found = []
    for path in paths:
        first, *below = path.split(".")
        if path in keys:
            found.append(Place(path, (), scale, type_code))
        if below and first in keys:
            found.append(Place(first, tuple(below), scale, type_code))
    return tuple(found)


def _match(key: str, patterns: Iterable[PatternRule]) -> tuple[str, Places] | None:
    for rule in patterns:
        if fnmatchcase(key, rule.match):
            return key + rule.suffix, (Place(key, (), rule.scale, _TYPES[rule.type]),)
    return None
