"""When an entity's next window is looked at, of those that are looked at now and then."""

from __future__ import annotations

import zlib

PAUSE_US = 360_000_000
SPREAD_US = 480_000_000


def next_due(owner: tuple[str, str], time: int) -> int:
    """Six to fourteen minutes after `time` (µs), for a profile and entity at some moment, but always the same.

    By the clock, what happens by the clock would be seen always or never.
    """
    return time + PAUSE_US + 1_000_000 * (zlib.crc32(repr((owner, time)).encode()) % (SPREAD_US // 1_000_000))
