"""Ticks: records that say "time has passed here and nothing came", so that a replay sees the silence that we saw.

Whether one is due is decided here, from facts alone; who writes it is somebody else's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import orjson

from schemas.times import format_times, parse_time
from workers.progress import TICK_HEADER
from workers.runtime.records import Headers

IDLE, END = "idle", "end"

_LIVE_WITHIN = 60_000_000


@dataclass(frozen=True, slots=True)
class TickPolicy:
    """Microseconds. `idle_timeout` 0: never. A record was live if its event time was at most `live_within` behind."""

    idle_timeout: int = 30_000_000
    live_within: int = _LIVE_WITHIN


@dataclass(frozen=True, slots=True)
class TickFacts:
    """What is known of a partition when it is asked whether a tick is due; times are epoch microseconds.

    `last_offset` is that of the last record read, None if there never was one; `last_was_tick`, or else `last_behind`,
    its Kafka timestamp − event time, say whether it was live. `quiet_since` is when the last record came (the
    asker's clock); `at_end` whether the partition is read to its end; `intake_lag` the records that intake's group
    has not read of its raw topics (0 where there is no intake; None where nobody could tell).
    """

    last_offset: int | None
    last_was_tick: bool
    last_behind: int
    quiet_since: int
    at_end: bool
    intake_lag: int | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed up to `time` (epoch microseconds) with nothing after the record at offset `as_of`."""

    time: int
    as_of: int
    kind: Literal["idle", "end"] = "idle"

    @property
    def headers(self) -> Headers:
        """The record's headers; its key is null."""
        return [(TICK_HEADER, self.kind.encode())]

    def encode(self) -> bytes:
        """The record's value."""
        return orjson.dumps({"time": format_times(np.array([self.time], np.int64))[0], "as_of": self.as_of})


def due(policy: TickPolicy, facts: TickFacts, now: int) -> Tick | None:
    """The tick to append now, if one is due.

    Not while there is something unread, here or before intake: that is lag, not silence. Not behind old data: a
    backfill that pauses has not fallen silent.
    """
    if policy.idle_timeout == 0 or facts.last_offset is None or not facts.at_end:
        return None
    if facts.intake_lag is None or facts.intake_lag > 0:
        return None
    if not facts.last_was_tick and facts.last_behind > policy.live_within:
        return None
    if now - facts.quiet_since < policy.idle_timeout:
        return None
    return Tick(now, facts.last_offset)


def is_tick(key: bytes | None, headers: Headers | None) -> bool:
    """Whether a record says that it is a tick."""
    return key is None and headers is not None and any(name == TICK_HEADER for name, _ in headers)


def read_tick(value: bytes | None, headers: Headers) -> Tick | None:
    """The tick in a record; None where its header or value is damaged."""
    kinds = [bytes(kind).decode(errors="replace") for name, kind in headers if name == TICK_HEADER]
    try:
        content = orjson.loads(value or b"")
        time, as_of = parse_time(content["time"]), content["as_of"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(as_of, int) or isinstance(as_of, bool) or kinds[-1:] not in ([IDLE], [END]):
        return None
    return Tick(time, as_of, "end" if kinds[-1] == END else "idle")


def tick_places(keys: Sequence[bytes | None], headers: Sequence[Headers | None]) -> list[int]:
    """Which records of a batch are ticks."""
    if None not in keys:
        return []
    return [i for i, key in enumerate(keys) if key is None and is_tick(key, headers[i])]
