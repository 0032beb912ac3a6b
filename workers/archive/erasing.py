"""Taking an entity out of an archive, for good: said first, then every file without it, counting or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from workers.archive import parquet
from workers.archive.erasures import Erased, Erasure, erased, record
from workers.archive.files import File, Wanted
from workers.archive.schema import EVENT_TIME
from workers.archive.store import Store
from workers.archive.writing import put_batches


@dataclass(frozen=True, slots=True)
class Found:
    """A file that holds rows to be taken out, and how many."""

    file: File
    rows: int


def holding(store: Store, erasure: Erasure) -> Iterator[Found | None]:
    """Looks through every file; None for one that holds nothing of it, or that has gone meanwhile."""
    only = Erased(frozenset(), {erasure.entity: erasure.until})
    for file in store.files(Wanted(until=erasure.until)):
        try:
            yield _found(store, file, only)
        except FileNotFoundError:
            yield None


def erase(store: Store, erasure: Erasure) -> Iterator[Found | None]:
    """Take the rows out of every file, yielding each as it is done. Interrupted, it may be run again.

    Files that compaction makes meanwhile are made without them, for the erasure was said before.
    """
    record(store, erasure)
    known = erased(store)
    for found in holding(store, erasure):
        if found is not None:
            with suppress(FileNotFoundError):  # compacted or expired meanwhile
                put_batches(store, found.file, lambda f=found.file: parquet.batches(store, f), known)  # type: ignore[misc]
        yield found


def _found(store: Store, file: File, only: Erased) -> Found | None:
    kind, count = file.folder.kind, 0
    for rows in parquet.batches(store, file, ["entity", EVENT_TIME[kind]]):
        mask = only.rows_of(kind, rows.table)
        count += 0 if mask is None else mask.true_count
    return Found(file, count) if count else None
