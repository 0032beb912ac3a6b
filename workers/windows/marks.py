"""Offsets at which the watermark is remembered, so that a rebuild can begin at one of them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from workers.runtime.stage import RebuildPoint

_MOST = 512


@dataclass(slots=True)
class Marks:
    """A bounded list of (offset, watermark just before it), ascending; older ones lie further apart."""

    offsets: list[int] = field(default_factory=list)
    watermarks: list[int] = field(default_factory=list)

    def add(self, offset: int, watermark: int) -> None:
        """Remember a place; every second one of the older half is forgotten when there are too many."""
        self.offsets.append(offset)
        self.watermarks.append(watermark)
        if len(self.offsets) > _MOST:
            half = len(self.offsets) // 2
            # The oldest stays: it may be the only one that is not above what the state depends on.
            self.offsets[1:half] = self.offsets[2:half:2]
            self.watermarks[1:half] = self.watermarks[2:half:2]

    def newest_up_to(self, anchor: int) -> RebuildPoint | None:
        """The newest mark that is not above `anchor`; marks before it are forgotten, as anchors only move on."""
        place = bisect_right(self.offsets, anchor) - 1
        if place < 0:
            return None
        del self.offsets[:place], self.watermarks[:place]
        return RebuildPoint(self.offsets[0], self.watermarks[0])
