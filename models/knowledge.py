"""What people know about their metrics: which deviations do not matter, whatever a model makes of them.

A rule names metrics by a pattern, and says of them what it knows; later rules override earlier ones, field by field. A
metric whose deviation does not matter counts, for that vector, as if it had not been sent: so it raises no score and is
named in no reason, and what else is wrong is judged all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.naming import Naming

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Direction = Literal["both", "up", "down"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is known of the metrics of some entities; None: nothing about it.

    `metric` and `entity` are patterns with `*`, `?` and `[…]`. The metrics of a service are `latency`, `errors`,
    `events`, `warnings` and `paths`.
    """

    metric: str
    entity: str = "*"
    direction: Direction | None = None
    """Where trouble lies: above what is expected, below, or both."""
    least: float | None = None
    """Smallest deviation from what is expected that matters, in the metric's unit."""
    least_ratio: float | None = None
    """The same as a share of what is expected."""
    least_events: int | None = None
    """Fewer events say nothing about the metric: those of a value's own window (a service), or of the vector."""
    least_count: float | None = None
    """Smallest deviation of a share of a service's events that matters, in events of the window."""
    valid: tuple[float, float] | None = None
    """Lowest and highest value there can be; one outside is no measurement."""
    profile: Literal["host"] | None = None
    """Where it holds, if not everywhere."""


BY_NAME: tuple[Rule, ...] = (
    Rule("errors", direction="up", least_count=1.2),
    Rule("warnings", direction="up", least_count=1.2),
    Rule("latency", direction="up"),
    *(
        Rule(pattern, direction="up")
        for pattern in ("*err", "*errs*", "*error*", "*retrans*", "*timeout*", "*overflow*", "*dropped*", "*failed*")
    ),
    *(
        Rule(name, profile="host", least=least, least_ratio=ratio)
        for name, least, ratio in (
            ("cpu_ratio", 0.1, None),
            ("load_1", 2.0, None),
            ("memory_used_ratio", 0.03, None),
            ("disk_busy_ratio", 0.15, None),
            ("disk_*_bytes", 4 * 2**20, 3.0),
            ("network_*_bytes", 2**20, 0.9),
            ("network_*_packets", 500.0, 0.6),
            ("process_count", 10.0, 0.1),
            ("connections", 20.0, 0.5),
        )
    ),
)
"""What the names of metrics say by themselves: nobody is called because errors became fewer, nor for one failure among
two requests, nor because a machine writes twice as much to its disks for some minutes as it does at that hour.
"""


@dataclass(frozen=True, slots=True)
class _Known:
    """What all rules together say of one metric."""

    direction: Direction | None = None
    least: float | None = None
    least_ratio: float | None = None
    least_events: int | None = None
    least_count: float | None = None
    valid: tuple[float, float] | None = None

    def with_rule(self, rule: Rule) -> _Known:
        said = {one.name: getattr(rule, one.name) for one in fields(_Known)}
        return replace(self, **{name: value for name, value in said.items() if value is not None})

    @property
    def judges(self) -> bool:
        sizes = (self.least, self.least_ratio, self.least_events, self.least_count)
        return self.direction in ("up", "down") or any(sizes)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The values to judge, ordered by metric: l places among the features, and what is known of each (l,).

    `behind` (l,) is the feature that counts the events of a value's window, −1 where there is none. `first` (m,) is
    where each of the m metrics begins among them; `feature` (f,) are all features of these metrics and `owner` (f,)
    numbers whose they are.
    """

    level: NDArray[np.intp]
    behind: NDArray[np.intp]
    up: Mask
    down: Mask
    least: Values
    least_ratio: Values
    least_events: Values
    least_count: Values
    first: NDArray[np.intp]
    feature: NDArray[np.intp]
    owner: NDArray[np.intp]


class Knowledge:
    """Rules in the order in which they override each other."""

    def __init__(self, rules: Sequence[Rule] = BY_NAME) -> None:
        self.rules = tuple(rules)
        self._own = any(rule.entity != "*" for rule in self.rules)
        self.has_limits = any(rule.valid is not None for rule in self.rules)
        self._columns_of = lru_cache(maxsize=1_000)(_columns)
        self._limits_of = lru_cache(maxsize=10_000)(_limits)
        self._matching = lru_cache(maxsize=100_000)(self._matching_entity)

    def matching(self, entity: str) -> tuple[Rule, ...]:
        """The rules for an entity, in order."""
        return self._matching(entity) if self._own else self.rules

    def _matching_entity(self, entity: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if fnmatchcase(entity, rule.entity))

    def harmless(
        self,
        naming: Naming,
        entities: Sequence[str],
        values: Values,
        expected: Values,
        event_count: NDArray[np.int64],
    ) -> Mask | None:
        """(n, d) the features to be taken as missing; None: none of any.

        `values` and `expected` (n, d) are in the order of `naming`, NaN where there is none; `entities` and
        `event_count` (n,). A readable value is left out by itself; what is derived of a metric (its changes, means and
        spreads) where the value furthest from what is expected is harmless.
        """
        groups: dict[tuple[Rule, ...], list[int]] = {}
        if self._own:
            for row, entity in enumerate(entities):
                groups.setdefault(self.matching(entity), []).append(row)
        else:
            groups[self.rules] = list(range(len(entities)))
        mask: Mask | None = None
        for rules, rows in groups.items():
            columns = self._columns_of(rules, naming)
            if columns is None:
                continue
            if mask is None:
                mask = np.zeros(values.shape, np.bool_)
            _judge(columns, np.array(rows, np.intp), values, expected, event_count, mask)
        return mask if mask is not None and mask.any() else None

    def limits(self, entity: str, metric: str) -> tuple[float, float] | None:
        """Lowest and highest value that a metric of an entity can have; None where nobody has said so."""
        return self._limits_of(self.matching(entity), metric)


def _known(rules: Sequence[Rule], metric: str, host: bool = False) -> _Known:
    known = _Known()
    for rule in rules:
        if (rule.profile is None or host) and fnmatchcase(metric, rule.metric):
            known = known.with_rule(rule)
    return known


def _limits(rules: tuple[Rule, ...], metric: str) -> tuple[float, float] | None:
    return _known(rules, metric).valid


def _columns(rules: tuple[Rule, ...], naming: Naming) -> _Columns | None:
    """What these rules mean for a list of features; None where they say nothing of any."""
    known: Mapping[int, _Known] = {
        group: _known(rules, naming.metrics[group], naming.host)
        for group in set(naming.group[naming.level].tolist())
        if group >= 0
    }
    judged = sorted(group for group, one in known.items() if one.judges)
    if not judged:
        return None
    level: list[int] = []
    first: list[int] = []
    feature: list[int] = []
    owner: list[int] = []
    for number, group in enumerate(judged):
        mine = np.flatnonzero(naming.group == group).tolist()
        first.append(len(level))
        level += [i for i in mine if naming.level[i]]
        feature += mine
        owner += [number] * len(mine)
    said = [known[int(naming.group[i])] for i in level]
    return _Columns(
        level=np.array(level, np.intp),
        behind=naming.behind[level],
        up=np.array([one.direction == "up" for one in said]),
        down=np.array([one.direction == "down" for one in said]),
        least=np.array([one.least or 0.0 for one in said]),
        least_ratio=np.array([one.least_ratio or 0.0 for one in said]),
        least_events=np.array([float(one.least_events or 0) for one in said]),
        least_count=np.where(naming.shares[level], [one.least_count or 0.0 for one in said], 0.0),
        first=np.array(first, np.intp),
        feature=np.array(feature, np.intp),
        owner=np.array(owner, np.intp),
    )


def _judge(
    columns: _Columns,
    rows: NDArray[np.intp],
    values: Values,
    expected: Values,
    event_count: NDArray[np.int64],
    mask: Mask,
) -> None:
    """Mark what is harmless in these rows."""
    cells = np.ix_(rows, columns.level)
    seen, usual = values[cells], expected[cells]
    apart = seen - usual
    size = np.abs(apart)
    harmless = (columns.up & (apart <= 0.0)) | (columns.down & (apart >= 0.0))
    harmless |= (size < columns.least) | (size < columns.least_ratio * np.abs(usual))
    events = np.where(columns.behind < 0, event_count[rows][:, None], values[np.ix_(rows, columns.behind)])
    harmless |= (events < columns.least_events) | (size * events < columns.least_count)
    share = np.where(np.isnan(size), 0.0, size / np.maximum(np.abs(usual), 1e-12))
    quiet = np.logical_or.reduceat(harmless, columns.first, axis=1)
    quiet &= _largest(np.where(harmless, share, 0.0), columns) >= _largest(np.where(harmless, 0.0, share), columns)
    mask[np.ix_(rows, columns.feature)] = quiet[:, columns.owner]
    mask[cells] = harmless


def _largest(share: Values, columns: _Columns) -> Values:
    """(n, m) the largest of each metric's values."""
    found: Values = np.maximum.reduceat(share, columns.first, axis=1)
    return found
