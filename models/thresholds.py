"""A threshold that each entity finds for itself, without labels, and keeps.

Calibration says how rare a score was in training. Levels drift, training data holds anomalies, and one rate of false
alarms does not fit all machines; so what counts is how often an entity *itself* has come to a level lately. An episode
at a level starts with a score that reaches it after more than an hour of none. Were episodes exchangeable, the next one
would exceed the k-th highest of n with a chance of k in n + 1, whatever the tail: the threshold is the lowest level
that episodes have reached no more often than the stated number of times a day.

With the episodes counted so far, each by exp(−age / 14 days), over the days so far, weighted alike (at most 14); the
held-out scores of training as three more days; and as another three what calibration promises, with less trust the
further out: a rarity of α^s as α^(0.3·s). What lies 30 % beyond the boundary fires at once, until that too comes twice
as often as it may. An episode counts once, however long: an outage of two days teaches nothing but that it happened.

Where training was full of anomalies this would take them for false alarms. But noise that often comes to one level
comes to a higher one less often, and anomalies do not: where the held-out scores come to a level three times as often
as stated, and hardly less often to one 30 % above it, a gap lies between both, and the threshold does not rise beyond
its beginning. The same holds where training found and left out anomalies half as often as stated: what is like them is
no false alarm, and some will be among the held-out scores. Where a valley lies between those and the usual ones
(`models.populations`), the threshold may rise to its middle.

When to give up is stated too: a level that was reached in more than half of the minutes that have scores, each weighed
by exp(−age / 4 days) and a day of none added, is the new normal, and the threshold 30 % above it until that has passed.
So an outage of two days is flagged to its end, and a change for good for about four. What comes and goes is not normal,
even if it comes in every hour.

The search for the level goes from the top down: low levels are exceeded without a pause, have few starts and look
quiet. `docs/detection.md` has the figures, and what else was tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import LARGEST
from models.ranking import REMEMBERED_FROM, faded

Values = NDArray[np.float64]

LEVELS: Values = np.append(
    np.round(np.arange(0.5, 2.0001, 0.05), 2), (2.25, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
)
"""Anomaly scores, as calibrated, that are told apart: from half of what training would have the boundary be."""

QUIET_MINUTES = 60
MEMORY_HOURS = 14 * 24
TRAINING_DAYS = 3.0
PROMISED_DAYS = 3.0
FLATTENED = 0.3
AT_ONCE = 1.3
NORMAL_MEMORY_HOURS = 4 * 24
NORMAL_SHARE = 0.5
NORMAL_DOUBT_HOURS = 24.0
ABOVE_NORMAL = 1.3
"""So that what has become normal is published as clean: 1 / 1.3 is below where incidents resolve. Scores end at 10, so
beyond a normal of 8 nothing is flagged: what was learned says nothing about such an entity any more."""

GAP_FROM, GAP, SAME, OFTEN, KNOWN = 0.9, 1.3, 0.85, 3.0, 0.5
"""A gap begins at a level of at least `GAP_FROM`; its end is so many times as far, and that share of the episodes that
reach its beginning reach it, which are `OFTEN` times as many as stated. Where training left out `KNOWN` times as many
as stated, it begins at `GAP_FROM`."""

_HOUR_US, _MINUTE_US, _HOUR_MINUTES, _DAY_HOURS = 3_600_000_000, 60_000_000, 60, 24
_NEVER = -(1 << 31)
_LATEST_MINUTE, _MOST_PENDING = (1 << 31) - 1, 255


@dataclass(frozen=True, slots=True)
class Series:
    """Whose each of n rows is (entity codes), and when (epoch microseconds), in time order within each entity."""

    entity: NDArray[np.int32]
    time: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp]) -> Series:
        return Series(self.entity[rows], self.time[rows])


def episode_rates(score: Values, series: Series, rows_a_day: float) -> Values:
    """(levels,) episodes a day and entity of n held-out scores.

    `rows_a_day` is that of the whole series, of which these rows may be a thinned part. Less than three days count as
    three: one burst in a held-out hour does not make it come every hour.
    """
    order = np.lexsort((series.time, series.entity))
    entity, minute = series.entity[order], series.time[order] // _MINUTE_US
    days = max(len(minute) / rows_a_day, TRAINING_DAYS)
    return _episodes(np.ascontiguousarray(score[order]), entity, minute, LEVELS) / days


def episodes_in(series: Series) -> float:
    """How many episodes these rows are."""
    order = np.lexsort((series.time, series.entity))
    minute = series.time[order] // _MINUTE_US
    return float(_episodes(np.ones(len(order)), series.entity[order], minute, np.ones(1))[0])


def noise_below(episodes: Values, target: float) -> float:
    """The lowest level that held-out scores reach in half as many episodes (levels,) a day as stated, or fewer.

    Half, since the highest of the noise has been left out along with the anomalies. `AT_ONCE` at most.
    """
    return min(_lowest(episodes, 1.0, 0.5 * target, LEVELS), AT_ONCE)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a model expects of any of its entities: `weighed` (levels,) the episodes of training and calibration with
    their weight in days, `target`, how many alarms a day there may be, `gap`, the beginning of that between noise and
    the many anomalies that training had, infinite without one, and `minutes`, those of an hour that have a score.
    """

    weighed: Values
    target: float
    gap: float = math.inf
    minutes: float = float(_HOUR_MINUTES)

    @classmethod
    def of(
        cls, episodes: Values, alpha: float, rows_a_day: float, known: float = 0.0, valley: float = math.inf
    ) -> Self:
        """From the episodes a day of held-out scores, the nominal share of flagged rows and the rows a day.

        `known`: how often a day training had anomalies that it left out; `valley`: the score before a second
        population, infinite without one.
        """
        target = alpha * rows_a_day
        promised = target * alpha ** (FLATTENED * (LEVELS - 1.0))
        weighed = TRAINING_DAYS * episodes + PROMISED_DAYS * promised
        gap = GAP_FROM if known >= KNOWN * target else _gap(episodes, target)
        if math.isfinite(valley):
            gap = max(GAP_FROM, valley)
        return cls(weighed, target, gap, min(rows_a_day / _DAY_HOURS, float(_HOUR_MINUTES)))


def published(score: Values, threshold: Values) -> Values:
    """(n,) the score, 0 … 10, with 1.0 at the threshold: in proportion below, above it each unit as rare as before."""
    above: Values = np.minimum(1.0 + (score - threshold), LARGEST)
    return np.where(score < threshold, score / threshold, above)


class Thresholds:
    """The thresholds of many entities, by slots. Memory: about 630 bytes a slot.

    A slot's state is `first` and `seen` (the hour of the first and of a day's first score), `hour` (up to which
    `counted` and `held` hold the weighted episodes and minutes), since then `pending` (episodes), `reached` (minutes)
    and `last` (minute at which each level was reached last), and the `recalled` mean of the members with its minute,
    `recalled_at` (`models.ranking`). A threshold holds for an hour of event time and follows from what came before it.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._first = np.full(capacity, _NEVER, np.int32)
        self._seen = np.full(capacity, _NEVER, np.int32)
        self._hour = np.full(capacity, _NEVER, np.int32)
        self._recalled = np.zeros(capacity, np.float32)
        self._recalled_at = np.full(capacity, _NEVER, np.int32)
        self._counted = np.zeros((capacity, len(LEVELS)), np.float32)
        self._held = np.zeros((capacity, len(LEVELS)), np.float32)
        self._pending = np.zeros((capacity, len(LEVELS)), np.uint8)
        self._reached = np.zeros((capacity, len(LEVELS)), np.uint8)
        self._last = np.full((capacity, len(LEVELS)), _NEVER, np.int32)
        # Not state but what was last derived from it: a slot's threshold, and for which hour and expectation.
        self._threshold = np.ones(capacity)
        self._for_hour = np.full(capacity, _NEVER, np.int32)
        self._for_model = np.full(capacity, -1, np.int32)
        self._weighed = np.empty((1, len(LEVELS)))
        self._target = np.empty(1)
        self._gap = np.empty(1)
        self._minutes = np.empty(1)
        self._models: dict[str, int] = {}

    def expect(self, model: str, expectation: Expectation) -> None:
        """Make a model's expectation known; once for each version."""
        number = self._models.setdefault(model, len(self._models))
        if number == len(self._target):  # doubled: every entity may have a model of its own
            self._weighed = np.concatenate((self._weighed, np.empty_like(self._weighed)))
            self._target = np.concatenate((self._target, np.empty_like(self._target)))
            self._gap = np.concatenate((self._gap, np.empty_like(self._gap)))
            self._minutes = np.concatenate((self._minutes, np.empty_like(self._minutes)))
        self._weighed[number], self._target[number] = expectation.weighed, expectation.target
        self._gap[number], self._minutes[number] = expectation.gap, expectation.minutes

    def knows(self, model: str) -> bool:
        return model in self._models

    def model_code(self, model: str) -> int:
        """The number of a model that has been made known."""
        return self._models[model]

    def step(
        self,
        slot: NDArray[np.int64],
        time: NDArray[np.int64],
        score: Values,
        mean: Values,
        model: NDArray[np.int64],
        learn: NDArray[np.bool_],
    ) -> tuple[Values, Values, NDArray[np.bool_]]:
        """For each of n scores in order: the threshold in force, the mean recalled (0: none), and whether the slot's
        state changed with it.

        `mean` is that of the members' scores; `time` in epoch microseconds; `model` by `model_code`; where `learn` is
        false the state stays as it is.
        """
        self.hold(int(slot.max(initial=-1)) + 1)
        return _step(
            slot,
            time,
            score,
            mean,
            model,
            learn,
            LEVELS,
            self._weighed,
            self._target,
            self._gap,
            self._minutes,
            self._first,
            self._seen,
            self._hour,
            self._recalled,
            self._recalled_at,
            self._counted,
            self._held,
            self._pending,
            self._reached,
            self._last,
            self._threshold,
            self._for_hour,
            self._for_model,
        )

    def unseen_since(self, time: int, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of these slots that had a score, but none since the day before that time (epoch microseconds)."""
        seen = self._seen[slots]
        gone: NDArray[np.int64] = slots[(seen != _NEVER) & (seen < time // _HOUR_US - _DAY_HOURS)]
        return gone

    def clear(self, slot: int) -> None:
        """Forget a slot; it may be another's then."""
        for column in (self._first, self._seen, self._hour, self._recalled_at, self._for_hour):
            column[slot] = _NEVER
        self._recalled[slot] = 0.0
        self._counted[slot], self._held[slot], self._last[slot] = 0.0, 0.0, _NEVER
        self._pending[slot], self._reached[slot] = 0, 0

    def encode(self, slot: int) -> bytes:
        """The state of a slot, SIZE bytes."""
        return self.encode_all(np.array([slot]))

    def encode_all(self, slots: NDArray[np.int64]) -> bytes:
        """The states of n slots, column by column, n · SIZE bytes."""
        return b"".join(getattr(self, name)[slots].astype(kind).tobytes() for name, kind in _STORED)

    def decode_all(self, slots: NDArray[np.int64], blob: bytes) -> None:
        """Take over what `encode_all` gave. Raises ValueError for anything of another size."""
        if len(blob) != SIZE * len(slots):
            raise ValueError(f"{len(slots)} thresholds' states are {SIZE * len(slots)} bytes, not {len(blob)}")
        self.hold(int(slots.max(initial=-1)) + 1)
        start = 0
        for name, kind in _STORED:
            column = getattr(self, name)
            shape = (len(slots), *column.shape[1:])
            count = int(np.prod(shape))
            column[slots] = np.frombuffer(blob, kind, count, start).reshape(shape)
            start += count * np.dtype(kind).itemsize
        self._for_hour[slots] = _NEVER

    def decode(self, slot: int, blob: bytes) -> None:
        """Take over what `encode` gave. Raises ValueError for anything of another size."""
        self.decode_all(np.array([slot]), blob)

    def hold(self, size: int) -> None:
        """Make room for the slots below `size`; new ones are empty."""
        held = len(self._first)
        if size <= held:
            return
        more = Thresholds(max(size, 2 * held) - held)
        for name in _COLUMNS:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(more, name))))


SIZE = 20 + 14 * len(LEVELS)

_STORED = (
    ("_first", "<i4"),
    ("_seen", "<i4"),
    ("_hour", "<i4"),
    ("_recalled", "<f4"),
    ("_recalled_at", "<i4"),
    ("_counted", "<f4"),
    ("_held", "<f4"),
    ("_last", "<i4"),
    ("_reached", "u1"),
    ("_pending", "u1"),
)
_COLUMNS = (*(name for name, _ in _STORED), "_threshold", "_for_hour", "_for_model")


@njit(cache=True)
def _episodes(score: Values, entity: NDArray[np.int32], minute: NDArray[np.int64], levels: Values) -> Values:
    """How many episodes at each level there are in scores ordered by entity and time."""
    counts = np.zeros(len(levels))
    last = np.full(len(levels), _NEVER, np.int64)
    for i in range(len(score)):
        if i > 0 and entity[i] != entity[i - 1]:
            last[:] = _NEVER
        for k in range(len(levels)):
            if score[i] < levels[k]:
                break
            counts[k] += minute[i] - last[k] > QUIET_MINUTES
            last[k] = minute[i]
    return counts


@njit(cache=True)
def _lowest(counted: Values, days: float, target: float, levels: Values) -> float:
    """The lowest level above the highest one that was reached more than `target` times a day."""
    for k in range(len(levels) - 1, -1, -1):
        if counted[k] > target * days:
            return float(levels[min(k + 1, len(levels) - 1)])
    return float(levels[0])


@njit(cache=True)
def _weight(hours: int, memory: float) -> float:
    """The sum of exp(−age / memory) over the last so many hours."""
    fade = math.exp(-1.0 / memory)
    return fade * (1.0 - fade**hours) / (1.0 - fade)


@njit(cache=True)
def _fold(
    s: int,
    hour: int,
    until: NDArray[np.int32],
    counted: NDArray[np.float32],
    held: NDArray[np.float32],
    pending: NDArray[np.uint8],
    reached: NDArray[np.uint8],
    last: NDArray[np.int32],
    episodes: Values,
    minutes: Values,
) -> None:
    """A slot's weighted episodes and minutes at the start of `hour`, with what the hour `until` brought."""
    age = hour - until[s]
    fade, faster = math.exp(-age / MEMORY_HOURS), math.exp(-age / NORMAL_MEMORY_HOURS)
    for k in range(len(episodes)):
        more, held_too = np.int64(0), np.int64(0)
        if age > 0:
            more, held_too = np.int64(pending[s, k]), np.int64(reached[s, k])
        # Rounded as they are stored: a threshold found anew from what was stored must be the same.
        episodes[k] = np.float32((counted[s, k] + more) * fade)
        minutes[k] = np.float32((held[s, k] + held_too) * faster)


def _gap(episodes: Values, target: float) -> float:
    """The beginning of the lowest gap in the episodes a day at each level; infinite without one."""
    for k in np.flatnonzero((LEVELS >= GAP_FROM) & (episodes > OFTEN * target)).tolist():
        end = int(np.searchsorted(LEVELS, GAP * LEVELS[k]))
        if end < len(LEVELS) and (episodes[k : end + 1] >= SAME * episodes[k]).all():
            return float(LEVELS[k])
    return math.inf


@njit(cache=True)
def _find(
    hours_seen: int,
    episodes: Values,
    hours: Values,
    weighed: Values,
    target: float,
    gap: float,
    levels: Values,
) -> float:
    """The threshold for an hour, from the weighted episodes at its start, which are used up, and the hours at each
    level.
    """
    for k in range(len(levels)):
        episodes[k] += weighed[k]
    days = _weight(hours_seen, MEMORY_HOURS) / _DAY_HOURS + TRAINING_DAYS + PROMISED_DAYS
    usual = _lowest(episodes, days, target, levels)
    found = min(usual, max(AT_ONCE, _lowest(episodes, days, 2.0 * target, levels)), gap)
    doubted = _weight(hours_seen, NORMAL_MEMORY_HOURS) + NORMAL_DOUBT_HOURS
    for k in range(len(levels) - 1, -1, -1):
        if hours[k] > NORMAL_SHARE * doubted:
            return max(found, ABOVE_NORMAL * float(levels[k]))
    return found


@njit(cache=True)
def _step(
    slot: NDArray[np.int64],
    time: NDArray[np.int64],
    score: Values,
    mean: Values,
    model: NDArray[np.int64],
    learn: NDArray[np.bool_],
    levels: Values,
    weighed: Values,
    target: Values,
    gap: Values,
    an_hour: Values,
    first: NDArray[np.int32],
    seen: NDArray[np.int32],
    until: NDArray[np.int32],
    recalled: NDArray[np.float32],
    recalled_at: NDArray[np.int32],
    counted: NDArray[np.float32],
    held: NDArray[np.float32],
    pending: NDArray[np.uint8],
    reached: NDArray[np.uint8],
    last: NDArray[np.int32],
    threshold: Values,
    for_hour: NDArray[np.int32],
    for_model: NDArray[np.int32],
) -> tuple[Values, Values, NDArray[np.bool_]]:
    n = len(slot)
    out, remembered, changed = np.empty(n), np.zeros(n), np.zeros(n, np.bool_)
    episodes, minutes = np.empty(len(levels)), np.empty(len(levels))
    for i in range(n):
        s = slot[i]
        hour = time[i] // _HOUR_US
        minute = min(time[i] // _MINUTE_US, _LATEST_MINUTE)
        if recalled[s] > 0.0:
            remembered[i] = faded(np.float64(recalled[s]), minute - np.int64(recalled_at[s]))
        if learn[i] and mean[i] >= REMEMBERED_FROM and mean[i] >= remembered[i]:
            recalled[s], recalled_at[s] = np.float32(mean[i]), minute
            remembered[i] = recalled[s]
            changed[i] = True
        if learn[i] and first[s] == _NEVER:
            first[s], until[s] = hour, hour
            changed[i] = True
        if first[s] == _NEVER:
            out[i] = 1.0
            continue
        hour = max(hour, np.int64(until[s]))  # a late score counts with those of the newest hour
        if for_hour[s] != hour or for_model[s] != model[i]:
            _fold(s, hour, until, counted, held, pending, reached, last, episodes, minutes)
            hours = minutes / an_hour[model[i]]
            threshold[s] = _find(
                hour - first[s], episodes, hours, weighed[model[i]], target[model[i]], gap[model[i]], levels
            )
            for_hour[s], for_model[s] = hour, model[i]
        out[i] = threshold[s]
        if not learn[i]:
            continue
        if hour // _DAY_HOURS > seen[s] // _DAY_HOURS:
            seen[s] = hour
            changed[i] = True
        if score[i] < levels[0]:
            continue
        changed[i] = True
        if hour > until[s]:
            _fold(s, hour, until, counted, held, pending, reached, last, episodes, minutes)
            for k in range(len(levels)):
                counted[s, k], held[s, k] = np.float32(episodes[k]), np.float32(minutes[k])
                pending[s, k], reached[s, k] = 0, 0
            until[s] = hour
        for k in range(len(levels)):
            if score[i] < levels[k]:
                break
            if minute - np.int64(last[s, k]) > QUIET_MINUTES and pending[s, k] < _MOST_PENDING:
                pending[s, k] += 1
            if minute > np.int64(last[s, k]) and reached[s, k] < _HOUR_MINUTES:
                reached[s, k] += 1
            last[s, k] = max(np.int64(last[s, k]), minute)
    return out, remembered, changed
