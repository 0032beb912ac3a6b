"""The engine of event profiles: a vector for every API or log event, with its entity's last five minutes as context.

A vector goes out at its event's own record, not when the watermark passes: whoever scores single events wants the
answer at once, and its context is what had been read before it, so it depends on the order of records alone. An event
out of order gets its vector as well (`late_count` 1 if the watermark had passed it), and counts in the windows of those
that follow; one that is more than five minutes behind the watermark gets none. Nobody is told of silence or of skewed
events here: the `service` profile takes the same events and does that. `regular` is always false; no past day is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.event import (
    EVENT,
    EVENT_WIDTH,
    SLICE_US,
    WINDOW_US,
    EventHistory,
    Saying,
    empty_event_history,
    observe,
)
from models.features.history import NEVER, NO_ORIGIN
from models.features.levels import LEVELS
from schemas.columns import Events, Vectors
from workers.runtime.stage import NO_WATERMARK, Logged, Part
from workers.windows.engine import Emission, EnginePolicy, Timeline
from workers.windows.packing import pack, unpack
from workers.windows.profiles import Profile, ProfileError
from workers.windows.samples_lives import Comers, Lives, assign

LATENCY = "latency_ms"
BUCKET = 256
"""Entities a part; about 4 kB each."""

_MAX_LATENCY_MS = 1e8


class EventEntities:
    """Slots of entities (see `samples_lives.Slots`) with their last minutes."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.names: list[str | None] = []
        self.history: EventHistory = empty_event_history(16)
        self.life: NDArray[np.int64] = np.full((16, 2), NEVER, np.int64)
        self._free: list[int] = []

    @property
    def active(self) -> NDArray[np.int64]:
        return self.life[:, 0]

    @property
    def expires(self) -> NDArray[np.int64]:
        return self.life[:, 1]

    def add(self, name: str) -> int:
        slot = self._free.pop() if self._free else len(self.names)
        self.place(slot, name)
        return slot

    def place(self, slot: int, name: str) -> None:
        """Take a certain slot; `settle` must follow when slots in between were left out."""
        while slot >= len(self.life):
            n = len(self.life)
            grown = (np.concatenate((a, b)) for a, b in zip(self.history, empty_event_history(n), strict=True))
            self.history = EventHistory(*grown)
            self.life = np.concatenate((self.life, np.full((n, 2), NEVER, np.int64)))
        self.names.extend([None] * (slot + 1 - len(self.names)))
        self.names[slot] = name
        self.slots[name] = slot

    def settle(self) -> None:
        """Know the slots between placed ones as free."""
        self._free = [slot for slot, name in enumerate(self.names) if name is None]

    def detach(self, slot: int) -> None:
        name = self.names[slot]
        if name is not None and self.slots.get(name) == slot:
            del self.slots[name]

    def drop(self, slot: int) -> None:
        """Forget all about a slot and take it back."""
        self.detach(slot)
        for array, blank in zip(self.history, _BLANK, strict=True):
            array[slot] = blank[0]
        self.life[slot] = NEVER
        self.names[slot] = None
        self._free.append(slot)


class EventEngine:
    """An `Engine` (see there) for one profile with `emit: event` on one partition."""

    def __init__(self, profile: Profile, policy: EnginePolicy, partition: int) -> None:
        if profile.features != "event" or tuple(profile.windows) != (WINDOW_US,):
            raise ProfileError(f"profile {profile.name}: features of events are `event`, over a window of 5m")
        self._profile, self._policy = profile, policy
        self._entities = EventEntities()
        self._versions: dict[int, int] = {}
        self._watermark = NO_WATERMARK
        self._steps = 0

    def step(self, events: Events, skewed: NDArray[np.bool_], timeline: Timeline) -> Iterator[Emission]:
        """See `Engine.step`."""
        if len(timeline.after) == 0:
            return
        self._watermark = int(timeline.after[-1])
        before = timeline.before[events.record]
        lasting = ~skewed & (events.time > before - WINDOW_US)
        offset = timeline.offsets[events.record]
        comers = Comers(events.entity, events.record.astype(np.int64), offset, events.time, lasting, before)
        lives = assign(self._entities, comers, self._span(timeline), self._policy.max_entities, self._memory())
        rows, values = np.flatnonzero(lasting), np.empty((int(lasting.sum()), EVENT_WIDTH))
        place = np.zeros(len(rows), np.int64)
        if len(rows):
            latency, level, status, error = (column[rows] for column in _said(events))
            history, slot = self._entities.history, lives.slot[rows]
            times, failed = events.time[rows], error == 1.0
            _observe_all(history, slot, offset[rows], times, latency, level, status, failed, values, place)
        late = (events.time <= before)[rows]
        yield Emission(self._vectors(events, rows, values, place, late), [], [], _counts(lasting, skewed, late))
        self._finish(lives)

    def anchor(self) -> int | None:
        """First offset that any retained state depends on; None when nothing is retained."""
        h, oldest = self._entities.history, self._watermark - 2 * WINDOW_US
        known = np.array(list(self._entities.slots.values()), np.int64)
        slices = h.origin[known][(h.slice[known] + 1) * SLICE_US > oldest]
        times = h.time_origin[known][h.time[known] > oldest]
        first = min((int(column.min()) for column in (slices, times) if len(column)), default=NO_ORIGIN)
        return None if first == NO_ORIGIN else first

    def parts(self) -> Mapping[str, Part]:
        used = sorted({slot // BUCKET for slot in self._entities.slots.values()})
        parts = {f"{bucket}": Part(self._versions[bucket], self._encoder(bucket)) for bucket in used}
        return {"clock": Part(self._steps, lambda: pack({"watermark": np.array([self._watermark])})), **parts}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        self._watermark = int(unpack(parts["clock"])[0]["watermark"][0])
        for name, blob in parts.items():
            if name != "clock":
                self._restore_bucket(*unpack(blob))
        self._entities.settle()
        self._touch(np.array(list(self._entities.slots.values()), np.int64))

    def recall(self, logged: list[Logged]) -> None:
        """Nothing is logged."""

    def _memory(self) -> int:
        return max(self._policy.retire_after, 4 * WINDOW_US)

    def _span(self, timeline: Timeline) -> int:
        first = timeline.before[0] if timeline.before[0] > NO_WATERMARK else timeline.after[0]
        return int(timeline.after[-1] - first)

    def _vectors(
        self,
        events: Events,
        rows: NDArray[np.intp],
        values: NDArray[np.float64],
        place: NDArray[np.int64],
        late: NDArray[np.bool_],
    ) -> Vectors:
        time, names = events.time[rows], events.entity.values
        no = np.zeros(len(rows), np.bool_)
        return Vectors(
            at=events.record[rows],
            profile=self._profile.name,
            profile_version=self._profile.version,
            feature_set=EVENT.hash,
            names=(),
            entity=[names[code] for code in events.entity.codes[rows].tolist()],
            window_start=time - WINDOW_US,
            window_end=time,
            sequence=place,
            values=values,
            event_count=np.ones(len(rows), np.int64),
            late_count=late.astype(np.int64),
            skewed_count=np.zeros(len(rows), np.int64),
            silent=no,
            retired=no,
            regular=no,
        )

    def _finish(self, lives: Lives) -> None:
        """Forget entities whose life ended, or who sent nothing for too long."""
        self._steps += 1
        known = np.array(list(self._entities.slots.values()), np.int64)
        over = known[self._entities.expires[known] <= self._watermark]
        gone = np.concatenate((np.array(list(lives.ended), np.int64), over))
        self._touch(np.concatenate((gone, lives.slot[lives.slot >= 0])))
        for slot in gone.tolist():
            self._entities.drop(slot)

    def _touch(self, slots: NDArray[np.int64]) -> None:
        for bucket in np.unique(slots // BUCKET).tolist():
            self._versions[bucket] = self._steps

    def _encoder(self, bucket: int) -> Callable[[], bytes]:
        def encode() -> bytes:
            entities, first = self._entities, bucket * BUCKET
            stop = min(first + BUCKET, len(entities.names))
            slots = np.array([slot for slot in range(first, stop) if entities.names[slot] is not None], np.int64)
            columns: dict[str, NDArray[np.generic]] = {"slots": slots}
            columns |= {name: getattr(entities.history, name)[slots] for name in EventHistory._fields}
            columns["life"] = entities.life[slots]
            return pack(columns, [entities.names[slot] or "" for slot in slots])

        return encode

    def _restore_bucket(self, columns: dict[str, NDArray[np.generic]], names: list[str]) -> None:
        slots = columns["slots"].astype(np.int64)
        for slot, name in zip(slots.tolist(), names, strict=True):
            self._entities.place(slot, name)
        for name in EventHistory._fields:
            getattr(self._entities.history, name)[slots] = columns[name]
        self._entities.life[slots] = columns["life"]


_BLANK = empty_event_history(1)


def _counts(lasting: NDArray[np.bool_], skewed: NDArray[np.bool_], late: NDArray[np.bool_]) -> dict[str, int]:
    counts = {
        "in_panes": int(lasting.sum()),
        "late_in_closed_pane": int(late.sum()),
        "dropped_late": int((~lasting & ~skewed).sum()),
        "skewed": int(skewed.sum()),
    }
    return {name: n for name, n in counts.items() if n}


def _said(events: Events) -> list[NDArray[np.float64]]:
    """Latency, level, status and error=true (1) of each event; NaN where it does not say."""
    latency = np.full(len(events), np.nan)
    for code, name in enumerate(events.metric_name.values):
        if name == LATENCY:
            entry = np.flatnonzero(events.metric_name.codes == code)
            entry = entry[(events.metric_value[entry] >= 0.0) & (events.metric_value[entry] <= _MAX_LATENCY_MS)]
            latency[events.metric_row[entry]] = events.metric_value[entry]
    level = _attribute(events, "level", lambda text: LEVELS.get(text, math.nan))
    status = _attribute(events, "status_code", _number)
    error = _attribute(events, "error", lambda text: 1.0 if text == "true" else 0.0)
    return [latency, level, status, error]


def _attribute(events: Events, name: str, meaning: Callable[[str], float]) -> NDArray[np.float64]:
    """What an attribute of each event means (of its text without spaces, in lower case), one look-up a text."""
    found = np.full(len(events), np.nan)
    for code, attribute in enumerate(events.attr_name.values):
        if attribute == name:
            entry = np.flatnonzero((events.attr_name.codes == code) & (events.attr_value.codes >= 0))
            codes, inverse = np.unique(events.attr_value.codes[entry], return_inverse=True)
            texts = (events.attr_value.values[c].strip().lower() for c in codes.tolist())
            found[events.attr_row[entry]] = np.array([meaning(text) for text in texts])[inverse]
    return found


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


@njit(cache=True)
def _observe_all(
    h: EventHistory,
    slot: NDArray[np.int64],
    offset: NDArray[np.int64],
    time: NDArray[np.int64],
    latency: NDArray[np.float64],
    level: NDArray[np.float64],
    status: NDArray[np.float64],
    error: NDArray[np.bool_],
    values: NDArray[np.float64],
    place: NDArray[np.int64],
) -> None:
    """Take events in record order; fills a row of `values` and `place` for each."""
    for i in range(len(slot)):
        said = Saying(latency[i], level[i], status[i], error[i])
        place[i] = observe(h, slot[i], time[i], offset[i], said, values[i])
