"""Totals of several devices as one total that never falls, whatever becomes of the devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Totals:
    """Adds up what devices have counted since they were first seen here.

    A sum of the devices' own totals falls when one of them goes, and whoever reads it takes the whole of it for what
    happened since. Here a device that comes counts from its first reading on, one that goes adds nothing more, and one
    whose total has fallen has begun again at 0.
    """

    def __init__(self, width: int) -> None:
        self._sums = [0.0] * width
        self._last: Mapping[str, Sequence[float]] | None = None

    def add(self, now: Mapping[str, Sequence[float]]) -> Sequence[float] | None:
        """Take the devices' readings, each `width` long; the totals so far, None at the first time."""
        before, self._last = self._last, now
        if before is None:
            return None
        for device, readings in now.items():
            for at, (reading, base) in enumerate(zip(readings, before.get(device, readings), strict=True)):
                self._sums[at] += reading - base if reading >= base else reading
        return tuple(self._sums)
