"""Which entities belong together: by who calls whom where that is known, by label else, and within these by time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import orjson

from workers.runtime.errors import Fatal
from workers.settings import GroupsSettings

Call = tuple[str, str]
"""Caller and callee."""


class Links:
    """What is known of entities: calls between them, by exact names, and labels, by the first pattern that fits."""

    def __init__(self, calls: Iterable[Call] = (), labels: Mapping[str, str] | None = None, hops: int = 2) -> None:
        self.calls = frozenset(calls)
        self._labels = dict(labels or {})
        self._hops = hops
        self._neighbours: dict[str, set[str]] = {}
        for caller, callee in self.calls:
            self._neighbours.setdefault(caller, set()).add(callee)
            self._neighbours.setdefault(callee, set()).add(caller)
        self.near = lru_cache(maxsize=10_000)(self._near)
        self.label = lru_cache(maxsize=100_000)(self._label)

    def known(self, entity: str) -> bool:
        """Whether the calls of this entity are known."""
        return entity in self._neighbours

    def _near(self, entity: str) -> frozenset[str]:
        """All entities at most so many calls away, in either direction, itself included."""
        found = edge = {entity}
        for _ in range(self._hops):
            edge = set().union(*(self._neighbours.get(one, set()) for one in edge)) - found
            found = found | edge
        return frozenset(found)

    def _label(self, entity: str) -> str | None:
        """The name of the first label whose pattern fits; None of no label's."""
        return next((name for name, pattern in self._labels.items() if fnmatchcase(entity, pattern)), None)


def links_of(settings: GroupsSettings) -> Links:
    """What the settings say of entities. Raises Fatal for a file of calls that cannot be read."""
    return Links(read_calls(settings.calls), settings.labels, settings.hops)


def read_calls(path: str) -> list[Call]:
    """Calls from a CSV file with the columns caller and callee, or from a JSON list of objects with these fields.

    An empty path gives none. Raises Fatal for a file that is neither.
    """
    if not path:
        return []
    file = Path(path)
    try:
        if file.suffix.lower() == ".json":
            rows = orjson.loads(file.read_bytes())
        else:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                rows = list(csv.DictReader(lines))
        return [(_name(row, "caller"), _name(row, "callee")) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise Fatal(
            f"groups.calls: {path} has no calls that can be read ({what})",
            "Give a CSV file with the columns caller and callee, or a JSON list of objects with these fields",
        ) from error


def _name(row: Mapping[str, object], field: str) -> str:
    name = row[field]
    if not isinstance(name, str) or not name:
        raise ValueError(f"{field} is {name!r}, not the name of an entity")
    return name
