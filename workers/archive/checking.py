"""Whether an archive is whole: every file readable, every row where its file's name says, none twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from workers.archive import parquet
from workers.archive.cuts import Cuts
from workers.archive.erasures import Erased, erased
from workers.archive.files import File, Wanted, counting, start_of
from workers.archive.schema import EVENT_TIME, FILE_SCHEMAS
from workers.archive.store import Changed, Store, again
from workers.archive.writing import days_end

DAMAGED, MISPLACED, ERASED, REPLACED, OVERLAPPING, UNFINISHED, PIECE = (
    "damaged",
    "misplaced",
    "erased",
    "replaced",
    "overlapping",
    "unfinished",
    "piece",
)

WORDS = {
    DAMAGED: "cannot be read",
    MISPLACED: "holds rows that its name does not cover",
    ERASED: "holds rows of an entity that was erased; run `archive erase` again",
    REPLACED: "lies within another file and does not count; `archive compact` removes it",
    OVERLAPPING: "shares offsets with a file before it; its rows there do not count; `archive compact` merges them",
    UNFINISHED: "was begun by a worker; the next one finishes it",
    PIECE: "left behind by a writer that died; may be deleted",
}

FAULTS = frozenset({DAMAGED, MISPLACED, ERASED})
"""Kinds of findings that somebody must look at; the others are only said."""


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    path: str
    detail: str = ""


def check(store: Store, wanted: Wanted = Wanted()) -> Iterator[File | Finding]:  # noqa: B008 (frozen)
    """Every file that counts as it is looked at, and what is not as it should be."""
    known = erased(store)
    files = store.files(wanted)
    kept = {part.file: part for part in counting(files)}
    for file in files:
        part = kept.get(file)
        if part is None:
            yield Finding(REPLACED, file.path)
            continue
        yield file
        yield from again(lambda file=file: list(_findings(store, file, known)))  # type: ignore[misc]
        if part.start > file.first:
            yield Finding(OVERLAPPING, file.path, f"up to offset {part.start - 1}")
    yield from (Finding(PIECE, path) for path in store.unfinished())
    if wanted == Wanted():
        yield from _cuts(store, files)


def _findings(store: Store, file: File, known: Erased) -> Iterator[Finding]:
    kind = file.folder.kind
    last = -1
    begins, ends = start_of(file.folder.day), days_end(file.folder)
    try:
        for rows in parquet.batches(store, file):
            if rows.table.schema.names != FILE_SCHEMAS[kind].names:
                yield Finding(DAMAGED, file.path, "other columns than an archive's")
                return
            offsets = rows.table.column("offset").to_numpy()
            times = rows.table.column(EVENT_TIME[kind]).cast(pa.int64()).to_numpy()
            if len(offsets) and not (offsets[0] > last and np.all(np.diff(offsets) > 0)):
                yield Finding(DAMAGED, file.path, "offsets do not ascend")
                return
            if np.any((offsets < file.first) | (offsets > file.last) | (times < begins) | (times >= ends)):
                yield Finding(MISPLACED, file.path)
                return
            if known.rows_of(kind, rows.table) is not None:
                yield Finding(ERASED, file.path)
                return
            last = int(offsets[-1]) if len(offsets) else last
    except Changed:
        raise
    except FileNotFoundError:
        return  # compacted or expired while we looked
    except (OSError, ValueError) as error:
        yield Finding(DAMAGED, file.path, " ".join(str(error).split())[:200])


def _cuts(store: Store, files: list[File]) -> Iterator[Finding]:
    """The last cut of each log, where not all of its files have come."""
    cuts = Cuts(store)
    for log in cuts.logs():
        latest = cuts.latest(log)
        for path in latest.files if latest else ():
            file = File.parse(path)
            if file is not None and not any(_covers(one, file) for one in files):
                yield Finding(UNFINISHED, path)


def _covers(one: File, other: File) -> bool:
    same = (one.folder, one.log) == (other.folder, other.log)
    return same and one.first <= other.first and other.last <= one.last
