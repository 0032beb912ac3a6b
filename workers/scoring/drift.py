"""Drift watched live: for every entity a window in some ten minutes is counted, and each day gives a record.

A day's record is written at the first window counted of a later day. It says how far the day lies from what the
champion was trained on (`models.drift`), its mean score and how many windows were anomalous. A day in which the
champion changed begins anew with it. Six to fourteen minutes pass between two that are counted: by the clock, what
happens by the clock would be counted always or never. Each is logged at once with all before, and none counts before
the next is due: so a rebuild needs no replay for it, and a replay counts nothing twice.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.bundle import Bundle
from models.drift import CELLS, LEAST, MOST_FEATURES
from models.periods import ALL
from workers.runtime.stage import Part
from workers.scoring.judged import Judged
from workers.scoring.loading import Loading
from workers.scoring.pauses import next_due
from workers.scoring.scores import CHAMPION

KEY = b"drift/"
PARTS = "drift/"
SHARDS = 256
"""Parts of a checkpoint that the entities are divided into; one is written again only when a day in it changed."""

_DAY_US = 86_400_000_000
_FORGET_DAYS = 60

_HEAD = struct.Struct("<16sqqBBdB")
"""Version, time of the last window counted, when the next is due, windows, anomalous ones, sum of scores, features."""

_NEVER = -1

Owner = tuple[str, str]
"""Profile and entity."""


@dataclass(slots=True)
class Day:
    """What was counted of a day up to the window that ended at `last` (µs), none before `due`: `cells` is (d, CELLS).

    At most 240 windows are, so a byte counts them.
    """

    version: bytes
    last: int
    due: int
    cells: NDArray[np.uint8]
    windows: int = 0
    anomalous: int = 0
    total: float = 0.0

    @property
    def number(self) -> int:
        return self.last // _DAY_US

    def encode(self) -> bytes:
        head = (self.version, self.last, self.due, self.windows, self.anomalous, self.total, len(self.cells))
        return _HEAD.pack(*head) + self.cells.tobytes()

    @classmethod
    def decode(cls, blob: bytes) -> Day:
        """Raises ValueError for what `encode` has not written."""
        if len(blob) < _HEAD.size:
            raise ValueError("a day's counts end too early")
        version, last, due, windows, anomalous, total, d = _HEAD.unpack_from(blob)
        if len(blob) != _HEAD.size + d * CELLS:
            raise ValueError(f"a day's counts of {d} features are {d * CELLS} bytes, not {len(blob) - _HEAD.size}")
        cells = np.frombuffer(blob, np.uint8, offset=_HEAD.size).reshape(d, CELLS).copy()
        return cls(version, last, due, cells, windows, anomalous, total)


@dataclass(slots=True)
class Watched:
    """What records of a chunk, by their number in it, brought: drift records, and keys and values for the log."""

    records: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    logged: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)
    shifted: int = 0
    """How many of the records have a feature that shifted."""


class DriftWatch:
    """The days of one partition's entities. Memory: about 400 bytes for each, and thirteen for each watched feature."""

    def __init__(self) -> None:
        self._days: dict[Owner, Day] = {}
        self._shards: list[set[Owner]] = [set() for _ in range(SHARDS)]
        self._versions = [_NEVER] * SHARDS

    def watch(
        self,
        judged: Sequence[Judged],
        offsets: NDArray[np.int64],
        watermarks: NDArray[np.int64],
        loading: Loading,
    ) -> Watched:
        """Count what champions have judged, in record order.

        `offsets` are those of the chunk's n records, `watermarks` (n + 1,) the partition's before the first and after
        each.
        """
        found = Watched()
        days = watermarks // _DAY_US
        crossed = np.flatnonzero(days[1:] > days[:-1]).tolist()
        for sample in sorted(self._samples(judged, loading)):
            while crossed and crossed[0] < sample.record:
                self._forget(crossed.pop(0), offsets, days, found)
            self._count(sample, judged[sample.judged], int(offsets[sample.record]), loading, found)
        for record in crossed:
            self._forget(record, offsets, days, found)
        return found

    def take(self, key: bytes, value: bytes) -> bool:
        """Take a log record in; False where the key is none of ours."""
        if not key.startswith(KEY):
            return False
        with contextlib.suppress(ValueError):  # what another version has logged says nothing here
            self._put(_owner(key), Day.decode(value))
        return True

    def parts(self) -> dict[str, Part]:
        return {
            f"{PARTS}{number}": Part(self._versions[number], partial(self._encode, number))
            for number, shard in enumerate(self._shards)
            if shard
        }

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `parts` gave."""
        for name, blob in parts.items():
            head, _, days = blob.partition(b"\n")
            known = orjson.loads(head)
            self._versions[int(name.removeprefix(PARTS))] = known["version"]
            start = 0
            for profile, entity, size in known["days"]:
                self._put((profile, entity), Day.decode(days[start : start + size]))
                start += size

    def __len__(self) -> int:
        return len(self._days)

    def _samples(self, judged: Sequence[Judged], loading: Loading) -> Iterator[_Sample]:
        """The windows that may be counted: all that end when one is due, or later."""
        for number, one in enumerate(judged):
            if one.by is None or one.said.role != CHAMPION:
                continue
            block, rows = one.block, one.rows.tolist()
            times = block.window_end[one.rows].tolist()
            chosen = [
                place
                for place, (row, time) in enumerate(zip(rows, times, strict=True))
                if (day := self._days.get((block.profile, block.entity[row]))) is None or time >= day.due
            ]
            if chosen:
                at = np.array(chosen)
                cells = loading.model(one.by.bundle, ALL).cells(one.by.values[at], one.by.places.take(at))
                for place, row_cells in zip(chosen, cells, strict=True):
                    yield _Sample(int(block.at[rows[place]]), number, place, times[place], row_cells)

    def _count(self, sample: _Sample, one: Judged, offset: int, loading: Loading, found: Watched) -> None:
        assert one.by is not None
        owner = one.block.profile, one.block.entity[int(one.rows[sample.place])]
        version, day = bytes.fromhex(one.by.bundle.version), self._days.get(owner)
        if day is not None and sample.time < day.due:
            return
        if day is None or day.version != version or day.number < sample.time // _DAY_US:
            if day is not None and day.version == version and day.windows >= LEAST:
                found.records.append((sample.record, self._record(owner, day, one.by.bundle, loading, found)))
            day = Day(version, sample.time, 0, np.zeros((len(sample.cells), CELLS), np.uint8))
            self._put(owner, day)
        score = float(one.scored.score[sample.place])
        day.last, day.due = sample.time, next_due(owner, sample.time)
        day.windows += 1
        day.anomalous += score >= 1.0
        day.total += score
        day.cells[np.arange(len(sample.cells)), sample.cells] += 1
        self._versions[_shard(owner)] = offset
        found.logged.append((sample.record, _key(owner), day.encode()))

    def _record(self, owner: Owner, day: Day, bundle: Bundle, loading: Loading, found: Watched) -> dict[str, Any]:
        model = loading.model(bundle, ALL)
        reference = model.reference
        indices = reference.indices(day.cells)
        names = [model.used.names[column] for column in reference.columns.tolist()]
        order = np.argsort(-indices, kind="stable")
        shifted = [names[place] for place in order[reference.shifted(indices)[order]].tolist()]
        found.shifted += bool(shifted)
        return {
            "entity": owner[1],
            "time": (day.number + 1) * _DAY_US,
            "profile": owner[0],
            "scope": bundle.manifest.scope,
            "version": bundle.version,
            "psi": [
                {"feature": name, "psi": psi, "usual": usual}
                for name, psi, usual in zip(names, indices.tolist(), reference.usual.tolist(), strict=True)
            ],
            "score_mean": day.total / day.windows,
            "alarm_rate": day.anomalous / day.windows,
            "shifted": shifted,
            "windows": day.windows,
        }

    def _forget(self, record: int, offsets: NDArray[np.int64], days: NDArray[np.int64], found: Watched) -> None:
        """Drop what was not counted for so many days before that which the record has begun."""
        last = int(days[record + 1]) - _FORGET_DAYS
        for owner in sorted(owner for owner, day in self._days.items() if day.number < last):
            del self._days[owner]
            self._shards[_shard(owner)].discard(owner)
            self._versions[_shard(owner)] = int(offsets[record])
            found.logged.append((record, _key(owner), None))

    def _put(self, owner: Owner, day: Day) -> None:
        self._days[owner] = day
        self._shards[_shard(owner)].add(owner)

    def _encode(self, number: int) -> bytes:
        """A line of JSON with whose days follow, and how long each is, and the days."""
        owners = sorted(self._shards[number])
        days = [self._days[owner].encode() for owner in owners]
        whose = [(*owner, len(day)) for owner, day in zip(owners, days, strict=True)]
        return b"\n".join((orjson.dumps({"version": self._versions[number], "days": whose}), b"".join(days)))


@dataclass(frozen=True, slots=True, order=True)
class _Sample:
    """A window that may be counted: of which record and judgement, its row there, its end and cells (d,)."""

    record: int
    judged: int
    place: int
    time: int = field(compare=False)
    cells: NDArray[np.uint8] = field(compare=False)


def _key(owner: Owner) -> bytes:
    return KEY + orjson.dumps(owner)


def _owner(key: bytes) -> Owner:
    profile, entity = orjson.loads(key.removeprefix(KEY))
    return profile, entity


def _shard(owner: Owner) -> int:
    return zlib.crc32("\x1f".join(owner).encode("utf-8", "surrogatepass")) % SHARDS


assert MOST_FEATURES < 256, "a day's counts tell their number of features in a byte"
