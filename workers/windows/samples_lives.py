"""Which slot an event belongs to: entities come, are forgotten after a while, and make room for others at the cap."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Strings


class Slots(Protocol):
    """Entities in slots. By slot: `active`, the offset of the newest event, and `expires`, when it is too long ago."""

    slots: dict[str, int]

    @property
    def active(self) -> NDArray[np.int64]: ...

    @property
    def expires(self) -> NDArray[np.int64]: ...

    def add(self, name: str) -> int:
        """A blank slot for an entity that has none."""
        ...

    def detach(self, slot: int) -> None:
        """Let the entity's name be taken by a new slot, while this one lives on until it is dropped."""
        ...


@dataclass(frozen=True, slots=True)
class Comers:
    """Events of one batch as far as it matters who sent them, in record order."""

    entity: Strings
    record: NDArray[np.int64]
    offset: NDArray[np.int64]
    time: NDArray[np.int64]
    lasting: NDArray[np.bool_]  # more than a sign of life
    before: NDArray[np.int64]  # the watermark before the event's record


@dataclass(slots=True)
class Lives:
    """Slot of each event (-1: nobody's), slots whose life ends at a record of the batch, and who of them had to make
    room (the others were away too long)."""

    slot: NDArray[np.int64]
    ended: dict[int, int] = field(default_factory=dict)  # slot: record
    evicted: set[int] = field(default_factory=set)


def assign(entities: Slots, comers: Comers, span: int, most: int, memory: int) -> Lives:
    """Give every event its entity's slot, making new ones. At most `most` entities are known at any record.

    Events that are only a sign of life make nobody known. Where there is no room, whoever sent last longest ago (in
    record order) goes. The rules look at one record after another; the quick way is taken where they cannot bite.
    `span` is how far the batch moves the watermark, `memory` how far beyond an event's time its entity is known; an
    event may be no older than half of that.
    """
    values, codes = comers.entity.values, comers.entity.codes
    known = {int(code): entities.slots.get(values[code], -1) for code in np.unique(codes)}
    fresh = [code for code in np.unique(codes[comers.lasting]).tolist() if known[code] < 0]
    held = [slot for slot in known.values() if slot >= 0]
    expires = entities.expires[held].min() if held else np.int64(0)
    if len(entities.slots) + len(fresh) > most or span >= memory // 2 or (held and expires <= comers.before[-1]):
        return _one_by_one(entities, comers, most, memory)
    for code in fresh:
        known[code] = entities.add(values[code])
    table = np.full(max(known, default=0) + 1, -1, np.int64)
    table[list(known)] = list(known.values())
    slot = table[codes]
    rows = np.flatnonzero(comers.lasting)
    np.maximum.at(entities.active, slot[rows], comers.offset[rows])
    np.maximum.at(entities.expires, slot[rows], comers.time[rows] + memory)
    return Lives(slot)


def _one_by_one(entities: Slots, comers: Comers, most: int, memory: int) -> Lives:
    lives = Lives(np.full(len(comers.record), -1, np.int64))
    active = entities.active
    by_activity = OrderedDict.fromkeys(sorted(entities.slots.values(), key=lambda slot: (active[slot], slot)))
    for i, code in enumerate(comers.entity.codes):
        name, before = comers.entity.values[code], comers.before[i]
        slot = entities.slots.get(name, -1)
        if slot >= 0 and entities.expires[slot] <= before:
            _end(entities, lives, by_activity, slot, int(comers.record[i]))
            slot = -1
        if slot < 0 and comers.lasting[i]:
            _make_room(entities, lives, by_activity, int(comers.record[i]), int(before), most)
            slot = entities.add(name)
        lives.slot[i] = slot
        if comers.lasting[i]:
            entities.active[slot] = comers.offset[i]
            entities.expires[slot] = max(int(entities.expires[slot]), int(comers.time[i]) + memory)
            by_activity[slot] = None
            by_activity.move_to_end(slot)
    return lives


def _make_room(
    entities: Slots, lives: Lives, by_activity: OrderedDict[int, None], record: int, before: int, most: int
) -> None:
    if len(by_activity) < most:
        return
    expired = [slot for slot in by_activity if entities.expires[slot] <= before]
    for slot in expired:
        _end(entities, lives, by_activity, slot, record)
    while len(by_activity) >= most:
        slot = next(iter(by_activity))
        _end(entities, lives, by_activity, slot, record)
        lives.evicted.add(slot)


def _end(entities: Slots, lives: Lives, by_activity: OrderedDict[int, None], slot: int, record: int) -> None:
    """The slot lives on up to `record`, for what time still does to it; its name is free."""
    lives.ended[slot] = record
    del by_activity[slot]
    entities.detach(slot)
