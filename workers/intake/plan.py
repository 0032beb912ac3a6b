"""What a mapping means for records of one set of keys: which fields can be there, in the order in which they count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import Any, NamedTuple

from schemas.columns import COUNTER, DELTA, GAUGE, RATE
from workers.intake.mapping import Mapping, PatternRule

_TYPES = {"gauge": GAUGE, "counter": COUNTER, "delta": DELTA, "rate": RATE}


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


def first_steps(mapping: Mapping) -> frozenset[str]:
    """The top-level keys at which the mapping's paths begin."""
    paths = [*mapping.timestamp.paths, *mapping.kind.paths]
    paths += [path for found in mapping.attributes.values() for path in found]
    paths += [path for rule in mapping.metrics for path in rule.paths]
    return frozenset(step for path in paths for step in (path, path.partition(".")[0])) | frozenset(mapping.below)


def known_keys(keys: Iterable[str], steps: frozenset[str], patterns: Sequence[PatternRule]) -> tuple[str, ...]:
    """Those of a record's top-level keys that a mapping with such first steps and patterns looks at, sorted."""
    globs = [rule.match for rule in patterns]
    return tuple(sorted(key for key in keys if key in steps or any(fnmatchcase(key, glob) for glob in globs)))


def make_plan(mapping: Mapping, keys: Collection[str]) -> Plan:
    """Follow the mapping's paths into records with these top-level keys."""
    below = [key for key in mapping.below if key in keys]
    metrics: dict[str, list[Place]] = {}
    for rule in mapping.metrics:
        metrics.setdefault(rule.name, []).extend(_places(rule.paths, keys, below, rule.scale, _TYPES[rule.type]))
    attributes = ((name, _places(paths, keys, below)) for name, paths in mapping.attributes.items())
    taken = {place.key for places in metrics.values() for place in places}
    loose = (_match(key, mapping.patterns) for key in keys if key not in taken)
    return Plan(
        time=_places(mapping.timestamp.paths, keys, below),
        kind=_places(mapping.kind.paths, keys, below),
        attributes=tuple((name, places) for name, places in attributes if places),
        metrics=tuple((name, tuple(places)) for name, places in metrics.items() if places),
        patterns=tuple(one for one in loose if one is not None),
    )


def column(rows: list[dict[str, Any]], places: Places) -> list[Any]:
    """One value a row: the first that is there and is neither null, an object nor a list; else None."""
    if not places:
        return [None] * len(rows)
    values = _first_column(rows, places[0])
    if len(places) > 1 and None in values:
        rest = places[1:]
        return [find(row, rest)[0] if value is None else value for row, value in zip(rows, values, strict=True)]
    return values


def _first_column(rows: list[dict[str, Any]], place: Place) -> list[Any]:
    values = list(map(itemgetter(place.key), rows))
    for key in place.below:
        values = [value.get(key) if type(value) is dict else None for value in values]
    if {dict, list}.isdisjoint(map(type, values)):
        return values
    return [None if type(value) is dict or type(value) is list else value for value in values]


def find(row: dict[str, Any], places: Places) -> tuple[Any, Place | None]:
    """The value as in `column`, and where it was."""
    for place in places:
        value = row[place.key]
        for key in place.below:
            value = value.get(key) if type(value) is dict else None
        if value is not None and type(value) is not dict and type(value) is not list:
            return value, place
    return None, None


def _places(
    paths: Sequence[str], keys: Collection[str], objects: Iterable[str], scale: float = 1.0, type_code: int = GAUGE
) -> Places:
    """In the record itself, then in each of these `objects` of it."""
    found = []
    for path in paths:
        first, *below = path.split(".")
        if path in keys:
            found.append(Place(path, (), scale, type_code))
        if below and first in keys:
            found.append(Place(first, tuple(below), scale, type_code))
    for key in objects:
        for path in paths:
            found.append(Place(key, (path,), scale, type_code))
            if "." in path:
                found.append(Place(key, tuple(path.split(".")), scale, type_code))
    return tuple(found)


def _match(key: str, patterns: Iterable[PatternRule]) -> tuple[str, Places] | None:
    for rule in patterns:
        if fnmatchcase(key, rule.match):
            return key + rule.suffix, (Place(key, (), rule.scale, _TYPES[rule.type]),)
    return None
