"""Vectors of one feature set as a table to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.features.lasting import LASTING
from models.features.series import STATISTICS
from models.logs.names import NEW, SAID
from models.naming import feature_names, naming
from models.shelf import Shelf
from models.views import ROLLING, STEPS
from schemas.columns import Vectors

_STATISTICS = frozenset(feature.name for feature in (*STATISTICS, *LASTING))

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


@dataclass(frozen=True, slots=True)
class _Kept:
    """Rows of one block that are not silent; their values lie on the shelf."""

    names: tuple[str, ...]
    width: int
    entity: NDArray[np.int32]
    window_end: NDArray[np.int64]
    values: Callable[[], NDArray[np.float64]]


def tables_of(blocks: Iterable[Vectors], shelf: Shelf | None = None) -> list[VectorTable]:
    """Blocks, each entity's in the order in which they were emitted, gathered by profile and feature set.

    Where names differ from block to block (`generic`), the table has all of them, with NaN for what a block lacks;
    of these only the learned features are kept. Static sets keep all theirs. Entities are in the order of their names,
    so that the table does not tell how those of several partitions came one after another. More than `shelf` has room
    for in memory lies on disk.
    """
    shelf = shelf or Shelf()
    gathered: dict[tuple[str, int, str], tuple[dict[str, int], list[_Kept]]] = {}
    for block in blocks:
        key = (block.profile, block.profile_version, block.feature_set)
        codes, kept = gathered.setdefault(key, ({}, []))
        kept.append(_kept(_reduced(block) if block.names else block, codes, shelf))
    return [_gather(key, *found, shelf) for key, found in sorted(gathered.items())]


def _kept(block: Vectors, codes: dict[str, int], shelf: Shelf) -> _Kept:
    rows = np.flatnonzero(~block.silent)
    entity = np.array([codes.setdefault(block.entity[i], len(codes)) for i in rows.tolist()], np.int32)
    values = shelf.put(block.values[rows])
    return _Kept(block.names, block.values.shape[1], entity, block.window_end[rows], values)


def _reduced(block: Vectors) -> Vectors:
    """Only what models learn from, at once: of many metrics with all their statistics little is kept."""
    columns = np.flatnonzero(learned(block.names)).tolist()
    return replace(block, names=tuple(block.names[i] for i in columns), values=block.values[:, columns])


def _gather(key: tuple[str, int, str], codes: dict[str, int], blocks: Sequence[_Kept], shelf: Shelf) -> VectorTable:
    dynamic = any(block.names for block in blocks)
    names = tuple(_union(blocks)) if dynamic else feature_names(key[2], blocks[0].width)
    entities = tuple(sorted(codes))
    rank = np.empty(len(codes), np.int32)
    rank[[codes[name] for name in entities]] = np.arange(len(codes), dtype=np.int32)
    entity = rank[np.concatenate([block.entity for block in blocks])]
    times = np.concatenate([block.window_end for block in blocks])
    order = np.lexsort((times, entity))
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    values, start = shelf.empty((len(times), len(names))), 0
    for block in blocks:
        mine = place[start : start + len(block.entity)]
        values[mine] = _aligned(block, names) if dynamic else block.values()
        start += len(mine)
    return VectorTable(*key, names, entities, entity[order], times[order], values)


def _union(blocks: Iterable[_Kept]) -> Iterator[str]:
    """Every name once; as blocks have them, lists of names in a fixed order whichever came first."""
    return iter(dict.fromkeys(name for names in sorted({block.names for block in blocks}) for name in names))


def _aligned(block: _Kept, names: tuple[str, ...]) -> NDArray[np.float64]:
    values = block.values()
    if block.names == names:
        return values
    place = {name: i for i, name in enumerate(block.names)}
    columns = np.array([place.get(name, -1) for name in names], np.int64)
    picked: NDArray[np.float64] = values[:, np.maximum(columns, 0)]
    picked[:, columns < 0] = np.nan
    return picked
