"""What the windows stage asks of a profile's engine: fixed panes (`service`), samples (`host`, `generic`), events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.knowledge import Rule
from schemas.columns import Events, Vectors
from workers.runtime.records import Output, View
from workers.runtime.stage import Logged, Part
from workers.windows.profiles import Profile


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """What the settings decide for every engine; times in microseconds."""

    lateness: int = 10_000_000
    max_skew: int = 300_000_000
    retire_after: int = 3_600_000_000
    max_entities: int = 200_000
    max_metrics: int = 256
    view_prefix: str = ""  # the namespace in front of Redis keys
    view_every: int = 10_000_000  # event time between two views of an entity, at least
    view_ttl_s: int = 7_200
    state_topic: str = "faultline.state.windows.v1"
    limits: tuple[Rule, ...] = ()  # which values of a metric there can be


@dataclass(frozen=True, slots=True)
class Timeline:
    """The passing of event time over one batch of m records; ticks and skipped records move it as well.

    `before[i]` and `after[i]` are the watermark (epoch microseconds) just before and just after record i;
    both never decrease and `before[i+1] == after[i]`. `offsets[i]` is the record's offset in the input partition.
    `watched[i]` is the earliest event time from which on somebody watched the partition without a break up to
    record i (time that passed without records or ticks gives no silent vectors).
    """

    offsets: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    watched: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Emission:
    """What one engine gives for a stretch of records: vectors in (record, time, entity) order, logged state, views.

    All of `vectors.at` lie in one record range that no later emission of the batch goes back behind. The stage
    encodes vectors; `logged` are finished outputs to the state topic, each with the record it belongs to (key:
    `state_log.state_key`). At each record the stage puts an emission's vectors before what it logged; an engine
    that logs between vectors of one record ends the emission there, at a place that no batch cut moves.

    A table of vectors has one list of names. Where entities differ in their metrics (dynamic profiles), rows of other
    names are in the tables of `more`, and `order` says how all rows stand in one sequence: position p holds row
    `order[p]` of the tables put end to end (`vectors`, then `more`). None: as they stand, and `more` is empty.
    """

    vectors: Vectors
    logged: list[tuple[int, Output]]
    views: list[View]
    counts: Mapping[str, int]
    more: Sequence[Vectors] = ()
    order: NDArray[np.intp] | None = None


class Engine(Protocol):
    """State and rules of one profile on one partition. Deterministic, clockless, independent of batch cuts."""

    def step(self, events: Events, skewed: NDArray[np.bool_], timeline: Timeline) -> Iterator[Emission]:
        """Take this profile's events of a batch (`events.record` indexes `timeline`) and close what time has passed.

        `skewed[i]` marks events whose clock is wrong: signs of life that no window counts (they are dead letters of
        the stage). Counts must account for every event: `in_panes`, `late_in_closed_pane` (a subset of it),
        `dropped_late`, `skewed`, `dropped_limit`.
        """
        ...

    def anchor(self) -> int | None:
        """First offset that any retained state depends on; None when nothing is retained."""
        ...

    def parts(self) -> Mapping[str, Part]: ...

    def restore(self, parts: Mapping[str, bytes]) -> None: ...

    def recall(self, logged: list[Logged]) -> None:
        """Take back logged state (coarse panes) before a rebuild; records before an entry's offset do not change it."""
        ...


EngineFactory = Callable[[Profile, EnginePolicy, int], Engine]
"""Makes the empty engine of a profile on one partition (the last argument)."""
