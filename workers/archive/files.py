"""What an archive's files are called, and which of them count. Pure.

    <archive>/vectors/profile=service/date=2026-03-01/<log>-<partition>-<first>-<last>.parquet
    <archive>/scores/profile=service/date=2026-03-01/…
    <archive>/events/date=2026-03-01/…
    <archive>/_faultline/…                              what only we read (`store.OURS`)

`<log>` is the topic and a few digits that tell it from an earlier topic of the same name. A file holds **all** rows of
its folder whose offsets in that partition lie in first … last. So of two files of one folder and partition, one that
lies within the other says nothing new and does not count; that is how a compacted file replaces those it was made of,
and why nothing is ever missing or there twice for those who go by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote, unquote

from schemas.ids import stable_id

VECTORS, SCORES, EVENTS = "vectors", "scores", "events"
KINDS = (VECTORS, SCORES, EVENTS)

SUFFIX = ".parquet"
_NAME = re.compile(r"(?P<log>.+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)\.parquet")
_ID_DIGITS = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Folder:
    """One day (UTC, by event time) of a kind and, but for events, of a profile (else it is empty)."""

    kind: str
    profile: str
    day: str

    @property
    def path(self) -> str:
        """Below the archive's root, as Hive writes partitions."""
        profile = f"profile={quote(self.profile, safe='')}/" if self.profile else ""
        return f"{self.kind}/{profile}date={self.day}"

    @classmethod
    def parse(cls, path: str) -> Folder | None:
        """The folder of that path below the root; None where it is none of an archive's."""
        kind, _, rest = path.partition("/")
        parts = dict(part.partition("=")[::2] for part in rest.split("/"))
        day, profile = parts.get("date", ""), unquote(parts.get("profile", ""))
        if kind not in KINDS or not re.fullmatch(r"\d{4}-\d\d-\d\d", day) or bool(profile) != (kind != EVENTS):
            return None
        return cls(kind, profile, day)


@dataclass(frozen=True, slots=True, order=True)
class Log:
    """One partition of one topic: `name` is the topic's and some digits of its id."""

    name: str
    partition: int

    @classmethod
    def of(cls, topic: str, topic_id: str, partition: int) -> Log:
        """A broker without ids gives topics of one name one log."""
        return cls(f"{topic}.{stable_id(topic_id)[:_ID_DIGITS]}" if topic_id else topic, partition)


@dataclass(frozen=True, slots=True, order=True)
class File:
    """One file by its name: the rows of a folder with offsets first … last of a log."""

    folder: Folder
    log: Log
    first: int
    last: int
    bytes: int = 0

    @property
    def path(self) -> str:
        name = f"{self.log.name}-{self.log.partition:04d}-{self.first:012d}-{self.last:012d}{SUFFIX}"
        return f"{self.folder.path}/{name}"

    @classmethod
    def parse(cls, path: str, size: int = 0) -> File | None:
        """The file of that path below the root; None where it is none of an archive's."""
        place, _, name = path.rpartition("/")
        folder, found = Folder.parse(place), _NAME.fullmatch(name)
        if folder is None or found is None:
            return None
        return cls(folder, Log(found["log"], int(found["partition"])), int(found["first"]), int(found["last"]), size)


@dataclass(frozen=True, slots=True)
class Part:
    """A file that counts, and from which offset on: rows before it are in a file before."""

    file: File
    start: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files are meant; empty: all. Times are epoch microseconds, [since, until)."""

    kinds: tuple[str, ...] = ()
    profile: str = ""
    since: int | None = None
    until: int | None = None

    def has(self, folder: Folder) -> bool:
        """Whether rows that are meant may lie there."""
        return (
            (not self.kinds or folder.kind in self.kinds)
            and (not self.profile or folder.profile == self.profile)
            and (self.since is None or folder.day >= day_of(self.since))
            and (self.until is None or folder.day <= day_of(self.until - 1))
        )


def counting(files: Iterable[File]) -> Iterator[Part]:
    """The files that count, by folder, log and offset. Those left out are `replaced`."""
    place, covered = None, -1
    for file in sorted(files, key=lambda file: (file.folder, file.log, file.first, -file.last)):
        if (file.folder, file.log) != place:
            place, covered = (file.folder, file.log), -1
        if file.last > covered:
            yield Part(file, max(file.first, covered + 1))
            covered = file.last


def replaced(files: Iterable[File]) -> list[File]:
    """Those that say nothing new beside the others, and may go."""
    files = list(files)
    kept = {part.file for part in counting(files)}
    return [file for file in files if file not in kept]


def day_of(micros: int) -> str:
    """The day (UTC) of a time, as folders say it."""
    return (_EPOCH + timedelta(microseconds=micros)).date().isoformat()


def start_of(day: str) -> int:
    """Epoch microseconds at which a day begins."""
    return (date.fromisoformat(day) - _EPOCH.date()).days * 86_400_000_000
