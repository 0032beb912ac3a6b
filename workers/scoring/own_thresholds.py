"""The thresholds of one partition's entities: which slot is whose, what is logged when, what a rebuild replays.

A slot belongs to an entity, a profile and a role: a challenger finds its own. It is logged after a change when the
watermark comes to its own five minutes of an hour, so that not all are logged at once; and a change is rare: a score
that comes half-way to the boundary, or a day's first. A rebuild starts with what was logged and replays from the first
change that was not; up to its logged offset a slot ignores what is replayed. A slot unseen for sixty days is forgotten.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from functools import partial

import numpy as np
import orjson
from numpy.typing import NDArray

from models.thresholds import SIZE, Thresholds
from workers.runtime.stage import Part

KEY = b"threshold/"
PARTS = "thresholds/"
SHARDS = 256
"""Parts of a checkpoint that the slots are divided into; one is written again only when a slot in it changed."""

SLICES = 12
SLICE_US = 300_000_000
"""An hour in five minutes; a slot is logged in those of its own."""

DAY_US = 86_400_000_000
FORGET_US = 60 * DAY_US

_NEVER = -1

Owner = tuple[str, str, str]
"""Profile, role and entity."""


class OwnThresholds:
    """Mutable; everything in it is a function of the records read so far."""

    def __init__(self) -> None:
        self.columns = Thresholds()
        self._slots: dict[Owner, int] = {}
        self._owners: list[Owner | None] = []
        self._free: list[int] = []
        self._logged: list[int] = []
        """Per slot the offset that its log record stands for."""
        self._changed: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """Slots whose state is not what the log holds: offset and watermark before of the first change, ascending."""
        self._shards: list[set[int]] = [set() for _ in range(SHARDS)]
        self._versions = [_NEVER] * SHARDS

    def __len__(self) -> int:
        return len(self._slots)

    def slot(self, owner: Owner) -> int:
        """The owner's slot, an empty one if there is none yet."""
        found = self._slots.get(owner)
        if found is None:
            found = self._free.pop() if self._free else len(self._owners)
            if found == len(self._owners):
                self._owners.append(None)
                self._logged.append(_NEVER)
                self.columns.hold(found + 1)
            self._owners[found], self._logged[found], self._slots[owner] = owner, _NEVER, found
            self._shards[_shard(owner)].add(found)
        return found

    def logged_before(self, slots: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the log record of each slot stands for less than the offset: whether it has that record to learn."""
        logged = np.fromiter((self._logged[slot] for slot in slots.tolist()), np.int64, len(slots))
        return logged < offsets

    def touched(self, slot: int, offset: int, watermark: int) -> None:
        """The slot's state changed with the record at that offset; `watermark` is the one before it."""
        self._versions[_shard(self._owner_of(slot))] = offset
        self._changed.setdefault(slot, (offset, watermark))

    def log(self, offset: int, entered: range) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values for the log of what changed and is due, as it is after the record at that offset.

        `entered` are the slices of time that the watermark came to with that record.
        """
        due = {number % SLICES for number in entered[:SLICES]}
        owners = ((self._owner_of(slot), slot) for slot in self._changed)
        for owner, slot in sorted(one for one in owners if _hash(one[0]) % SLICES in due):
            del self._changed[slot]
            self._logged[slot] = offset
            self._versions[_shard(owner)] = offset
            yield _key(owner), offset.to_bytes(8, "big") + self.columns.encode(slot)

    def forget(self, offset: int, watermark: int, expected: Collection[int]) -> Iterator[bytes]:
        """Drop what nobody has heard of for so long; the keys that the log may drop. Once a day of the watermark.

        Slots of which records that are already read will speak again (`expected`) are emptied, and stay their owners'.
        """
        slots = np.fromiter(self._slots.values(), np.int64, len(self._slots))
        unseen = self.columns.unseen_since(watermark - FORGET_US, slots).tolist()
        for owner, slot in sorted((self._owner_of(slot), slot) for slot in unseen):
            self._versions[_shard(owner)] = offset
            self._changed.pop(slot, None)
            self._logged[slot] = _NEVER
            self.columns.clear(slot)
            if slot not in expected:
                self._shards[_shard(owner)].discard(slot)
                del self._slots[owner]
                self._owners[slot] = None
                self._free.append(slot)
            yield _key(owner)

    def _owner_of(self, slot: int) -> Owner:
        owner = self._owners[slot]
        assert owner is not None
        return owner

    @property
    def oldest_change(self) -> tuple[int, int] | None:
        """Offset of the oldest change that is not logged, and the watermark before it."""
        return next(iter(self._changed.values()), None)

    def take(self, key: bytes, value: bytes) -> bool:
        """Take a log record in; False where the key is none of ours."""
        if not key.startswith(KEY):
            return False
        if len(value) == 8 + SIZE:  # what another version has logged says nothing here
            slot = self.slot(_owner(key))
            self._logged[slot] = int.from_bytes(value[:8], "big")
            self.columns.decode(slot, value[8:])
        return True

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Names and parts of a checkpoint."""
        for number, shard in enumerate(self._shards):
            if shard:
                yield f"{PARTS}{number}", Part(self._versions[number], partial(self._encode, number))

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `parts` gave, among others'."""
        changed: list[tuple[int, int, int]] = []
        for name, blob in ((name, blob) for name, blob in parts.items() if name.startswith(PARTS)):
            head, _, states = blob.partition(b"\n")
            known = orjson.loads(head)
            self._versions[int(name.removeprefix(PARTS))] = known["version"]
            slots = [self.slot(tuple(owner)) for owner, *_ in known["slots"]]
            self.columns.decode_all(np.array(slots, np.int64), states)
            for slot, (_, logged, offset, watermark) in zip(slots, known["slots"], strict=True):
                self._logged[slot] = logged
                if offset is not None:
                    changed.append((offset, slot, watermark))
        self._changed = OrderedDict((slot, (offset, watermark)) for offset, slot, watermark in sorted(changed))

    def _encode(self, number: int) -> bytes:
        """A line of JSON with whose states follow, and the states."""
        slots = sorted(self._shards[number], key=self._owner_of)
        heads = [(self._owners[s], self._logged[s], *self._changed.get(s, (None, None))) for s in slots]
        head = orjson.dumps({"version": self._versions[number], "slots": heads})
        return b"\n".join((head, self.columns.encode_all(np.array(slots, np.int64))))


def _key(owner: Owner) -> bytes:
    return KEY + orjson.dumps(owner)


def _owner(key: bytes) -> Owner:
    profile, role, entity = orjson.loads(key.removeprefix(KEY))
    return profile, role, entity


def _shard(owner: Owner) -> int:
    return _hash(owner) % SHARDS


def _hash(owner: Owner) -> int:
    return zlib.crc32("\x1f".join(owner).encode("utf-8", "surrogatepass"))
