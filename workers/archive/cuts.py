"""Where a log is cut into files: written down before the files are, so that whoever writes them again cuts likewise.

A worker that dies between two files of one cut, or between the last of them and Kafka's commit, is followed by one that
reads the same records again, by then perhaps more of them. It finds the cut, and writes the same files with the same
bytes. A cut is found by its first offset and made by whoever is first, so that two workers that both think a partition
theirs cut it alike.

    _faultline/cuts/<log>-<partition>/<first>.json    {"first", "last", "began", "files"}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from workers.archive.files import Log
from workers.archive.store import OURS, Store

_CUTS = f"{OURS}/cuts"


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows of a log with offsets first … last go into `files`. `began`: when the broker appended the first of them
    (epoch microseconds), which tells the log from a later one of the same name and offsets."""

    first: int
    last: int
    began: int
    files: tuple[str, ...]


class Cuts:
    """The cuts of an archive. Raises what the store raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, log: Log, first: int) -> Cut | None:
        """The cut that begins there, if anybody ever made one."""
        path = _path(log, first)
        return self._read(path) if self._store.has(path) else None

    def make(self, log: Log, cut: Cut) -> Cut:
        """The cut that holds: this one, or that of whoever was first."""
        path = _path(log, cut.first)
        document = {"first": cut.first, "last": cut.last, "began": cut.began, "files": cut.files}
        return cut if self._store.create(path, orjson.dumps(document)) else self._read(path)

    def logs(self) -> list[str]:
        """The logs that were ever cut, by the names of their folders."""
        return self._store.names(_CUTS)

    def latest(self, log: str) -> Cut | None:
        """The last cut of a log."""
        names = self._store.names(f"{_CUTS}/{log}")
        return self._read(f"{_CUTS}/{log}/{names[-1]}") if names else None

    def forget(self, log: str, keep: int) -> int:
        """Remove all but the last so many cuts of a log: nobody writes that far back again. Returns how many went."""
        old = self._store.names(f"{_CUTS}/{log}")[:-keep]
        for name in old:
            self._store.delete(f"{_CUTS}/{log}/{name}")
        return len(old)

    def _read(self, path: str) -> Cut:
        found = orjson.loads(self._store.read(path))
        return Cut(found["first"], found["last"], found["began"], tuple(found["files"]))


def cut_of(first: int, last: int, began: int, files: Sequence[str]) -> Cut:
    return Cut(first, last, began, tuple(sorted(files)))


def _path(log: Log, first: int) -> str:
    return f"{_CUTS}/{log.name}-{log.partition:04d}/{first:012d}.json"
