"""Letting old days go: by event time, a folder at a time."""

from __future__ import annotations

from workers.archive.files import File, Wanted
from workers.archive.store import Store
from workers.archive.writing import days_end


def expirable(store: Store, before: int, wanted: Wanted = Wanted()) -> list[File]:  # noqa: B008 (frozen)
    """Every file of days that were over before a time (epoch microseconds), whether it counts or not."""
    return [file for file in store.files(wanted) if days_end(file.folder) <= before]


def expire(store: Store, before: int, wanted: Wanted = Wanted()) -> list[File]:  # noqa: B008 (frozen)
    """Remove them; what went. Done again after having been interrupted, it removes the rest."""
    gone = expirable(store, before, wanted)
    for file in gone:
        store.delete(file.path)
    for folder in {file.folder for file in gone}:
        store.prune(folder)
    return gone
