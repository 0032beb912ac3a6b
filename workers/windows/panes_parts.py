"""The pane engine's state, and its checkpoint: entities in blocks of seats, each pane's records in parts of their own.

A pane that has closed is not written again unless a late event changes it. Windows are not written at all: they are
merged from the panes again, which gives the same totals because these are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from workers.runtime.stage import NO_WATERMARK, Part
from workers.windows import coarse, sketch
from workers.windows.packing import pack, unpack
from workers.windows.panes_store import (
    ALIVE,
    CLOSED,
    FREE_CHUNKS,
    FREE_RECORDS,
    NONE,
    Memory,
    Plan,
    add_seats,
    make_memory,
    reserve,
)
from workers.windows.panes_windows import clear_windows, count_pane
from workers.windows.roster import Roster

_BLOCK = 8192  # seats a part; keeps parts below 4 MB
_PAST_BLOCK = 2048

_SIGNS = ("sign_time", "sign_offset", "unwatched", "late", "skewed")
_LIVES = (
    "birth",
    "active_panes",
    "active_offsets",
    "active_count",
    "coarse_open",
    "coarse_cells",
    "logged",
    "logged_offset",
)
_PAST = ("coarse_newest", "coarse_ring")
_RECORD = ("cells", "first", "low", "high", "bits")


@dataclass(slots=True)
class PaneState:
    """Everything that a pane engine remembers.

    `serial` counts batches, `lives` those that closed a pane or changed who is there, `pasts` those that changed a
    coarse ring: the versions of the parts. `recalled` holds logged rings of entities that have not been seen yet.
    """

    plan: Plan
    roster: Roster
    memory: Memory
    watermark: int = NO_WATERMARK
    serial: int = 1
    lives: int = 1
    pasts: int = 1
    recalled: dict[str, coarse.Ring] = field(default_factory=dict)
    recalled_until: int = -1

    def add_seats(self, n: int) -> None:
        """n more free seats."""
        add_seats(self.memory, n)
        self.roster.add_seats(n)


def empty_state(plan: Plan) -> PaneState:
    return PaneState(plan, Roster(), make_memory(plan))


def recall(state: PaneState, rings: Mapping[str, coarse.Ring]) -> None:
    """Keep logged rings until their entities appear."""
    state.recalled.update(rings)
    state.recalled_until = max((ring.offset for ring in state.recalled.values()), default=-1)
    state.pasts += 1


def drop_recalled(state: PaneState, offset: int) -> None:
    """Once the replay has passed all that was logged, only entities that are still to appear need it."""
    if not state.recalled or offset < state.recalled_until:
        return
    oldest = state.watermark // coarse.COARSE - coarse.SLOTS
    state.recalled = {
        name: ring
        for name, ring in state.recalled.items()
        if name not in state.roster.seat_of and ring.newest >= oldest
    }
    state.recalled_until = np.iinfo(np.int64).max
    state.pasts += 1


def encode(state: PaneState) -> dict[str, Part]:
    """The state as parts; only those change their version that a step has changed."""
    parts = {
        "clock": Part(state.serial, partial(_encode_clock, state)),
        "recalled": Part(state.pasts, partial(_encode_recalled, state)),
    }
    seats = state.roster.seats
    for block, at in _blocks(seats, _BLOCK):
        parts[f"signs/{block}"] = Part(state.serial, partial(_encode_columns, state, _SIGNS, at))
        parts[f"lives/{block}"] = Part(state.lives, partial(_encode_lives, state, at))
    for block, at in _blocks(seats, _PAST_BLOCK):
        parts[f"past/{block}"] = Part(state.pasts, partial(_encode_columns, state, _PAST, at))
    panes = state.memory.panes
    for ring_at in np.flatnonzero(panes["tag"] > state.memory.ends[CLOSED] - state.plan.longest):
        pane, version = int(panes["tag"][ring_at]), int(panes["touched"][ring_at])
        for block, at in _blocks(seats, _BLOCK):
            parts[f"pane/{pane}/{block}"] = Part(version, partial(_encode_pane, state, pane, at))
    return parts


def decode(plan: Plan, parts: Mapping[str, bytes]) -> PaneState:
    """The state that `parts` was taken from."""
    state = empty_state(plan)
    columns, _ = unpack(parts["clock"])
    state.watermark, state.serial, state.lives, state.pasts, seats, closed = columns["numbers"].tolist()
    state.memory.ends[CLOSED] = closed
    for name in state.memory.panes.dtype.names or ():
        state.memory.panes[name] = columns[name]
    state.add_seats(seats)
    names: dict[int, str] = {}
    for block, at in _blocks(seats, _BLOCK):
        _decode_columns(state, _SIGNS, at, parts[f"signs/{block}"])
        names.update(_decode_lives(state, at, parts[f"lives/{block}"]))
    for block, at in _blocks(seats, _PAST_BLOCK):
        _decode_columns(state, _PAST, at, parts[f"past/{block}"])
    state.roster.join_at(list(names.values()), list(names))
    state.memory.ends[ALIVE] = len(state.roster)
    state.memory.seats["closed"] = state.memory.ends[CLOSED]
    state.memory.seats["recent_pane"] = NONE
    for name, value in parts.items():
        if name.startswith("pane/"):
            _decode_pane(state, int(name.split("/")[1]), value)
    _merge_again(plan, state.memory, state.roster.order)
    _decode_recalled(state, parts["recalled"])
    return state


def _blocks(seats: int, size: int) -> list[tuple[int, slice]]:
    return [(block, slice(start, min(seats, start + size))) for block, start in enumerate(range(0, seats, size))]


def _encode_clock(state: PaneState) -> bytes:
    closed = int(state.memory.ends[CLOSED])
    numbers = [state.watermark, state.serial, state.lives, state.pasts, state.roster.seats, closed]
    panes = state.memory.panes
    return pack({"numbers": np.array(numbers, np.int64), **{name: panes[name] for name in panes.dtype.names or ()}})


def _encode_columns(state: PaneState, names: tuple[str, ...], at: slice) -> bytes:
    seats = state.memory.seats[at]
    occupied = np.flatnonzero(seats["active"]).astype(np.int32)
    return pack({"seat": occupied, **{name: seats[name][occupied] for name in names}})


def _decode_columns(state: PaneState, names: tuple[str, ...], at: slice, value: bytes) -> None:
    columns, _ = unpack(value)
    for name in names:
        state.memory.seats[name][at][columns["seat"]] = columns[name]


def _encode_lives(state: PaneState, at: slice) -> bytes:
    seats = state.memory.seats[at]
    occupied = np.flatnonzero(seats["active"]).astype(np.int32)
    names = [state.roster.names[at.start + seat] for seat in occupied.tolist()]
    return pack({"seat": occupied, **{name: seats[name][occupied] for name in _LIVES}}, names)


def _decode_lives(state: PaneState, at: slice, value: bytes) -> dict[int, str]:
    _decode_columns(state, _LIVES, at, value)
    columns, names = unpack(value)
    seats = (columns["seat"] + at.start).tolist()
    state.memory.seats["active"][seats] = True
    return dict(zip(seats, names, strict=True))


def _encode_recalled(state: PaneState) -> bytes:
    rings = list(state.recalled.values())
    values = [np.frombuffer(coarse.encode_ring(ring), np.uint8) for ring in rings]
    lengths = np.array([len(value) for value in values], np.int64)
    return pack({"lengths": lengths, "rings": np.concatenate([np.empty(0, np.uint8), *values])}, list(state.recalled))


def _decode_recalled(state: PaneState, value: bytes) -> None:
    columns, names = unpack(value)
    ends = np.cumsum(columns["lengths"])
    rings = columns["rings"].tobytes()
    spans = zip(names, (ends - columns["lengths"]).tolist(), ends.tolist(), strict=True)
    recall(state, {name: coarse.decode_ring(rings[start:end]) for name, start, end in spans})
    state.pasts -= 1


def _encode_pane(state: PaneState, pane: int, at: slice) -> bytes:
    seats, plan, memory = state.memory.seats[at], state.plan, state.memory
    numbers = seats["panes"][:, pane % plan.ring]
    ahead = pane - seats["closed"]  # a seat that lags behind may hold an older pane in this place of the ring
    mine = (numbers != NONE) & seats["active"] & (ahead > -plan.longest) & (ahead <= plan.ring - plan.longest)
    found = np.flatnonzero(mine).astype(np.int32)
    records = memory.records[numbers[found]]
    lengths, entries = _chains(memory.chunks, records["head"])
    columns = {name: records[name] for name in _RECORD}
    place = {"seat": found + np.int32(at.start), "birth": seats["birth"][found]}
    return pack({**place, **columns, "lengths": lengths, "entries": entries})


def _decode_pane(state: PaneState, pane: int, value: bytes) -> None:
    columns, _ = unpack(value)
    seats, entries = columns["seat"], columns["entries"]
    state.memory = reserve(state.memory, len(seats), len(seats) + len(entries))
    of = state.memory.seats  # field by field: a whole seat is large
    same_life = of["active"][seats] & (of["birth"][seats] == columns["birth"])
    numbers = _put_records(state.plan, state.memory, pane, seats, same_life, columns["lengths"], entries)
    for name in _RECORD:
        state.memory.records[name][numbers[same_life]] = columns[name][same_life]


@njit(cache=True)
def _chains(pool: NDArray[np.int32], heads: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The entries of chains, end to end, and how many each has."""
    lengths = np.zeros(len(heads), np.int32)
    for i in range(len(heads)):
        chunk = heads[i]
        while chunk != sketch.NONE:
            for j in range(1, sketch.CHUNK):
                lengths[i] += pool[chunk, j] != 0
            chunk = pool[chunk, 0]
    entries = np.empty(lengths.sum(), np.int32)
    at = 0
    for i in range(len(heads)):
        chunk = heads[i]
        while chunk != sketch.NONE:
            for j in range(1, sketch.CHUNK):
                if pool[chunk, j] != 0:
                    entries[at] = pool[chunk, j]
                    at += 1
            chunk = pool[chunk, 0]
    return lengths, entries


@njit(cache=True)
def _put_records(
    plan: Plan,
    memory: Memory,
    pane: int,
    seats: NDArray[np.int32],
    wanted: NDArray[np.bool_],
    lengths: NDArray[np.int32],
    entries: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Take a record for each wanted seat, with the entries of its sketch; returns their numbers, NONE elsewhere."""
    ends, numbers, at = memory.ends, np.full(len(seats), NONE, np.int32), 0
    for i in range(len(seats)):
        if wanted[i]:
            ends[FREE_RECORDS] -= 1
            number = memory.free_records[ends[FREE_RECORDS]]
            numbers[i] = number
            memory.seats[seats[i]].panes[pane % plan.ring] = number
            head, free = NONE, ends[FREE_CHUNKS]
            for j in range(at, at + lengths[i]):
                bucket, units = entries[j] >> sketch.COUNT_BITS, entries[j] & sketch.COUNT_MASK
                head, free = sketch.put(memory.chunks, memory.free_chunks, free, head, bucket, units)
            memory.records[number].head = head
            ends[FREE_CHUNKS] = free
        at += lengths[i]
    return numbers


@njit(cache=True)
def _merge_again(plan: Plan, memory: Memory, order: NDArray[np.int32]) -> None:
    for seat in order:
        of = memory.seats[seat]
        clear_windows(memory, seat)
        if of.coarse_newest >= 0:
            of.regular = coarse.summarise(of.coarse_ring, of.coarse_newest, of.base)
        for w in range(len(plan.windows)):
            for pane in range(of.closed - plan.windows[w] + 1, of.closed + 1):
                record = of.panes[pane % plan.ring]
                if record != NONE:
                    count_pane(plan, memory, seat, w, record, 1)
