"""Many files as one stream in time order, in bounded memory: a merge of sorted runs, sorted on disk where need be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import Events
from workers.canonical import from_arrow, to_arrow
from workers.sources.columns import concat, cut, in_time_order
from workers.sources.replay.files import BLOCK

RUN = 200_000
"""Events sorted in memory at once where a file is not in time order."""

Run = Callable[[], Iterator[Events]]
"""Opens a stream of blocks that is in time order as a whole."""


def sorted_runs(blocks: Iterator[Events], folder: Path, stem: str) -> list[Run]:
    """Write a stream without order into files that are each in time order; one for every `RUN` events."""
    runs: list[Run] = []
    gathered: list[Events] = []
    for block in blocks:
        gathered.append(block)
        if sum(map(len, gathered)) >= RUN:
            runs.append(_spill(gathered, folder / f"{stem}-{len(runs)}.parquet"))
            gathered = []
    if gathered:
        runs.append(_spill(gathered, folder / f"{stem}-{len(runs)}.parquet"))
    return runs


def _spill(blocks: list[Events], path: Path) -> Run:
    pq.write_table(to_arrow(in_time_order(concat(blocks))), path, compression="lz4")

    def read() -> Iterator[Events]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BLOCK):
                yield from_arrow(pa.Table.from_batches([batch]))

    return read


@dataclass(slots=True)
class _Cursor:
    """One run's place: what is read and not yet given."""

    blocks: Iterator[Events]
    held: Events | None = None

    def fill(self) -> bool:
        """Hold at least one event; False at the end."""
        while self.held is None:
            block = next(self.blocks, None)
            if block is None:
                return False
            if len(block):
                self.held = block
        return True

    def until(self, time: int) -> Events | None:
        """Take what is not later than `time`."""
        assert self.held is not None
        stop = int(np.searchsorted(self.held.time, time, side="right"))
        given = cut(self.held, 0, stop) if stop else None
        self.held = cut(self.held, stop, len(self.held)) if stop < len(self.held) else None
        return given


def merge(runs: Sequence[Run]) -> Iterator[Events]:
    """All events of all runs in time order; events of one time in the order of the runs.

    Holds one block of every run: what may be given next ends where the first of the held blocks ends.
    """
    cursors = [_Cursor(run()) for run in runs]
    while cursors := [cursor for cursor in cursors if cursor.fill()]:
        horizon = min(int(cursor.held.time[-1]) for cursor in cursors if cursor.held is not None)
        parts = [part for cursor in cursors if (part := cursor.until(horizon)) is not None]
        yield in_time_order(concat(parts))
