"""Vectors of one feature set as a table to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.features.series import STATISTICS
from models.logs.names import NEW, SAID
from models.naming import feature_names, naming
from models.views import ROLLING, STEPS
from schemas.columns import Vectors

_STATISTICS = frozenset(feature.name for feature in STATISTICS)

LEARNED_STATISTICS = frozenset({"", *ROLLING, *STEPS})
"""Of a metric's rolling statistics, those that models learn from.

The others repeat them (a range, a rate) or are relative already (z scores, flags): the scaler does that better.
"""

_CONTEXT = ("time__", "sample__", "panes_count", SAID)
_RELATIVE = ("_change_ratio", "_z_24h")


def learned(names: Sequence[str]) -> tuple[bool, ...]:
    """Whether models use each of these features.

    Not: what is context only; what compares with the entity's own last hours, and so calls normal unusual for as long
    after an anomaly; of a service's windows the longest, if there are others, for the same reason; and how many lines
    or kinds there are, where it is known how many of each kind: that says nothing more, and names none.
    """
    windows = [name.removeprefix("events_count") for name in names if name.startswith("events_count_")]
    longest = windows[-1] if len(windows) > 1 and "events_z_24h" in names else None
    sums = ("events_count", "kinds_count") if any(name.startswith(f"{NEW}__") for name in names) else None
    return tuple(
        _is_learned(name)
        and (longest is None or not name.endswith(longest))
        and (sums is None or not name.startswith(sums))
        for name in names
    )


def _is_learned(name: str) -> bool:
    statistic = name.partition("__")[2]
    rolling = statistic in _STATISTICS
    relative = any(part in name for part in _RELATIVE)
    return not name.startswith(_CONTEXT) and not relative and (not rolling or statistic in LEARNED_STATISTICS)


def thinned(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the rows, evenly spread over them."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // max(most, 1)]


@dataclass(frozen=True, slots=True)
class VectorTable:
    """n vectors of one profile and feature set, in time order within each entity; silent ones are left out.

    `values` (n, k) follows `names`; `window_end` is in epoch microseconds; `entity` codes into `entities`. `label` (n,)
    says what is known of the rows (`models.labels`), None where nobody wants that used.
    """

    profile: str
    profile_version: int
    feature_set: str
    names: tuple[str, ...]
    entities: tuple[str, ...]
    entity: NDArray[np.int32]
    window_end: NDArray[np.int64]
    values: NDArray[np.float64]
    label: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.window_end)

    def of_entity(self, name: str) -> VectorTable:
        """The rows of one entity."""
        return self.of_entities([name])

    def of_entities(self, names: Sequence[str]) -> VectorTable:
        """The rows of some entities."""
        return self.take(np.flatnonzero(np.isin(self.entity, [self.entities.index(name) for name in names])))

    def take(self, rows: NDArray[np.intp]) -> VectorTable:
        return VectorTable(
            self.profile,
            self.profile_version,
            self.feature_set,
            self.names,
            self.entities,
            self.entity[rows],
            self.window_end[rows],
            self.values[rows],
            None if self.label is None else self.label[rows],
        )

    def rows_a_day(self) -> float:
        """How many vectors an entity has a day, by the median gap between its vectors; 288 where nothing tells."""
        same = self.entity[1:] == self.entity[:-1]
        gaps = np.diff(self.window_end)[same]
        gaps = gaps[gaps > 0]
        return 86_400e6 / float(np.median(gaps)) if len(gaps) else 288.0


def learned_columns(table: VectorTable) -> NDArray[np.int64]:
    """The columns that models learn from."""
    return np.flatnonzero(np.array(learned(table.names)) & (naming(table.names).group >= 0))


def tables_of(blocks: Iterable[Vectors]) -> list[VectorTable]:
    """Blocks in the order in which they were emitted, gathered by profile and feature set.

    Where names differ from block to block (`generic`), the table has all of them, with NaN for what a block lacks;
    of these only the learned features are kept. Static sets keep all theirs.
    """
    gathered: dict[tuple[str, int, str], list[Vectors]] = {}
    for block in blocks:
        key = (block.profile, block.profile_version, block.feature_set)
        gathered.setdefault(key, []).append(_reduced(block) if block.names else block)
    return [_gather(key, found) for key, found in sorted(gathered.items())]


def _reduced(block: Vectors) -> Vectors:
    """Only what models learn from, at once: of many metrics with all their statistics little is kept."""
    columns = np.flatnonzero(learned(block.names)).tolist()
    return replace(block, names=tuple(block.names[i] for i in columns), values=block.values[:, columns])


def _gather(key: tuple[str, int, str], blocks: Sequence[Vectors]) -> VectorTable:
    dynamic = any(block.names for block in blocks)
    names = tuple(_union(blocks)) if dynamic else feature_names(key[2], blocks[0].values.shape[1])
    codes: dict[str, int] = {}
    entity, times, values = [], [], []
    for block in blocks:
        rows = np.flatnonzero(~block.silent)
        entity.append(np.array([codes.setdefault(block.entity[i], len(codes)) for i in rows.tolist()], np.int32))
        times.append(block.window_end[rows])
        values.append(_aligned(block, rows, names) if dynamic else block.values[rows])
    whole = np.concatenate(times) if times else np.empty(0, np.int64)
    codes_column = np.concatenate(entity) if entity else np.empty(0, np.int32)
    order = np.lexsort((whole, codes_column))
    return VectorTable(*key, names, tuple(codes), codes_column[order], whole[order], np.concatenate(values)[order])


def _union(blocks: Iterable[Vectors]) -> Iterator[str]:
    seen = dict.fromkeys(name for names in dict.fromkeys(b.names for b in blocks) for name in names)
    return iter(seen)


def _aligned(block: Vectors, rows: NDArray[np.intp], names: tuple[str, ...]) -> NDArray[np.float64]:
    place = {name: i for i, name in enumerate(block.names)}
    columns = np.array([place.get(name, -1) for name in names], np.int64)
    picked: NDArray[np.float64] = block.values[np.ix_(rows, np.maximum(columns, 0))]
    picked[:, columns < 0] = np.nan
    return picked
