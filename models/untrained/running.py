"""An online detector: samples of any metrics against the errors that the same entity's samples have had so far.

Each of a metric's last samples (`models.views.SEQUENCE`) is foretold to be as the one before it. What is learned, from
a vector in some ten minutes, is how far off that usually is: running mean squares, in which a vector counts for about
fourteen days. An entity's score is the root mean square of its errors in usual ones, with the boundary at three; of one
metric alone it is at twenty, so that a single one of many may be trouble, too.

It begins where six hours are known, and sees how trouble begins and ends. Half-space trees (Tan, Ting and Liu 2011) see
less and remember more (docs/detection.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import orjson
from numba import njit
from numpy.typing import NDArray

from models.scored import TOP, Reasons, Scored
from models.views import SEQUENCE, unrolled

Values = NDArray[np.float64]
NEEDED = 36
"""Vectors to learn from before a metric is judged: six hours."""

MEMORY = 14 * 144
"""Vectors that the running means are over."""

BOUNDARY, ALONE = 3.0, 20.0
"""Usual errors that score 1.0, of all metrics together and of one alone."""

LIMIT = 20.0
"""Beside others an error counts so many usual ones at most, and it teaches no more."""

LEAST = 0.1
"""Least usual error, in running standard deviations of the metric: rounding is no surprise."""

STILL = 4.0
"""Usual errors that the first move of a metric counts which never moved."""

ROUNDING = 1e-9
"""Share of its mean below which a metric has not moved: its last samples are read from means."""

MOST_METRICS = 100
"""An entity's first metrics by name: what is remembered has a bound."""

HUGE = 1e150
"""Beyond it squares are no numbers; such samples are passed over as missing ones are."""

LARGEST = 10.0
NOTE = "untrained: scored against its own errors so far"

RUN = len(SEQUENCE)
COUNT, MEAN, VARIANCE, ERRORS = 0, 1, 2, 3
WIDTH = ERRORS + RUN - 1


@dataclass(frozen=True, slots=True)
class Columns:
    """Metrics of which a vector has the whole sequence: their names, and where it stands, (m, RUN)."""

    metrics: tuple[str, ...]
    at: NDArray[np.int64]

    def sequences(self, values: Values) -> Values:
        """(n, m, RUN) the last samples, oldest first, NaN where one cannot be told."""
        return unrolled(np.ascontiguousarray(values[:, self.at.ravel()])).reshape(len(values), -1, RUN)


def find_columns(names: tuple[str, ...]) -> Columns | None:
    """None where no metric has the statistics that are read."""
    place = {name: i for i, name in enumerate(names)}
    found: dict[str, list[int]] = {}
    for name in sorted(one for one in names if "__" not in one):
        run = [place.get(f"{name}__{part}" if part else name, -1) for part in SEQUENCE]
        if min(run) >= 0 and len(found) < MOST_METRICS:
            found[name] = run
    return Columns(tuple(found), np.array(list(found.values()), np.int64)) if found else None


@dataclass(frozen=True, slots=True)
class Usual:
    """What is known of an entity by its vectors up to the one that ended at `last` (µs); none teaches before `due`.

    `stats` (m, WIDTH) of its `metrics`: vectors learned from, mean and variance of the newest samples, and mean squared
    errors of the steps, oldest first.
    """

    last: int
    due: int
    metrics: tuple[str, ...]
    stats: Values

    @classmethod
    def blank(cls, metrics: tuple[str, ...]) -> Self:
        return cls(0, 0, metrics, np.zeros((len(metrics), WIDTH)))

    def of(self, metrics: tuple[str, ...]) -> Values:
        """The stats of these metrics, blank where one is not known."""
        if metrics == self.metrics:
            return self.stats
        place = {name: i for i, name in enumerate(self.metrics)}
        found = np.zeros((len(metrics), WIDTH))
        for i, name in enumerate(metrics):
            if name in place:
                found[i] = self.stats[place[name]]
        return found

    def encode(self) -> bytes:
        return orjson.dumps([self.last, self.due, self.metrics]) + b"\n" + self.stats.astype("<f8").tobytes()

    @classmethod
    def decode(cls, blob: bytes) -> Self:
        """Raises ValueError for what `encode` has not written."""
        head, _, stats = blob.partition(b"\n")
        match orjson.loads(head):
            case [int(last), int(due), [*metrics]] if all(isinstance(name, str) for name in metrics):
                pass
            case _:
                raise ValueError("what is known of an entity begins with two times and its metrics")
        found = np.frombuffer(stats, "<f8").astype(np.float64).reshape(len(metrics), WIDTH)
        return cls(last, due, tuple(metrics), found)


def learned(stats: Values, sequence: Values) -> Values:
    """The stats (m, WIDTH) with one more vector, whose sequences are (m, RUN); incomplete ones teach nothing."""
    found = stats.copy()
    _learn(found, sequence)
    return found


@dataclass(slots=True)
class Verdicts:
    """What is said of n vectors of the same columns, as they are judged one after the other; `known` says of which."""

    columns: Columns
    sequences: Values
    known: NDArray[np.bool_]
    score: Values
    parts: Values
    up: NDArray[np.bool_]
    reach: Values

    @classmethod
    def of(cls, columns: Columns, values: Values) -> Self:
        sequences = columns.sequences(values)
        n, m, _ = sequences.shape
        return cls(
            columns,
            sequences,
            np.zeros(n, np.bool_),
            np.zeros(n),
            np.zeros((n, m)),
            np.zeros((n, m), np.bool_),
            np.full((n, m), np.nan),
        )

    def judge(self, row: int, stats: Values) -> None:
        """One vector by what was usual before it."""
        judged, total, alone = _judge(stats, self.sequences[row], self.parts[row], self.up[row], self.reach[row])
        if judged:
            self.known[row] = True
            score = max(np.sqrt(total / judged) / BOUNDARY, np.sqrt(alone) / ALONE)
            self.score[row] = min(score, LARGEST)

    def over(self, other: Scored, values: Values) -> Scored:
        """These verdicts where there are any, else what the other rule says of the vectors (n, k)."""
        rows = np.flatnonzero(self.known)
        if len(rows) == 0:
            return other
        score, confidence, note = other.score.copy(), other.confidence.copy(), list(other.note)
        score[rows] = self.score[rows]
        confidence[rows] = 0.5 + 0.3 * np.minimum(np.abs(self.score[rows] - 1.0), 1.0)
        for row in rows.tolist():
            note[row] = NOTE
        reasons = other.reasons
        _put_reasons(self, rows, values, reasons)
        return Scored(score, score, confidence, reasons, note)


def _put_reasons(said: Verdicts, rows: NDArray[np.intp], values: Values, reasons: Reasons) -> None:
    parts = said.parts[rows]
    best = np.argsort(-parts, axis=1, kind="stable")[:, :TOP]
    share = np.take_along_axis(parts, best, axis=1)
    whole = np.cumsum(parts, axis=1)[:, -1:]  # from left to right, in any company
    share = np.divide(share, whole, out=np.zeros_like(share), where=whole > 0.0)
    columns = said.columns.at[best, RUN - 1]
    before = np.take_along_axis(said.sequences[rows, :, RUN - 2], best, axis=1)
    reach = np.take_along_axis(said.reach[rows], best, axis=1)
    columns = np.where(share > 0.0, columns, -1)
    places = np.ix_(rows, np.arange(best.shape[1]))
    for column in (reasons.metric, reasons.feature):
        column[rows] = -1
        column[places] = columns
    reasons.share[rows] = 0.0
    reasons.share[places] = share
    reasons.up[places] = np.take_along_axis(said.up[rows], best, axis=1)
    reasons.actual[places] = np.take_along_axis(values[rows], np.maximum(columns, 0), axis=1)
    reasons.low[places], reasons.high[places] = before - reach, before + reach


@njit(cache=True)
def _usual(stats: Values, k: int, p: int) -> float:
    """The usual error of step p of metric k; 0 where it never moved."""
    usual = max(np.sqrt(stats[k, ERRORS + p - 1]), LEAST * np.sqrt(stats[k, VARIANCE]))
    return usual if usual > ROUNDING * abs(stats[k, MEAN]) else 0.0


@njit(cache=True)
def _whole(sequence: Values, k: int) -> bool:
    whole = True
    for p in range(RUN):
        whole = whole and abs(sequence[k, p]) < HUGE  # false for NaN
    return whole


@njit(cache=True)
def _first_move(error: float, mean: float) -> float:
    return STILL if abs(error) > ROUNDING * abs(mean) else 0.0


@njit(cache=True)
def _judge(
    stats: Values, sequence: Values, parts: Values, up: NDArray[np.bool_], reach: Values
) -> tuple[int, float, float]:
    """How many metrics are judged, the sum of their parts (the mean squares of their errors in usual ones), and the
    largest of them without a limit.
    """
    judged, total, alone = 0, 0.0, 0.0
    for k in range(len(stats)):
        if stats[k, COUNT] < NEEDED or not _whole(sequence, k):
            continue
        judged += 1
        largest, whole = 0.0, 0.0
        for p in range(1, RUN):
            error, usual = sequence[k, p] - sequence[k, p - 1], _usual(stats, k, p)
            size = abs(error) / usual if usual > 0.0 else _first_move(error, stats[k, MEAN])
            whole += size * size / (RUN - 1)
            size = min(size, LIMIT)
            parts[k] += size * size / (RUN - 1)
            if size >= largest:
                largest, up[k] = size, error > 0.0
        reach[k] = BOUNDARY * _usual(stats, k, RUN - 1)
        total += parts[k]
        alone = max(alone, whole)
    return judged, total, alone


@njit(cache=True)
def _learn(stats: Values, sequence: Values) -> None:
    for k in range(len(stats)):
        if not _whole(sequence, k):
            continue
        weight = 1.0 / min(stats[k, COUNT] + 1.0, MEMORY)
        for p in range(1, RUN):
            error, usual = sequence[k, p] - sequence[k, p - 1], _usual(stats, k, p)
            if stats[k, COUNT] >= NEEDED and usual > 0.0:
                error = min(max(error, -LIMIT * usual), LIMIT * usual)
            before = stats[k, ERRORS + p - 1]
            stats[k, ERRORS + p - 1] = before + weight * (error * error - before)
        mean = stats[k, MEAN]
        off = sequence[k, RUN - 1] - mean
        variance = stats[k, VARIANCE]
        stats[k, MEAN] = mean + weight * off
        stats[k, VARIANCE] = (1.0 - weight) * (variance + weight * off * off)  # West 1979
        stats[k, COUNT] = min(stats[k, COUNT] + 1.0, MEMORY)
