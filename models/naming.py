"""Which metric a feature speaks of, and whether it is a value of the metric that people can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.features.host import BASE
from models.features.known import FEATURE_SETS
from models.logs.names import NEW, SAID

_CONTEXT = frozenset({"time", "sample", "panes", SAID.removesuffix("__")})
"""Not of any metric: where a vector lies in time, how much stands behind it, and which new messages it tells of."""

_MACHINE = frozenset(feature.name for feature in BASE)

_KIND = "__count"

_EVENTS, _SHARES = "events_count", ("errors_ratio", "warnings_ratio")

_DERIVED = ("_change_ratio", "_z_24h", "_std_ms")


@dataclass(frozen=True, eq=False)
class Naming:
    """Features by name, one object for each list of them.

    `group` numbers the metrics they belong to (−1: to none), `level` marks readable values.
    """

    names: tuple[str, ...]
    group: NDArray[np.int32]
    level: NDArray[np.bool_]
    groups: int
    metrics: tuple[str, ...]
    """The metrics' own names, by the number of their group."""
    service: bool
    """Whether they are of a service."""
    host: bool = False
    """Whether they are of a machine."""

    @property
    def counts(self) -> NDArray[np.bool_]:
        """(d,) which features are numbers of a service's events."""
        numbers = np.array([self.service and name.startswith(_EVENTS) for name in self.names], np.bool_)
        return numbers | self.of_kinds

    @property
    def of_kinds(self) -> NDArray[np.bool_]:
        """(d,) which features are numbers of log messages of some kind."""
        return np.array([self.service and _KIND in name for name in self.names], np.bool_)

    @property
    def behind(self) -> NDArray[np.intp]:
        """(d,) for each feature of a service the one that counts the events of its window; −1 where there is none."""
        found = np.full(len(self.names), -1, np.intp)
        windows = {name.removeprefix(_EVENTS): i for i, name in enumerate(self.names) if name.startswith(_EVENTS)}
        if self.service:
            for window in sorted(windows, key=len):
                ends = [name.endswith(window) and "__" not in name for name in self.names]
                found[ends] = windows[window]
        return found

    @property
    def shares(self) -> NDArray[np.bool_]:
        """(d,) which features are shares of the events of a service's window."""
        return np.array([name.startswith(_SHARES) for name in self.names], np.bool_) & (self.behind >= 0)

    def take(self, columns: NDArray[np.int64]) -> Naming:
        """Some of the features, of the same metrics: what a few of them are called does not tell whose they are."""
        names = tuple(self.names[column] for column in columns.tolist())
        return replace(self, names=names, group=self.group[columns], level=self.level[columns])


@lru_cache(maxsize=10_000)
def naming(names: tuple[str, ...]) -> Naming:
    """Read the feature names of a set.

    `<metric>__<statistic>` belongs to `<metric>`, which itself is the value to read. Features of a service belong to
    events, errors, latency, warnings or paths, those of its log messages to the kinds of these; changes and z scores
    are no values to read, and of a kind the number alone is.
    """
    service = _is_service(names)
    found: dict[str, int] = {}
    group = np.full(len(names), -1, np.int32)
    level = np.zeros(len(names), np.bool_)
    for i, name in enumerate(names):
        metric = name.partition("_")[0] if service and "__" not in name else name.partition("__")[0]
        if name.partition("_")[0] in _CONTEXT and (service or "__" in name):
            continue
        group[i] = found.setdefault(metric, len(found))
        level[i] = _is_level(name) if service else "__" not in name
    host = not service and _MACHINE.issubset(found)
    return Naming(names, group, level, len(found), tuple(found), service, host)


@lru_cache(maxsize=1_000)
def feature_names(feature_set: str, width: int) -> tuple[str, ...]:
    """The names of a static set by its hash; numbered ones for a set that this version does not know."""
    known = FEATURE_SETS.get(feature_set)
    if known is not None and len(known.names) == width:
        return known.names
    return tuple(f"feature_{number:03d}" for number in range(width))


def _is_level(name: str) -> bool:
    """Whether a feature of a service is a value that people can read."""
    return _KIND in name if "__" in name else not any(part in name for part in _DERIVED)


def _is_service(names: Sequence[str]) -> bool:
    """Of its requests, or of its messages: of those also where only what is learned from is left."""
    return ("events_count" in names and "events_z_24h" in names) or f"{NEW}{_KIND}" in names
