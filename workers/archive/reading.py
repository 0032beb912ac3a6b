"""Reading an archive: each row once, though files be compacted meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import Vectors
from workers.archive import parquet
from workers.archive.files import VECTORS, File, Folder, Log, Part, Wanted, counting
from workers.archive.rows import Rows, vectors_of
from workers.archive.schema import EVENT_TIME
from workers.archive.store import LOOKS, ArchiveError, Changed, Store


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file, in offset order."""

    file: File
    rows: Rows


def parts(store: Store, wanted: Wanted) -> list[Part]:
    """The files that count now, day by day and in the order of their logs."""
    found = counting(store.files(wanted))
    return sorted(found, key=lambda part: (part.file.folder.day, part.file.folder, part.file.log, part.file.first))


def read(store: Store, wanted: Wanted, columns: Sequence[str] | None = None) -> Iterator[Piece]:
    """Every row that is wanted, once. `columns`: at least these (offset and event time come along).

    Where a file was compacted away, or was replaced while it was read, we go on from the same offset in what is there
    now. Raises `ArchiveError` for a damaged file.
    """
    done: dict[tuple[Folder, Log], int] = {}
    for _ in range(LOOKS):
        try:
            for part in parts(store, wanted):
                yield from _read_part(store, part, wanted, columns, done)
        except (FileNotFoundError, Changed):
            continue
        return
    raise ArchiveError(f"files of {store.shown} keep changing while they are read. Is something else deleting them?")


def vectors(store: Store, wanted: Wanted) -> Iterator[Vectors]:
    """The vectors of an archive, bit for bit as they were on the topic, in its order within each entity and day."""
    for piece in read(store, wanted):
        if len(piece.rows):
            yield from vectors_of(piece.rows.table, piece.file.folder.profile, piece.rows.layouts)


def of_vectors(since: int | None, until: int | None) -> Wanted:
    """Vectors whose windows end in [since, until), epoch microseconds."""
    return Wanted((VECTORS,), since=since, until=until)


def _read_part(
    store: Store, part: Part, wanted: Wanted, columns: Sequence[str] | None, done: dict[tuple[Folder, Log], int]
) -> Iterator[Piece]:
    file, place = part.file, (part.file.folder, part.file.log)
    time = EVENT_TIME[file.folder.kind]
    start = max(part.start, done.get(place, -1) + 1)
    if file.last < start:
        return
    needed = None if columns is None else list(dict.fromkeys([*columns, "offset", time]))
    try:
        for rows in parquet.batches(store, file, needed):
            table = _within(rows.table, start, time, wanted)
            last = rows.table.column("offset")[-1].as_py()
            yield Piece(file, Rows(table, rows.layouts))
            done[place] = max(last, done.get(place, -1))
    except (FileNotFoundError, Changed):
        raise
    except (ValueError, OSError) as error:
        raise ArchiveError(f"{store.shown}/{file.path} cannot be read: {' '.join(str(error).split())}") from error
    done[place] = file.last


def _within(table: pa.Table, start: int, time: str, wanted: Wanted) -> pa.Table:
    """The rows of an offset and later, and of the times that are wanted."""
    keep = table.column("offset").to_numpy() >= start
    times = table.column(time).cast(pa.int64()).to_numpy()
    if wanted.since is not None:
        keep &= times >= wanted.since
    if wanted.until is not None:
        keep &= times < wanted.until
    return table if bool(np.all(keep)) else table.filter(pc.equal(pa.array(keep), True))
