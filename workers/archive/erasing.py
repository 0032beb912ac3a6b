"""Taking entities out of an archive, for good: said first, then every file without it, counting or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from workers.archive import parquet
from workers.archive.erasures import Erased, Erasure, erased, record
from workers.archive.files import File, Wanted
from workers.archive.schema import EVENT_TIME
from workers.archive.store import Store, again
from workers.archive.writing import put_batches


@dataclass(frozen=True, slots=True)
class Found:
    """A file that holds rows to be taken out, and how many."""

    file: File
    rows: int


def holding(store: Store, *erasures: Erasure, parts: set[str] | None = None) -> Iterator[Found | None]:
    """Looks through every file; None for one that holds nothing of them, or that has gone meanwhile.

    Gathers in `parts` the names below the entities' own (`web-1/eth0` of `web-1`) that have rows to be taken out too.
    """
    only = Erased(frozenset(), {erasure.entity: erasure.until for erasure in erasures})
    for file in store.files(Wanted(until=max(erasure.until for erasure in erasures))):
        try:
            yield again(lambda file=file: _found(store, file, only, parts))  # type: ignore[misc]
        except FileNotFoundError:
            yield None


def erase(store: Store, *erasures: Erasure, parts: set[str] | None = None) -> Iterator[Found | None]:
    """Take the rows out of every file, yielding each as it is done. Interrupted, it may be run again.

    Files that compaction makes meanwhile are made without them, for the erasures were said before. `parts` as of
    `holding`.
    """
    for erasure in erasures:
        record(store, erasure)
    known = erased(store)
    for found in holding(store, *erasures, parts=parts):
        if found is not None:
            with suppress(FileNotFoundError):  # compacted or expired meanwhile
                put_batches(store, found.file, lambda f=found.file: parquet.batches(store, f), known)  # type: ignore[misc]
        yield found


def _found(store: Store, file: File, only: Erased, parts: set[str] | None) -> Found | None:
    kind, count = file.folder.kind, 0
    for rows in parquet.batches(store, file, ["entity", EVENT_TIME[kind]]):
        mask = only.rows_of(kind, rows.table)
        count += 0 if mask is None else mask.true_count
        if parts is not None:
            parts |= _below(rows.table, kind, only)
    return Found(file, count) if count else None


def _below(table: pa.Table, kind: str, only: Erased) -> set[str]:
    """The names of parts with rows of before the erasure of what they are parts of."""
    until = {
        name: max(time for entity, time in only.until.items() if name.startswith(f"{entity}/"))
        for name in pc.unique(table.column("entity")).to_pylist()
        if name not in only.until and any(name.startswith(f"{entity}/") for entity in only.until)
    }
    if not until:
        return set()
    mask = Erased(frozenset(), until).rows_of(kind, table)
    return set() if mask is None else set(pc.unique(table.column("entity").filter(mask)).to_pylist())
