"""Writing a file of the archive without what was erased, be it erased while we write."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from workers.archive import parquet
from workers.archive.cuts import Cut, cut_of
from workers.archive.erasures import Erased, erased
from workers.archive.files import EVENTS, File, Folder, Log, day_of, start_of
from workers.archive.rows import Rows
from workers.archive.schema import EVENT_TIME
from workers.archive.store import Store, again

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Filed:
    """Rows of one cut that go into one file."""

    file: File
    rows: Rows


def filed(kind: str, log: Log, rows: Rows, last: int | None = None) -> tuple[Cut, list[Filed]]:
    """Rows of one log in offset order (at least one), divided among the files of one cut, up to `last` if that is
    known already."""
    table = rows.table
    offsets = table.column("offset")
    first, last = offsets[0].as_py(), offsets[-1].as_py() if last is None else last
    found = [
        Filed(File(folder, log, first, last), Rows(part, rows.layouts)) for folder, part in _by_folder(kind, table)
    ]
    began = table.column("appended_at").cast(pa.int64())[0].as_py()
    return cut_of(first, last, began, [one.file.path for one in found]), found


def _by_folder(kind: str, table: pa.Table) -> Iterator[tuple[Folder, pa.Table]]:
    days = table.column(EVENT_TIME[kind]).cast(pa.int64()).to_numpy() // _DAY
    if kind == EVENTS:
        names, codes = [""], np.zeros(len(table), np.int64)
    else:
        profile = table.column("profile").combine_chunks().dictionary_encode()
        names, codes = profile.dictionary.to_pylist(), profile.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    keys, group = np.unique(np.stack([codes, days], axis=1), axis=0, return_inverse=True)
    for number, (code, day) in enumerate(keys.tolist()):
        rows = np.flatnonzero(group.reshape(-1) == number)
        mine = table if len(rows) == len(table) else table.take(pa.array(rows))
        yield Folder(kind, names[code], day_of(day * _DAY)), mine


def put_rows(store: Store, one: Filed, known: Erased) -> Erased:
    """Write one file from memory. Returns the erasures as they are now."""

    def put(known: Erased) -> None:
        rows = known.without(one.file.folder.kind, one.rows)
        if not len(rows):
            store.delete(one.file.path)
            return
        sink = io.BytesIO()
        parquet.write(rows, one.file, sink)
        store.put(one.file.path, sink.getvalue())

    return _until_settled(store, known, put)


def put_batches(store: Store, file: File, parts: Callable[[], Iterable[Rows]], known: Erased) -> Erased:
    """The same with rows that come in pieces, again from the beginning if need be."""

    def put(known: Erased) -> None:
        with tempfile.TemporaryDirectory(prefix="faultline-archive-") as folder:
            place = Path(folder) / "rows.parquet"
            kept = (known.without(file.folder.kind, part) for part in parts())
            if parquet.write_batches(kept, file, place):
                store.put_file(file.path, str(place))
            else:
                store.delete(file.path)

    return _until_settled(store, known, lambda known: again(lambda: put(known)))


def _until_settled(store: Store, known: Erased, put: Callable[[Erased], None]) -> Erased:
    """Whoever erases says so first and then looks for files; whoever writes looks again after: one of both sees it."""
    known = erased(store, known)
    while True:
        put(known)
        now = erased(store, known)
        if now == known:
            return now
        known = now


def days_end(folder: Folder) -> int:
    """Epoch microseconds at which the folder's day is over."""
    return start_of(folder.day) + _DAY
