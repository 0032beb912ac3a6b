"""Drift watched live: for every entity a window in some ten minutes is counted, and each day gives a record.

A day's record is written at the first window counted of a later day. It says how far the day lies from what the
champion was trained on (`models.drift`), its mean score and how many windows were anomalous. A day in which the
champion changed begins anew with it. When a window counts, and how it is logged: `workers.scoring.sampled`.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.drift import CELLS, LEAST, MOST_FEATURES
from models.periods import ALL
from workers.scoring.judged import Judged
from workers.scoring.loading import Loading
from workers.scoring.sampled import DAY_US, Entry, Owner, Sampled, days_begun, next_due
from workers.scoring.scores import CHAMPION

_HEAD = struct.Struct("<16sqqBBdB")
"""Version, time of the last window counted, when the next is due, windows, anomalous ones, sum of scores, features."""


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
        return self.last // DAY_US

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
    logged: list[Entry] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """For the metrics: sums of what the records say, of which shares and means follow; thousandths to be whole."""
        found: Counter[str] = Counter()
        for _, record in self.records:
            windows = record["windows"]
            found["drift_records"] += 1
            found["drift_shifted"] += bool(record["shifted"])
            found["drift_windows"] += windows
            found["drift_anomalous"] += round(windows * record["alarm_rate"])
            found["drift_score_thousandths"] += round(1_000 * windows * record["score_mean"])
            found["drift_features"] += len(record["psi"])
            found["drift_features_shifted"] += len(record["shifted"])
            found["drift_psi_thousandths"] += round(1_000 * sum(one["psi"] for one in record["psi"]))
        return found


class DriftWatch:
    """The days of one partition's entities. Memory: about 400 bytes for each, and thirteen for each watched feature."""

    def __init__(self) -> None:
        self.kept = Sampled("drift", Day.decode)

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
        days, begun = days_begun(watermarks)
        for sample in sorted(self._samples(judged, loading)):
            found.logged += self.kept.forget(begun, sample.record, offsets, days)
            self._count(sample, judged[sample.judged], int(offsets[sample.record]), loading, found)
        found.logged += self.kept.forget(begun, len(offsets), offsets, days)
        return found

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
                if (day := self.kept.get((block.profile, block.entity[row]))) is None or time >= day.due
            ]
            if chosen:
                at = np.array(chosen)
                cells = loading.model(one.by.bundle, ALL).cells(one.by.values[at], one.by.places.take(at))
                for place, row_cells in zip(chosen, cells, strict=True):
                    yield _Sample(int(block.at[rows[place]]), number, place, times[place], row_cells)

    def _count(self, sample: _Sample, one: Judged, offset: int, loading: Loading, found: Watched) -> None:
        assert one.by is not None
        owner = one.block.profile, one.block.entity[int(one.rows[sample.place])]
        version, day = bytes.fromhex(one.by.bundle.version), self.kept.get(owner)
        if day is not None and sample.time < day.due:
            return
        if day is None or day.version != version or day.number < sample.time // DAY_US:
            if day is not None and day.version == version and day.windows >= LEAST:
                found.records.append((sample.record, self._record(owner, day, one.by.bundle, loading)))
            day = Day(version, sample.time, 0, np.zeros((len(sample.cells), CELLS), np.uint8))
        score = float(one.scored.score[sample.place])
        day.last, day.due = sample.time, next_due(owner, sample.time)
        day.windows += 1
        day.anomalous += score >= 1.0
        day.total += score
        day.cells[np.arange(len(sample.cells)), sample.cells] += 1
        found.logged.append(self.kept.put(owner, day, sample.record, offset))

    def _record(self, owner: Owner, day: Day, bundle: Bundle, loading: Loading) -> dict[str, Any]:
        model = loading.model(bundle, ALL)
        reference = model.reference
        indices = reference.indices(day.cells)
        names = [model.used.names[column] for column in reference.columns.tolist()]
        order = np.argsort(-indices, kind="stable")
        shifted = [names[place] for place in order[reference.shifted(indices)[order]].tolist()]
        return {
            "entity": owner[1],
            "time": (day.number + 1) * DAY_US,
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


@dataclass(frozen=True, slots=True, order=True)
class _Sample:
    """A window that may be counted: of which record and judgement, its row there, its end and cells (d,)."""

    record: int
    judged: int
    place: int
    time: int = field(compare=False)
    cells: NDArray[np.uint8] = field(compare=False)


assert MOST_FEATURES < 256, "a day's counts tell their number of features in a byte"
