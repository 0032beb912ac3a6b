"""Compaction: the small files of a day that is over become few.

A compacted file is named by the offsets that it covers, and from the moment that it is there, those that lie within
it do not count (`files.counting`); then they are removed. Killed anywhere, every row counts once, and the next run
goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from workers.archive import parquet
from workers.archive.cuts import Cuts
from workers.archive.erasures import Erased
from workers.archive.files import File, Part, Wanted, counting, replaced
from workers.archive.rows import Rows
from workers.archive.store import Store
from workers.archive.writing import days_end, put_batches

KEEP_CUTS = 500
"""Cuts of a log that stay: far more than a worker that was killed long ago could still have to write again."""


@dataclass(frozen=True, slots=True)
class CompactPolicy:
    """Days that ended before `before` (epoch microseconds); files of up to `most_rows` are made."""

    before: int
    most_rows: int = 1_000_000


@dataclass(slots=True)
class Compacted:
    """What was done: files merged into how many, files removed, and pieces of dead writers."""

    merged: int = 0
    made: int = 0
    removed: int = 0
    pieces: int = 0


def plan(store: Store, policy: CompactPolicy, wanted: Wanted = Wanted()) -> list[list[Part]]:  # noqa: B008 (frozen)
    """Which files would become one, in the order of their offsets."""
    found = [file for file in store.files(wanted) if days_end(file.folder) <= policy.before]
    batches: list[list[Part]] = []
    for _, mine in groupby(counting(found), key=lambda part: (part.file.folder, part.file.log)):
        batches += [batch for batch in _batches(store, list(mine), policy.most_rows) if len(batch) > 1]
    return batches


def compact(store: Store, policy: CompactPolicy, wanted: Wanted = Wanted()) -> Iterator[Compacted]:  # noqa: B008 (frozen)
    """Do it, batch by batch; yields the sum so far after each step. Raises FileNotFoundError where another compaction
    is at work on the same day: nothing is lost, run it again.
    """
    done = Compacted()
    known = Erased()
    _sweep(store, wanted, done)
    yield done
    for batch in plan(store, policy, wanted):
        first = batch[0].file
        merged = File(first.folder, first.log, first.first, batch[-1].file.last)
        known = put_batches(store, merged, lambda batch=batch: _rows(store, batch), known)  # type: ignore[misc]
        for part in batch:
            store.delete(part.file.path)
        done.merged, done.made, done.removed = done.merged + len(batch), done.made + 1, done.removed + len(batch)
        yield done


def _sweep(store: Store, wanted: Wanted, done: Compacted) -> None:
    """What an earlier run was killed before removing, and cuts that nobody will come back to."""
    for file in replaced(store.files(wanted)):
        store.delete(file.path)
        done.removed += 1
    cuts = Cuts(store)
    for log in cuts.logs():
        cuts.forget(log, KEEP_CUTS)


def _batches(store: Store, mine: Sequence[Part], most: int) -> Iterator[list[Part]]:
    """Neighbours whose rows together are at most so many."""
    batch: list[Part] = []
    size = 0
    for part in mine:
        rows = parquet.footer(store, part.file).rows
        if batch and size + rows > most:
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += rows
    if batch:
        yield batch


def _rows(store: Store, batch: Sequence[Part]) -> Iterator[Rows]:
    """Rows of neighbours in whole row groups, each row once."""
    held: list[Rows] = []
    for part in batch:
        for rows in parquet.batches(store, part.file):
            held.append(_from(rows, part))
            if sum(map(len, held)) >= parquet.GROUP_ROWS:
                whole = _joined(held)
                full = len(whole) // parquet.GROUP_ROWS * parquet.GROUP_ROWS
                yield Rows(whole.table.slice(0, full), whole.layouts)
                held = [Rows(whole.table.slice(full), whole.layouts)]
    if held:
        yield _joined(held)


def _from(rows: Rows, part: Part) -> Rows:
    if part.start <= part.file.first:
        return rows
    keep = rows.table.column("offset").to_numpy() >= part.start
    return Rows(rows.table.filter(pa.array(np.asarray(keep))), rows.layouts)


def _joined(parts: Sequence[Rows]) -> Rows:
    layouts = {key: names for part in parts for key, names in part.layouts.items()}
    return Rows(pa.concat_tables([part.table for part in parts]), layouts)
