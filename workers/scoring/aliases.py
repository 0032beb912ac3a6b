"""Which versions are in force, from which input offset on, and how that is logged and read back.

The log is sixteen records (shards) of a compacted topic, each with all aliases whose profile and scope fall to it, so
that the first take-up of a partition replaces whatever an earlier life of the topic had left there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from models.registry import Aliases

SHARDS = 16
KEPT = 8
"""Take-ups remembered per alias: a replay reaches back an hour of event time, aliases are moved by people."""

_KEY = b"aliases/"

Name = tuple[str, str]
"""Profile and scope."""


@dataclass(frozen=True, slots=True)
class TakeUp:
    """From input offset `offset` on these versions are in force, by the control record at `control` (−1: by none)."""

    offset: int
    control: int
    aliases: Aliases


_NOTHING_BEFORE = (TakeUp(-1, -1, Aliases()),)
"""What stands before a name's first take-up: a replay from before it must not score by it."""


class AliasTable:
    """The take-ups of every profile and scope, oldest first."""

    def __init__(self) -> None:
        self._history: dict[Name, tuple[TakeUp, ...]] = {}
        self.version = 0
        """Grows with every change."""

    def latest(self, name: Name) -> TakeUp | None:
        history = self._history.get(name)
        return history[-1] if history else None

    def put(self, name: Name, taken: TakeUp) -> None:
        """Add a take-up; one at the same offset replaces the one before."""
        self.version += 1
        before = [one for one in self._history.get(name, _NOTHING_BEFORE) if one.offset < taken.offset]
        self._history[name] = (*before, taken)[-KEPT:]

    def in_force(self, offset: int) -> dict[Name, Aliases]:
        """What serves the record at that offset. What was taken up before all that is remembered counts from ever."""
        found = {}
        for name, history in self._history.items():
            current = [one for one in history if one.offset <= offset] or history[:1]
            if current[-1].aliases != Aliases():
                found[name] = current[-1].aliases
        return found

    def next_change(self, offset: int) -> int | None:
        """The first offset above `offset` at which something changes."""
        later = [one.offset for history in self._history.values() for one in history[1:] if one.offset > offset]
        return min(later, default=None)

    def encode(self, shards: Iterable[int] = range(SHARDS)) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of the log records of these shards, empty ones too."""
        for shard in shards:
            names = sorted(name for name in self._history if shard_of(name) == shard)
            entries = [{"profile": p, "scope": s, "history": _dump(self._history[p, s])} for p, s in names]
            yield _KEY + b"%02d" % shard, orjson.dumps({"entries": entries})

    def decode(self, key: bytes, value: bytes) -> bool:
        """Take a log record in; False where the key is none of ours."""
        if not key.startswith(_KEY):
            return False
        self.version += 1
        for entry in orjson.loads(value)["entries"]:
            self._history[entry["profile"], entry["scope"]] = tuple(
                TakeUp(one["offset"], one["control"], Aliases(one["champion"], one["challenger"]))
                for one in entry["history"]
            )
        return True


def shard_of(name: Name) -> int:
    return zlib.crc32("\x1f".join(name).encode("utf-8", "surrogatepass")) % SHARDS


def _dump(history: tuple[TakeUp, ...]) -> list[dict[str, object]]:
    return [
        {
            "offset": one.offset,
            "control": one.control,
            "champion": one.aliases.champion,
            "challenger": one.aliases.challenger,
        }
        for one in history
    ]
