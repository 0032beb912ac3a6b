"""The state of a partition: every incident that is not closed, in the order in which they came."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson

from workers.notify.deciding import Life
from workers.notify.notice import Notice
from workers.runtime.stage import NO_WATERMARK, Part, RebuildPoint

_SHARDS = 64
_HEAD = "head"


class PartitionState:
    """Finite: a life ends with CLOSED, so a rebuild goes back to the first event of the oldest one and no further."""

    __slots__ = ("_shards", "_steps", "_versions", "lives", "watermark")

    def __init__(self, watermark: int = NO_WATERMARK) -> None:
        self.watermark = watermark
        self.lives: dict[str, Life] = {}
        self._shards: list[dict[str, Life]] = [{} for _ in range(_SHARDS)]
        self._versions = [0] * _SHARDS
        self._steps = 0

    def get(self, key: str) -> Life | None:
        return self.lives.get(key)

    def begin(self, key: str, life: Life) -> Life:
        self.lives[key] = self._shards[_shard(key)][key] = life
        return life

    def changed(self, key: str) -> None:
        self._versions[_shard(key)] += 1

    def end(self, key: str) -> None:
        if self.lives.pop(key, None) is not None:
            del self._shards[_shard(key)][key]
            self.changed(key)

    def pass_time(self, time: int) -> None:
        if time > self.watermark:
            self.watermark = time
            self._steps += 1

    def rebuild_point(self) -> RebuildPoint | None:
        oldest = next(iter(self.lives.values()), None)
        return RebuildPoint(oldest.offset, oldest.watermark) if oldest else None

    def parts(self) -> Mapping[str, Part]:
        parts = {_HEAD: Part(self._steps, lambda: orjson.dumps(self.watermark))}
        for number, shard in enumerate(self._shards):
            if shard:
                parts[f"lives/{number}"] = Part(self._versions[number], partial(_encoded, shard))
        return parts

    @classmethod
    def restore(cls, parts: Mapping[str, bytes]) -> PartitionState:
        state = cls(orjson.loads(parts[_HEAD]))
        found = [entry for name, blob in parts.items() if name != _HEAD for entry in _decoded(blob)]
        for key, life in sorted(found, key=lambda entry: entry[1].offset):
            state.begin(key, life)
        return state


def _encoded(shard: Mapping[str, Life]) -> bytes:
    return orjson.dumps({key: asdict(life) for key, life in shard.items()})


def _decoded(blob: bytes) -> Iterator[tuple[str, Life]]:
    for key, fields in orjson.loads(blob).items():
        yield key, _life(fields)


def _life(fields: Mapping[str, Any]) -> Life:
    notice = fields["notice"]
    return Life(**{**fields, "notice": Notice(**notice) if notice else None})


def _shard(key: str) -> int:
    return zlib.crc32(key.encode()) % _SHARDS
