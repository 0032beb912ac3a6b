"""Records of an events topic for the tests of the windows stage: a story of event times, written down step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.events import encode_events
from tests.workers.windows.pane_events import Event, table
from workers.runtime.records import Headers, Records
from workers.windows.ticks import Tick

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_750_000_200 * SECOND
"""A whole pane and a whole coarse pane begin here."""


@dataclass(frozen=True)
class Raw:
    """A record that is no event: garbage, or a tick that is written as given."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers | None = None


@dataclass(frozen=True)
class Step:
    """One record with its Kafka timestamp. A tick's `as_of` of -1 stands for the record before it."""

    stamp: int
    what: Event | Tick | Raw


def records_of(steps: Sequence[Step], first_offset: int = 100, stride: int = 1) -> Records:
    """The steps as consecutive records; offsets leave gaps where `stride` is more than 1, as commit markers do."""
    offsets = first_offset + stride * np.arange(len(steps), dtype=np.int64)
    rows = [_row(step.what, int(offset), stride) for step, offset in zip(steps, offsets, strict=True)]
    return Records(
        topic="telemetry.events.v1",
        partition=3,
        offsets=offsets,
        timestamps=np.array([step.stamp for step in steps], np.int64),
        keys=[row[0] for row in rows],
        values=[row[1] for row in rows],
        headers=[row[2] for row in rows],
    )


def live(events: Sequence[Event], delay: int = SECOND) -> list[Step]:
    """Events that arrive a moment after they happen."""
    return [Step(event.time + delay, event) for event in events]


def replayed(events: Sequence[Event], now: int = START + 1000 * HOUR) -> list[Step]:
    """Events that arrive long after they happened."""
    return [Step(now, event) for event in events]


def _row(what: Event | Tick | Raw, offset: int, stride: int) -> tuple[bytes | None, bytes | None, Headers | None]:
    if isinstance(what, Raw):
        return what.key, what.value, what.headers
    if isinstance(what, Tick):
        tick = Tick(what.time, offset - stride, what.kind) if what.as_of == -1 else what
        return None, tick.encode(), tick.headers
    return what.entity.encode(), encode_events(table([what]))[0], None
