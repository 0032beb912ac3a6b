"""What is kept of one partition's entities from windows looked at now and then.

Six to fourteen minutes pass between two windows that change an entity's state: by the clock, what happens by the clock
would be seen always or never. The state is logged with each of them, and none counts before the next is due: so a
rebuild needs no replay for it, and a replay counts nothing twice. Entities unseen for sixty days are forgotten.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from workers.runtime.stage import Part

PAUSE_US, SPREAD_US = 360_000_000, 480_000_000
DAY_US = 86_400_000_000
FORGET_DAYS = 60

SHARDS = 256
"""Parts of a checkpoint that the entities are divided into; one is written again only when a state in it changed."""

_NEVER = -1

Owner = tuple[str, str]
"""Profile and entity."""

Entry = tuple[int, bytes, bytes | None]
"""Of a chunk's record, by its number: key and value (None: to be dropped) for the log."""


class State(Protocol):
    """What is known of an entity up to the window that ended at `last` (epoch microseconds)."""

    @property
    def last(self) -> int: ...

    def encode(self) -> bytes: ...


S = TypeVar("S", bound=State)


def next_due(owner: Owner, time: int) -> int:
    """When the window after one that ended at `time` (µs) counts: at some moment, but always the same."""
    return time + PAUSE_US + 1_000_000 * (zlib.crc32(repr((owner, time)).encode()) % (SPREAD_US // 1_000_000))


class Sampled(Generic[S]):
    """The states of a partition's entities, by the name that their log keys and checkpoint parts begin with.

    `decode` raises ValueError for what `State.encode` has not written.
    """

    def __init__(self, name: str, decode: Callable[[bytes], S]) -> None:
        self._name, self._decode = name, decode
        self._states: dict[Owner, S] = {}
        self._shards: list[set[Owner]] = [set() for _ in range(SHARDS)]
        self._versions = [_NEVER] * SHARDS

    def __len__(self) -> int:
        return len(self._states)

    def get(self, owner: Owner) -> S | None:
        return self._states.get(owner)

    def put(self, owner: Owner, state: S, record: int, offset: int) -> Entry:
        """The state after a record of the chunk, at that offset; what the log is to be told."""
        self._put(owner, state)
        self._versions[_shard(owner)] = offset
        return record, self._key(owner), state.encode()

    def forget(self, begun: list[int], before: int, offsets: NDArray[np.int64], days: NDArray[np.int64]) -> list[Entry]:
        """Drop who was not seen for so many days before those that the records `begun` below `before` have begun.

        Takes these from `begun`, which comes with `days` from `days_begun`. What the log is to be told.
        """
        entries: list[Entry] = []
        while begun and begun[0] < before:
            record = begun.pop(0)
            oldest = (int(days[record + 1]) - FORGET_DAYS) * DAY_US
            for owner in sorted(owner for owner, state in self._states.items() if state.last < oldest):
                del self._states[owner]
                self._shards[_shard(owner)].discard(owner)
                self._versions[_shard(owner)] = int(offsets[record])
                entries.append((record, self._key(owner), None))
        return entries

    def take(self, key: bytes, value: bytes) -> bool:
        """Take a log record in; False where the key is none of these."""
        name = f"{self._name}/".encode()
        if not key.startswith(name):
            return False
        with contextlib.suppress(ValueError):  # what another version has logged says nothing here
            profile, entity = orjson.loads(key.removeprefix(name))
            self._put((profile, entity), self._decode(value))
        return True

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Names and parts of a checkpoint."""
        for number, shard in enumerate(self._shards):
            if shard:
                yield f"{self._name}/{number}", Part(self._versions[number], partial(self._encode, number))

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `parts` gave, among others'."""
        for name, blob in parts.items():
            folder, _, number = name.partition("/")
            if folder != self._name:
                continue
            head, _, states = blob.partition(b"\n")
            known = orjson.loads(head)
            self._versions[int(number)] = known["version"]
            start = 0
            for profile, entity, size in known["entities"]:
                self._put((profile, entity), self._decode(states[start : start + size]))
                start += size

    def _put(self, owner: Owner, state: S) -> None:
        self._states[owner] = state
        self._shards[_shard(owner)].add(owner)

    def _encode(self, number: int) -> bytes:
        """A line of JSON with whose states follow, and how long each is, and the states."""
        owners = sorted(self._shards[number])
        states = [self._states[owner].encode() for owner in owners]
        whose = [(*owner, len(state)) for owner, state in zip(owners, states, strict=True)]
        return b"\n".join((orjson.dumps({"version": self._versions[number], "entities": whose}), b"".join(states)))

    def _key(self, owner: Owner) -> bytes:
        return f"{self._name}/".encode() + orjson.dumps(owner)


def days_begun(watermarks: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """The day (n + 1,) before a chunk's first record and after each, and the records that begin one."""
    days = watermarks // DAY_US
    return days, np.flatnonzero(days[1:] > days[:-1]).tolist()


def _shard(owner: Owner) -> int:
    return zlib.crc32("\x1f".join(owner).encode("utf-8", "surrogatepass")) % SHARDS
