"""The usual errors of one partition's entities without a model (`models.untrained.running`).

An entity learns from a vector in some ten minutes, and what it then knows is logged with that vector. None teaches
before the next is due: so a rebuild needs no replay for it, and a replay teaches nothing twice. Entities unseen for
sixty days are forgotten.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import orjson
from numpy.typing import NDArray

from models.untrained.running import Columns, Usual, Verdicts, find_columns, learned
from workers.runtime.stage import Part
from workers.scoring.judged import Judged
from workers.scoring.pauses import next_due

KEY = b"usual/"
PARTS = "usual/"
SHARDS = 256
"""Parts of a checkpoint that the entities are divided into; one is written again only when one in it has learned."""

_DAY_US = 86_400_000_000
_FORGET_DAYS = 60

_NEVER = -1

Owner = tuple[str, str]
"""Profile and entity."""

Entries = list[tuple[int, bytes, bytes | None]]
"""Of a chunk's records, by number: keys and values (None: to be dropped) for the log."""


class UsualErrors:
    """Mutable; everything in it is a function of the records read so far. Memory: 64 bytes a metric."""

    def __init__(self) -> None:
        self._usual: dict[Owner, Usual] = {}
        self._shards: list[set[Owner]] = [set() for _ in range(SHARDS)]
        self._versions = [_NEVER] * SHARDS

    def __len__(self) -> int:
        return len(self._usual)

    def judge(
        self, judged: Sequence[Judged], offsets: NDArray[np.int64], watermarks: NDArray[np.int64]
    ) -> tuple[list[Judged], Entries]:
        """What is said of a chunk's vectors, now by their entities' own errors where those are known, in record order.

        `offsets` are those of the chunk's n records, `watermarks` (n + 1,) the partition's before the first and after
        each.
        """
        logged: Entries = []
        days = watermarks // _DAY_US
        crossed = np.flatnonzero(days[1:] > days[:-1]).tolist()
        verdicts = {i: said for i, one in enumerate(judged) if (said := _blank(one)) is not None}
        for record, number, place in sorted(_places(judged, verdicts)):
            while crossed and crossed[0] < record:
                self._forget(crossed.pop(0), offsets, watermarks, logged)
            self._judge(judged[number], verdicts[number], record, place, int(offsets[record]), logged)
        for record in crossed:
            self._forget(record, offsets, watermarks, logged)
        result = list(judged)
        for number, said in verdicts.items():
            one = judged[number]
            assert one.untrained is not None
            result[number] = replace(one, scored=said.over(one.scored, one.untrained))
        return result, logged

    def take(self, key: bytes, value: bytes) -> bool:
        """Take a log record in; False where the key is none of ours."""
        if not key.startswith(KEY):
            return False
        with contextlib.suppress(ValueError):  # what another version has logged says nothing here
            self._put(_owner(key), Usual.decode(value))
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
            head, _, states = blob.partition(b"\n")
            known = orjson.loads(head)
            self._versions[int(name.removeprefix(PARTS))] = known["version"]
            start = 0
            for profile, entity, size in known["entities"]:
                self._put((profile, entity), Usual.decode(states[start : start + size]))
                start += size

    def _judge(self, one: Judged, said: Verdicts, record: int, place: int, offset: int, logged: Entries) -> None:
        row = int(one.rows[place])
        owner = one.block.profile, one.block.entity[row]
        usual, metrics = self._usual.get(owner), said.columns.metrics
        if usual is not None:
            said.judge(place, usual.of(metrics))
        time = int(one.block.window_end[row])
        if usual is None:
            usual = Usual.blank(metrics)
        if time >= usual.due:
            known = learned(usual.of(metrics), said.sequences[place])
            usual = Usual(time, next_due(owner, time), metrics, known)
            self._put(owner, usual)
            self._versions[_shard(owner)] = offset
            logged.append((record, _key(owner), usual.encode()))

    def _forget(self, record: int, offsets: NDArray[np.int64], watermarks: NDArray[np.int64], logged: Entries) -> None:
        """Drop what has not learned for so long before the day that the record has begun."""
        last = (int(watermarks[record + 1]) // _DAY_US - _FORGET_DAYS) * _DAY_US
        for owner in sorted(owner for owner, usual in self._usual.items() if usual.last < last):
            del self._usual[owner]
            self._shards[_shard(owner)].discard(owner)
            self._versions[_shard(owner)] = int(offsets[record])
            logged.append((record, _key(owner), None))

    def _put(self, owner: Owner, usual: Usual) -> None:
        self._usual[owner] = usual
        self._shards[_shard(owner)].add(owner)

    def _encode(self, number: int) -> bytes:
        """A line of JSON with whose states follow, and how long each is, and the states."""
        owners = sorted(self._shards[number])
        states = [self._usual[owner].encode() for owner in owners]
        whose = [(*owner, len(state)) for owner, state in zip(owners, states, strict=True)]
        return b"\n".join((orjson.dumps({"version": self._versions[number], "entities": whose}), b"".join(states)))


def _blank(one: Judged) -> Verdicts | None:
    """Room for verdicts; None where a model has judged, or the vectors have no samples to go by."""
    if one.untrained is None:
        return None
    columns = _columns(tuple(one.names))
    return Verdicts.of(columns, one.untrained) if columns is not None else None


@lru_cache(maxsize=1_000)
def _columns(names: tuple[str, ...]) -> Columns | None:
    return find_columns(names)


def _places(judged: Sequence[Judged], chosen: Mapping[int, Verdicts]) -> Iterator[tuple[int, int, int]]:
    """Record, judgement and place in it of every vector of those chosen."""
    for number in chosen:
        one = judged[number]
        for place, record in enumerate(one.block.at[one.rows].tolist()):
            yield record, number, place


def _key(owner: Owner) -> bytes:
    return KEY + orjson.dumps(owner)


def _owner(key: bytes) -> Owner:
    profile, entity = orjson.loads(key.removeprefix(KEY))
    return profile, entity


def _shard(owner: Owner) -> int:
    return zlib.crc32("\x1f".join(owner).encode("utf-8", "surrogatepass")) % SHARDS
