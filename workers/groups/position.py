"""How far the one reader of all partitions is, as the metadata of each partition's committed offset."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from workers.groups.merge import NEVER


@dataclass(frozen=True, slots=True)
class Position:
    """The committed offset is that of the first event that was not taken. Of those from there up to `read`, the ones
    below time `reached` had been taken all the same. `progress` is how far the partition had said it is.
    """

    read: int
    reached: int = NEVER
    progress: int = NEVER

    def encode(self) -> str:
        return orjson.dumps({"read": self.read, "reached": self.reached, "progress": self.progress}).decode()

    @classmethod
    def decode(cls, metadata: str | None) -> Position | None:
        """None where this was not written by us."""
        try:
            return cls(**orjson.loads(metadata or ""))
        except (ValueError, TypeError):
            return None

    def taken(self, offset: int, time: int) -> bool:
        """Whether an event at or above the committed offset had been taken."""
        return offset < self.read and time < self.reached
